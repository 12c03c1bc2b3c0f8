// SPDX-License-Identifier: Apache-2.0
// ReLU, pooling, rounding and transposition on every instruction set against the plain versions.
#include "tenfold/kernels/activation.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tenfold/base/error.h"
#include "tests/unit/kernels/every_target.h"

namespace tenfold::kernels {
namespace {

constexpr int kCases = 1000;

struct Case {
  TestNumbers random;
  Extent extent;
  std::ptrdiff_t stride;

  explicit Case(std::uint64_t seed) : random(seed) {
    extent = {random.size(0, 9), 16 * random.size(0, 4)};
    stride = static_cast<std::ptrdiff_t>(extent.columns + random.below(3));
  }
  std::size_t size() const { return extent.rows * static_cast<std::size_t>(stride) + 16; }
  bool coin() { return random.below(2) == 0; }
  Rounding rounding() { return {coin(), static_cast<std::uint32_t>(random.below(std::size_t{1} << 32))}; }
};

TEST_F(EveryTarget, ValuesGetBiasAndRelu) {
  for_each_target([] {
    for (int seed = 0; seed < kCases; ++seed) {
      Case c(seed);
      std::vector<float> fast = c.random.numbers(c.size()), expected = fast;
      const std::vector<float> bias = c.random.numbers(c.extent.columns);
      const float* used = c.coin() ? bias.data() : nullptr;
      const bool relu = c.coin();
      finish_values({fast.data(), c.stride}, c.extent, used, relu);
      plain::finish_values({expected.data(), c.stride}, c.extent, used, relu);
      EXPECT_EQ(fast, expected) << seed;
    }
  });
}

TEST_F(EveryTarget, TangentsPassWhereTheValueIsPositive) {
  for_each_target([] {
    for (int seed = 0; seed < kCases; ++seed) {
      Case c(seed);
      const std::vector<float> tangents = c.random.numbers(c.size());
      std::vector<float> values = c.random.numbers(c.size());
      for (std::size_t i = 0; i < values.size(); i += 3) values[i] = 0.0f;
      const std::vector<float> bias = c.random.numbers(c.extent.columns);
      const float* added = c.coin() ? bias.data() : nullptr;
      const ConstRows mask{c.coin() ? values.data() : nullptr, c.stride};
      std::vector<float> fast(c.size(), 5.0f), expected = fast;
      std::vector<std::uint16_t> fast_bf16(c.size(), 5), expected_bf16 = fast_bf16;
      TangentRows out{.stride = c.stride, .rounding = c.rounding(), .index = 77};
      const bool bf16 = c.coin();
      out.data = fast.data();
      out.bf16 = bf16 ? fast_bf16.data() : nullptr;
      finish_tangents({tangents.data(), c.stride}, added, mask, c.extent, out);
      out.data = expected.data();
      out.bf16 = bf16 ? expected_bf16.data() : nullptr;
      plain::finish_tangents({tangents.data(), c.stride}, added, mask, c.extent, out);
      EXPECT_EQ(fast, expected) << seed;
      EXPECT_EQ(fast_bf16, expected_bf16) << seed;
    }
  });
}

TEST_F(EveryTarget, PoolingPicksTheWinnerForValuesTangentsAndGradients) {
  for_each_target([] {
    for (int seed = 0; seed < kCases; ++seed) {
      Case c(seed);
      const std::size_t pooled = c.extent.rows * c.extent.columns, whole = 2 * pooled;
      std::vector<float> top = c.random.numbers(whole), bottom = c.random.numbers(whole);
      for (float& value : top) value = std::round(value);  // ties
      for (float& value : bottom) value = std::round(value);
      const std::vector<float> bias = c.random.numbers(c.extent.columns);
      const bool relu = c.coin();
      std::vector<float> values(pooled), expected_values(pooled);
      std::vector<std::uint8_t> winner(pooled), expected_winner(pooled);
      const float* used = c.coin() ? bias.data() : nullptr;
      pool_values({top.data(), bottom.data()}, c.extent, used, relu, values.data(), winner.data());
      plain::pool_values(
          {top.data(), bottom.data()}, c.extent, used, relu, expected_values.data(), expected_winner.data());
      EXPECT_EQ(values, expected_values) << seed;
      EXPECT_EQ(winner, expected_winner) << seed;

      const std::vector<float> top_tangent = c.random.numbers(whole),
                               bottom_tangent = c.random.numbers(whole);
      const float* mask = relu ? values.data() : nullptr;
      std::vector<float> fast(pooled), expected(pooled);
      std::vector<std::uint16_t> fast_bf16(pooled), expected_bf16(pooled);
      const bool bf16 = c.coin();
      const PoolTangents source_rows{
          {top_tangent.data(), bottom_tangent.data()}, c.coin() ? bias.data() : nullptr, winner.data(), mask};
      TangentRows out{
          .stride = static_cast<std::ptrdiff_t>(c.extent.columns), .rounding = c.rounding(), .index = 3};
      out.data = fast.data();
      out.bf16 = bf16 ? fast_bf16.data() : nullptr;
      pool_tangents(source_rows, c.extent, out);
      out.data = expected.data();
      out.bf16 = bf16 ? expected_bf16.data() : nullptr;
      plain::pool_tangents(source_rows, c.extent, out);
      EXPECT_EQ(fast, expected) << seed;
      EXPECT_EQ(fast_bf16, expected_bf16) << seed;

      std::vector<float> up(whole), down(whole), expected_up(whole), expected_down(whole);
      const std::vector<float> gradient = c.random.numbers(pooled);
      const PoolGradient source{gradient.data(), winner.data(), mask};
      unpool(source, c.extent, up.data(), down.data());
      plain::unpool(source, c.extent, expected_up.data(), expected_down.data());
      EXPECT_EQ(up, expected_up) << seed;
      EXPECT_EQ(down, expected_down) << seed;
    }
  });
}

TEST_F(EveryTarget, ColumnSumsAreTheSumsInDouble) {
  for_each_target([] {
    for (int seed = 0; seed < kCases; ++seed) {
      Case c(seed);
      const std::vector<float> values = c.random.numbers(c.size());
      std::vector<float> fast = c.random.numbers(c.extent.columns), expected = fast;
      add_column_sums({values.data(), c.stride}, c.extent, fast.data());
      plain::add_column_sums({values.data(), c.stride}, c.extent, expected.data());
      for (std::size_t j = 0; j < fast.size(); ++j) EXPECT_NEAR(fast[j], expected[j], 1e-5) << seed;
    }
  });
}

TEST_F(EveryTarget, NumbersAreRoundedTheSameWayEverywhere) {
  for_each_target([] {
    for (int seed = 0; seed < kCases; ++seed) {
      Case c(seed);
      const std::vector<float> numbers = c.random.numbers(c.random.size(0, 100));
      const Rounding rounding = c.rounding();
      std::vector<std::uint16_t> fast(numbers.size()), expected(numbers.size());
      round_bf16(numbers.data(), numbers.size(), rounding, 123, fast.data());
      plain::round_bf16(numbers.data(), numbers.size(), rounding, 123, expected.data());
      EXPECT_EQ(fast, expected) << seed;

      const std::vector<float> panel = c.random.numbers(c.extent.rows * c.extent.columns);
      std::vector<std::uint32_t> pairs((c.extent.rows + 1) / 2 * c.extent.columns), expected_pairs = pairs;
      round_pairs_bf16(panel.data(), c.extent, rounding, 9, pairs.data());
      plain::round_pairs_bf16(panel.data(), c.extent, rounding, 9, expected_pairs.data());
      EXPECT_EQ(pairs, expected_pairs) << seed;
    }
  });
}

TEST_F(EveryTarget, TransposedNumbersAreMaskedInTheirNewPlace) {
  for_each_target([] {
    for (int seed = 0; seed < kCases; ++seed) {
      TestNumbers random(seed);
      const Extent extent{random.size(0, 21), random.size(0, 140)};
      const std::size_t stride = extent.columns + random.below(3), to_stride = extent.rows + random.below(3);
      const std::vector<float> from = random.numbers(extent.rows * stride + 1);
      const std::vector<float> mask = random.numbers(extent.columns * to_stride + 1);
      std::vector<float> fast(extent.columns * to_stride + 1, 4.0f), expected = fast;
      const ConstRows source{from.data(), static_cast<std::ptrdiff_t>(stride)};
      const ConstRows used{random.below(2) == 0 ? mask.data() : nullptr,
                           static_cast<std::ptrdiff_t>(to_stride)};
      transpose(source, extent, {fast.data(), static_cast<std::ptrdiff_t>(to_stride)}, used);
      plain::transpose(source, extent, {expected.data(), static_cast<std::ptrdiff_t>(to_stride)}, used);
      EXPECT_EQ(fast, expected) << seed;
    }
  });
}

TEST_F(EveryTarget, NaNIsNotHiddenByReluOrPooling) {
  for_each_target([] {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> values(16, nan);
    finish_values({values.data(), 16}, {1, 16}, nullptr, true);
    for (float value : values) EXPECT_TRUE(std::isnan(value));
    for (std::size_t place = 0; place < 4; ++place) {
      std::vector<float> rows(64, 1.0f), pooled(16);
      std::vector<std::uint8_t> winner(16);
      for (std::size_t c = 0; c < 16; ++c) rows[place * 16 + c] = nan;
      pool_values({rows.data(), rows.data() + 32}, {1, 16}, nullptr, true, pooled.data(), winner.data());
      for (float value : pooled) EXPECT_TRUE(std::isnan(value));
    }
  });
}

TEST(Rounding, ToNearestIsWithinHalfAUnit) {
  TestNumbers random(1);
  for (int i = 0; i < 1000; ++i) {
    const float number = random.number();
    const auto rounded =
        std::bit_cast<float>(static_cast<std::uint32_t>(plain::round_bf16(number, {}, 0)) << 16);
    EXPECT_LE(std::abs(rounded - number), std::abs(number) * 0x1p-8f);
  }
  EXPECT_EQ(plain::round_bf16(1.0f + 0x1p-8f, {}, 0), 0x3F80);      // a tie goes to the even neighbour
  EXPECT_EQ(plain::round_bf16(1.0f + 3 * 0x1p-8f, {}, 0), 0x3F82);  // also upwards
}

TEST(Rounding, StochasticIsUnbiased) {
  for (const float number : {1.0f + 0x1p-10f, -1.7f, 3.3e-5f, 1234.567f}) {
    constexpr std::uint32_t kDraws = 1 << 16;
    double sum = 0.0;
    for (std::uint32_t i = 0; i < kDraws; ++i) {
      const std::uint32_t bits = plain::round_bf16(number, {.stochastic = true, .key = 5}, i);
      sum += double{std::bit_cast<float>(bits << 16)};
    }
    const double unit = std::abs(double{number}) * 0x1p-7;  // distance of neighbours, at most
    EXPECT_NEAR(sum / kDraws, double{number}, 5 * 0.5 * unit / 256.0) << number;
  }
}

TEST(Activation, RefusesColumnsThatFillNoVector) {
  float value = 0.0f;
  EXPECT_THROW(finish_values({&value, 1}, {1, 1}, nullptr, false), Error);
}

}  // namespace
}  // namespace tenfold::kernels
