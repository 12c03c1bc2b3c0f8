// SPDX-License-Identifier: Apache-2.0
// Random signs and normals against the plain versions, on every instruction set this machine has, and against the moments of
// their laws.
#include "tenfold/kernels/random_fill.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/unit/kernels/every_target.h"

namespace tenfold::kernels {
namespace {

constexpr RandomStream kStream{0x123456789ABCDEFull, 0xFEDCBA9876543210ull};

template <typename Fill>
std::vector<float> filled(Fill fill, std::uint64_t first, std::size_t count, RandomStream stream = kStream) {
  std::vector<float> values(count + 1, 77.0f);
  fill(stream, first, std::span(values).first(count));
  EXPECT_EQ(values.back(), 77.0f) << "wrote past the end";
  values.pop_back();
  return values;
}

// Ranges that begin and end inside words, blocks and vectors, and counters beyond 32 bits.
struct Range {
  std::uint64_t first;
  std::size_t count;
};
std::vector<Range> ranges() {
  std::vector<Range> all{{0, 0}, {0, 1}, {5, 1}, {0, 1000}, {(1ull << 34) - 3, 300}, {(1ull << 40) + 7, 129}};
  for (std::uint64_t first : {0ull, 1ull, 31ull, 63ull, 127ull, 130ull}) {
    for (std::size_t count : {3u, 31u, 64u, 127u, 128u, 200u, 517u}) all.push_back({first, count});
  }
  return all;
}

TEST(RandomFill, SignsEqualThePlainVersionOnEveryInstructionSet) {
  on_every_target([] {
    for (const Range& range : ranges()) {
      ASSERT_EQ(filled(fill_signs, range.first, range.count),
                filled(fill_signs_plain, range.first, range.count))
          << range.first << " + " << range.count;
    }
  });
}

TEST(RandomFill, KeptValuesEqualThePlainVersionOnEveryInstructionSet) {
  on_every_target([] {
    for (const Range& range : ranges())
      for (const KeepRule rule : {KeepRule{58982, 1.25f}, KeepRule{1, 2.0f}}) {
        const auto fast = [&](auto stream, auto first, auto out) { fill_kept(stream, first, rule, out); };
        const auto plain = [&](auto stream, auto first, auto out) {
          fill_kept_plain(stream, first, rule, out);
        };
        ASSERT_EQ(filled(fast, range.first, range.count), filled(plain, range.first, range.count))
            << range.first << " + " << range.count;
      }
  });
}

TEST(RandomFill, KeptValuesHaveTheirShare) {
  for (const std::uint32_t kept : {0u, 16384u, 58982u, 65536u}) {
    std::vector<float> values(1 << 18);
    fill_kept(kStream, 0, {kept, 3.0f}, values);
    double count = 0;
    for (const float value : values) {
      EXPECT_TRUE(value == 0.0f || value == 3.0f);
      count += value / 3.0;
    }
    const double share = kept / 65536.0, n = static_cast<double>(values.size());
    EXPECT_LE(std::abs(count / n - share), 4 * std::sqrt(share * (1 - share) / n));
  }
}

TEST(RandomFill, NormalsEqualThePlainVersionOnEveryInstructionSet) {
  on_every_target([] {
    for (const Range& range : ranges()) {
      const auto fast = filled(fill_normals, range.first, range.count);
      const auto plain = filled(fill_normals_plain, range.first, range.count);
      for (std::size_t i = 0; i < fast.size(); ++i)
        ASSERT_NEAR(fast[i], plain[i], 2e-6 * (1 + std::abs(plain[i])));
    }
  });
}

TEST(RandomFill, AnEntryDoesNotDependOnHowTheRangeIsSplit) {
  const auto whole = filled(fill_normals, 0, 2000);
  for (std::size_t first = 0; first < whole.size(); first += 73) {
    const std::size_t count = std::min<std::size_t>(73, whole.size() - first);
    const auto part = filled(fill_normals, first, count);
    for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(part[i], whole[first + i]);  // to the bit
  }
}

// Moments of a million draws; bounds are five standard errors.
TEST(RandomFill, NormalsHaveTheMomentsOfTheirLaw) {
  const auto values = filled(fill_normals, 0, 1'000'000);
  double m1 = 0, m2 = 0, m3 = 0, m4 = 0, neighbours = 0, tail = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double x = values[i];
    m1 += x;
    m2 += x * x;
    m3 += x * x * x;
    m4 += x * x * x * x;
    tail += std::abs(x) > 3.0;
    if (i > 0) neighbours += x * values[i - 1];
  }
  const double n = 1e6;
  EXPECT_NEAR(m1 / n, 0.0, 5 * 1.0 / std::sqrt(n));
  EXPECT_NEAR(m2 / n, 1.0, 5 * std::sqrt(2 / n));
  EXPECT_NEAR(m3 / n, 0.0, 5 * std::sqrt(15 / n));
  EXPECT_NEAR(m4 / n, 3.0, 5 * std::sqrt(96 / n));
  EXPECT_NEAR(neighbours / n, 0.0, 5 / std::sqrt(n));
  EXPECT_NEAR(tail / n, 0.0026998, 5 * std::sqrt(0.0027 / n));
}

TEST(RandomFill, SignsAreFairAndIndependent) {
  const auto values = filled(fill_signs, 0, 1'000'000);
  for (std::size_t lag : {0u, 1u, 2u, 31u, 32u, 64u, 128u}) {
    double sum = 0;
    for (std::size_t i = lag; i < values.size(); ++i)
      sum += lag == 0 ? values[i] : values[i] * values[i - lag];
    EXPECT_NEAR(sum / 1e6, 0.0, 5e-3) << "lag " << lag;
  }
}

TEST(RandomFill, StreamsAndSeedsDiffer) {
  const auto base = filled(fill_signs, 0, 4096);
  for (RandomStream other : {RandomStream{kStream.seed + 1, kStream.stream},
                             RandomStream{kStream.seed, kStream.stream + 1},
                             RandomStream{kStream.seed, kStream.stream ^ (1ull << 63)}}) {
    const auto values = filled(fill_signs, 0, 4096, other);
    double sum = 0;
    for (std::size_t i = 0; i < base.size(); ++i) sum += values[i] * base[i];
    EXPECT_NEAR(sum / 4096, 0.0, 5.0 / 64);
  }
}

}  // namespace
}  // namespace tenfold::kernels
