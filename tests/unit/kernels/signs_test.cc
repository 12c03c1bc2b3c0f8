// SPDX-License-Identifier: Apache-2.0
// Signs from counters: the same on every instruction set, and distributed as coin flips.
#include "tenfold/kernels/signs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "tenfold/base/error.h"
#include "tests/unit/kernels/every_target.h"

namespace tenfold::kernels {
namespace {

TEST_F(EveryTarget, SignWordsAreTheBlocksOfPhilox) {
  for_each_target([] {
    for (std::uint64_t seed = 0; seed < 1000; ++seed) {
      TestNumbers random(seed);
      const SignKey key{
          .seed = random.below(~0ul), .step = random.below(~0ul), .vector = static_cast<std::uint32_t>(seed)};
      const std::uint64_t first = 4 * random.below(std::size_t{1} << 32);
      std::vector<std::uint32_t> fast(random.size(0, 150), 7u), expected(fast.size());
      sign_words(key, first, fast);
      sign_words_plain(key, first, expected);
      EXPECT_EQ(fast, expected) << seed;
    }
  });
}

TEST_F(EveryTarget, SignsAreTheBitsOfTheWords) {
  for_each_target([] {
    TestNumbers random(5);
    for (std::size_t count = 0; count < 1000; ++count) {
      std::vector<std::uint32_t> words((count + 31) / 32);
      for (std::uint32_t& word : words) word = static_cast<std::uint32_t>(random.below(std::size_t{1} << 32));
      std::vector<float> fast(count + 1, 9.0f), expected(count);
      expand_signs(words, std::span(fast).first(count));
      expand_signs_plain(words, expected);
      EXPECT_EQ(fast.back(), 9.0f);
      fast.pop_back();
      EXPECT_EQ(fast, expected) << count;
    }
  });
}

TEST_F(EveryTarget, FilledSignsAreTheSequence) {
  for_each_target([] {
    const SignKey key{.seed = 3, .step = 4, .vector = 5};
    std::vector<std::uint32_t> words(800);
    sign_words_plain(key, 0, words);
    for (std::size_t count : {0, 1, 31, 33, 8191, 8192, 8193, 20000}) {
      std::vector<float> fast(count), expected(count);
      fill_signs(key, fast);
      expand_signs_plain(words, expected);
      EXPECT_EQ(fast, expected) << count;
    }
  });
}

TEST(Signs, DifferWithSeedStepAndVector) {
  std::set<std::vector<float>> seen;
  const auto add = [&](const SignKey& key) {
    std::vector<float> signs(256);
    fill_signs(key, signs);
    seen.insert(signs);
  };
  add({});
  add({.seed = 1});
  add({.seed = std::uint64_t{1} << 32});
  add({.step = 1});
  add({.step = std::uint64_t{1} << 32});
  add({.vector = 1});
  EXPECT_EQ(seen.size(), 6u);
}

TEST(Signs, HaveMeanZeroAndAreUncorrelated) {
  constexpr std::size_t kCount = 1 << 16;
  std::vector<float> a(kCount), b(kCount);
  fill_signs({.seed = 11, .step = 1}, a);
  fill_signs({.seed = 11, .step = 2}, b);
  double mean = 0.0, product = 0.0, lagged = 0.0;
  for (std::size_t i = 0; i < kCount; ++i) {
    mean += double{a[i]};
    product += double{a[i]} * double{b[i]};
    lagged += double{a[i]} * double{a[(i + 1) % kCount]};
  }
  // Each sum has standard deviation 256; 5 of them.
  EXPECT_LT(std::abs(mean), 5 * 256.0);
  EXPECT_LT(std::abs(product), 5 * 256.0);
  EXPECT_LT(std::abs(lagged), 5 * 256.0);
}

TEST(Signs, RefuseAStartWithinABlockAndTooFewWords) {
  std::vector<std::uint32_t> words(1);
  std::vector<float> signs(33);
  EXPECT_THROW(sign_words({}, 2, words), Error);
  EXPECT_THROW(expand_signs(words, signs), Error);
}

}  // namespace
}  // namespace tenfold::kernels
