// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10 against Random123's known answers, the sequence rules of Generator, and coarse statistical
// checks with fixed seeds. Each statistic may fail by chance with probability 1e-6 at most.
#include "tenfold/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace tenfold::random {
namespace {

using Block = std::array<std::uint32_t, 4>;
constexpr std::uint32_t kOnes = 0xFFFFFFFFu;

// Pearson's statistic against equal or given expectations.
double chi_square(const std::vector<double>& seen, const std::vector<double>& expected) {
  double sum = 0.0;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    sum += (seen[i] - expected[i]) * (seen[i] - expected[i]) / expected[i];
  }
  return sum;
}

// Wilson and Hilferty's approximation of the chi-square quantile; z = +-4.753 for 1e-6 on either side.
double chi_square_quantile(double freedom, double z) {
  const double a = 2.0 / (9.0 * freedom);
  return freedom * std::pow(1.0 - a + z * std::sqrt(a), 3);
}

TEST(Philox, MatchesTheKnownAnswersOfRandom123) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Generator, IsPhiloxWithTheDocumentedCounterAndKey) {
  // From a Python transcription of the algorithm that reproduces Random123's known answers.
  Generator generator(0x123456789abcdef0, 0xfedcba9876543210, (std::uint64_t{1} << 40) + 3);
  for (const std::uint32_t word :
       {0x5f3931b0u, 0x24840040u, 0x2ae124bdu, 0xebbf03f9u, 0xb2d7c68fu, 0xb48fe7d5u}) {
    EXPECT_EQ(generator.next_u32(), word);
  }
  Generator zero(0, 0);
  for (const std::uint32_t word : philox4x32({0, 0, 0, 0}, {0, 0})) EXPECT_EQ(zero(), word);
}

TEST(Generator, SeekGivesTheSameWordsAsDrawing) {
  Generator drawn(9, 5);
  std::vector<std::uint32_t> words(64);
  for (std::uint32_t& word : words) word = drawn.next_u32();
  Generator sought(9, 5);
  for (const std::size_t i : {63u, 0u, 17u, 16u, 18u, 3u, 4u, 62u}) {
    sought.seek(i);
    EXPECT_EQ(sought.index(), i);
    EXPECT_EQ(sought.next_u32(), words[i]);
    EXPECT_EQ(sought.index(), i + 1);
    EXPECT_EQ(Generator(9, 5, i).next_u32(), words[i]);
  }
}

TEST(Generator, SeekReachesTheEndOfTheIndexRange) {
  const std::uint64_t last = std::numeric_limits<std::uint64_t>::max();
  Generator generator(1, 2, last);
  const std::uint64_t block = last / 4;
  const Block words =
      philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), 2, 0}, {1, 0});
  EXPECT_EQ(generator.next_u32(), words[3]);
}

TEST(Generator, CopiesContinueIndependently) {
  Generator first(3, 4);
  first.next_u32();
  Generator second = first;
  EXPECT_EQ(first.next_u64(), second.next_u64());
}

TEST(Generator, NextU64TakesTheLowWordFirst) {
  Generator words(11, 12), pairs(11, 12);
  const std::uint64_t low = words.next_u32();
  EXPECT_EQ(pairs.next_u64(), (std::uint64_t{words.next_u32()} << 32) | low);
}

TEST(Generator, SatisfiesTheStandardGeneratorConcept) {
  static_assert(std::uniform_random_bit_generator<Generator>);
  Generator generator(1, 1);
  std::vector<int> values(100);
  std::iota(values.begin(), values.end(), 0);
  std::vector<int> shuffled = values;
  std::shuffle(shuffled.begin(), shuffled.end(), generator);
  EXPECT_NE(shuffled, values);
  EXPECT_TRUE(std::is_permutation(shuffled.begin(), shuffled.end(), values.begin()));
}

TEST(Generator, DistinctSeedsAndStreamsGiveDistinctSequences) {
  const auto first_words = [](std::uint64_t seed, std::uint64_t stream) {
    Generator generator(seed, stream);
    return std::vector<std::uint64_t>{generator.next_u64(), generator.next_u64()};
  };
  std::vector<std::vector<std::uint64_t>> all;
  const std::uint64_t high = std::uint64_t{1} << 32;  // the upper halves count too
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, high, ~std::uint64_t{0}}) {
    for (const std::uint64_t stream : {std::uint64_t{0}, std::uint64_t{1}, high, ~std::uint64_t{0}}) {
      all.push_back(first_words(seed, stream));
    }
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

// Counts pairs of 4-bit values of two sequences in a 16 x 16 table.
double pair_statistic(Generator a, Generator b, int shift) {
  constexpr int kPairs = 1 << 16;
  std::vector<double> seen(256, 0.0);
  for (int i = 0; i < kPairs; ++i) {
    const std::uint32_t row = (a.next_u32() >> shift) & 15u, column = (b.next_u32() >> shift) & 15u;
    seen[16 * row + column] += 1.0;
  }
  return chi_square(seen, std::vector<double>(256, kPairs / 256.0));
}

TEST(Generator, NeighbouringStreamsSeedsAndIndexesAreUncorrelated) {
  const double low = chi_square_quantile(255, -4.753), high = chi_square_quantile(255, 4.753);
  for (const int shift : {0, 14, 28}) {
    for (const double statistic : {
             pair_statistic(Generator(7, 0), Generator(7, 1), shift),
             pair_statistic(Generator(7, 0), Generator(8, 0), shift),
             pair_statistic(Generator(7, 1), Generator(7, std::uint64_t{1} << 32), shift),
             pair_statistic(Generator(7, 0, 0), Generator(7, 0, 1), shift),
         }) {
      EXPECT_GT(statistic, low) << "too even to be random";
      EXPECT_LT(statistic, high) << "dependent";
    }
  }
}

TEST(Generator, UniformIsA53BitFractionBelowOne) {
  Generator generator(42, 1);
  // From the Python transcription.
  EXPECT_EQ(generator.uniform(), 0.1262498542224193);
  EXPECT_EQ(generator.uniform(), 0.7116127377916281);
  EXPECT_EQ(generator.uniform(), 0.9914873587267705);
  double smallest = 1.0, largest = 0.0, sum = 0.0;
  constexpr int kCount = 100000;
  for (int i = 0; i < kCount; ++i) {
    const double value = generator.uniform();
    ASSERT_EQ(std::ldexp(value, 53), std::floor(std::ldexp(value, 53)));
    smallest = std::min(smallest, value);
    largest = std::max(largest, value);
    sum += value;
  }
  EXPECT_GE(smallest, 0.0);
  EXPECT_LT(largest, 1.0);
  EXPECT_NEAR(sum / kCount, 0.5, 4.9 / std::sqrt(12.0 * kCount));
}

TEST(Generator, BelowMatchesAnIndependentTranscription) {
  Generator generator(42, 2);
  for (const std::uint32_t value : {3u, 5u, 4u, 6u, 5u, 8u, 7u, 6u, 7u, 3u, 4u, 0u}) {
    EXPECT_EQ(generator.below(10), value);
  }
}

TEST(Generator, BelowOneIsZero) {
  Generator generator(1, 1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(generator.below(1), 0u);
}

TEST(Generator, BelowStaysBelowItsBoundForAwkwardBounds) {
  Generator generator(5, 5);
  for (const std::uint32_t bound : {2u, 3u, 7u, 1000u, 0x7FFFFFFFu, 0x80000001u, kOnes}) {
    for (int i = 0; i < 2000; ++i) ASSERT_LT(generator.below(bound), bound);
  }
}

TEST(Generator, BelowIsUniformForSmallBounds) {
  Generator generator(2022, 6);
  constexpr int kCount = 60000;
  std::vector<double> seen(6, 0.0);
  for (int i = 0; i < kCount; ++i) seen[generator.below(6)] += 1.0;
  EXPECT_LT(chi_square(seen, std::vector<double>(6, kCount / 6.0)), chi_square_quantile(5, 4.753));
}

TEST(Generator, BelowHasNoBiasWhereAPlainModuloOrProductHas) {
  // For 3 * 2^30 a modulo doubles the lower third and a product alone doubles every third value.
  constexpr std::uint32_t kBound = 3u << 30;
  constexpr int kCount = 60000;
  Generator generator(2022, 7);
  std::vector<double> thirds(3, 0.0), classes(3, 0.0);
  for (int i = 0; i < kCount; ++i) {
    const std::uint32_t value = generator.below(kBound);
    thirds[value >> 30] += 1.0;
    classes[value % 3] += 1.0;
  }
  const std::vector<double> expected(3, kCount / 3.0);
  EXPECT_LT(chi_square(thirds, expected), 27.64);  // -2 ln 1e-6, exact for two degrees of freedom
  EXPECT_LT(chi_square(classes, expected), 27.64);
}

TEST(Generator, NormalMatchesAnIndependentTranscription) {
  Generator generator(42, 1);
  for (const double value :
       {-0.12409858730465695, 0.46978382953784925, -0.27300517052129797, 1.4814374026674597}) {
    EXPECT_NEAR(generator.normal(), value, 1e-14);
  }
  EXPECT_EQ(generator.index(), 16u);  // four words each
}

TEST(Generator, NormalHasStandardMomentsAndDistribution) {
  constexpr int kCount = 200000;
  Generator generator(3, 14);
  std::vector<double> values(kCount);
  double sums[4] = {};
  for (double& value : values) {
    value = generator.normal();
    for (int power = 0; power < 4; ++power) sums[power] += std::pow(value, power + 1);
  }
  // Standard errors of the raw moments of a normal: sqrt(1, 2, 15, 96) over sqrt(n).
  const double scale = 4.9 / std::sqrt(static_cast<double>(kCount));
  EXPECT_NEAR(sums[0] / kCount, 0.0, scale);
  EXPECT_NEAR(sums[1] / kCount, 1.0, scale * std::sqrt(2.0));
  EXPECT_NEAR(sums[2] / kCount, 0.0, scale * std::sqrt(15.0));
  EXPECT_NEAR(sums[3] / kCount, 3.0, scale * std::sqrt(96.0));
  // Kolmogorov and Smirnov: P(sqrt(n) D > 2.7) is 2 exp(-2 * 2.7^2) < 1e-6.
  std::sort(values.begin(), values.end());
  double distance = 0.0;
  for (int i = 0; i < kCount; ++i) {
    const double cumulative = 0.5 * std::erfc(-values[static_cast<std::size_t>(i)] / std::sqrt(2.0));
    distance = std::max({distance, cumulative - i / double{kCount}, (i + 1) / double{kCount} - cumulative});
  }
  EXPECT_LT(distance * std::sqrt(static_cast<double>(kCount)), 2.7);
}

TEST(Permutation, MatchesAnIndependentTranscription) {
  std::vector<std::uint32_t> values(10);
  permutation(42, 3, values);
  EXPECT_EQ(values, (std::vector<std::uint32_t>{1, 7, 6, 2, 9, 3, 8, 5, 4, 0}));
}

TEST(Permutation, HoldsEveryIndexOnceForAnySize) {
  for (const std::size_t size : {0u, 1u, 2u, 3u, 1000u}) {
    std::vector<std::uint32_t> values(size, 99u), expected(size);
    permutation(1, size, values);
    std::sort(values.begin(), values.end());
    std::iota(expected.begin(), expected.end(), 0u);
    EXPECT_EQ(values, expected);
  }
}

TEST(Permutation, DependsOnSeedAndStreamAlone) {
  std::vector<std::uint32_t> a(50), b(50, 7u), other_seed(50), other_stream(50);
  permutation(1, 2, a);
  permutation(1, 2, b);
  permutation(2, 2, other_seed);
  permutation(1, 3, other_stream);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, other_seed);
  EXPECT_NE(a, other_stream);
}

TEST(Permutation, AllOrdersAreEquallyFrequent) {
  constexpr std::uint64_t kCount = 24000;
  std::vector<double> seen(256, 0.0);
  for (std::uint64_t stream = 0; stream < kCount; ++stream) {
    std::array<std::uint32_t, 4> order{};
    permutation(77, stream, order);
    seen[order[0] + 4 * order[1] + 16 * order[2] + 64 * order[3]] += 1.0;
  }
  std::erase(seen, 0.0);
  ASSERT_EQ(seen.size(), 24u);
  EXPECT_LT(chi_square(seen, std::vector<double>(24, kCount / 24.0)), chi_square_quantile(23, 4.753));
}

}  // namespace
}  // namespace tenfold::random
