// SPDX-License-Identifier: Apache-2.0
// Layers with few outputs on every instruction set against sums in double.
#include "tenfold/kernels/narrow_linear.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tenfold/base/error.h"
#include "tests/unit/kernels/every_target.h"

namespace tenfold::kernels {
namespace {

constexpr int kCases = 1000;

// Rows of x end with the memory: a read beyond them is one that sanitizers see.
struct Case {
  TestNumbers random;
  std::size_t rows, inputs, outputs, padded;
  std::vector<float> x, weights, g, mask;

  explicit Case(std::uint64_t seed) : random(seed) {
    rows = random.size(0, 19);
    inputs = random.size(1, 70);
    outputs = random.size(1, 32);
    padded = (inputs + 15) / 16 * 16;
    x = random.numbers(rows * inputs);
    g = random.numbers(rows * outputs);
    mask = random.numbers(rows * padded);
    weights.assign(outputs * padded, 0.0f);
    for (std::size_t n = 0; n < outputs; ++n) {
      for (std::size_t k = 0; k < inputs; ++k) weights[n * padded + k] = random.number();
    }
  }
  NarrowWeights narrow(std::vector<float>& data) const {
    return {data.data(), static_cast<std::ptrdiff_t>(padded), outputs, inputs};
  }
  ConstRows x_rows() const { return {x.data(), static_cast<std::ptrdiff_t>(inputs)}; }
  ConstRows g_rows() const { return {g.data(), static_cast<std::ptrdiff_t>(outputs)}; }
};

void expect_near(const std::vector<float>& fast,
                 const std::vector<float>& expected,
                 double tolerance,
                 int seed) {
  for (std::size_t i = 0; i < fast.size(); ++i)
    EXPECT_NEAR(fast[i], expected[i], tolerance) << seed << " " << i;
}

TEST_F(EveryTarget, NarrowLayersAreSumsInDouble) {
  for_each_target([] {
    for (int seed = 0; seed < kCases; ++seed) {
      Case c(seed);
      const std::size_t stride = (c.outputs + 3) / 4 * 4 + c.random.below(3);
      std::vector<float> fast(c.rows * stride, 8.0f), expected = fast;
      narrow_forward(
          c.x_rows(), c.rows, c.narrow(c.weights), {fast.data(), static_cast<std::ptrdiff_t>(stride)});
      plain::narrow_forward(
          c.x_rows(), c.rows, c.narrow(c.weights), {expected.data(), static_cast<std::ptrdiff_t>(stride)});
      expect_near(fast, expected, 70 * 4 * 6e-8 * 8, seed);
    }
  });
}

TEST_F(EveryTarget, NarrowGradientsAreSumsInDouble) {
  for_each_target([] {
    for (int seed = 0; seed < kCases; ++seed) {
      Case c(seed);
      const auto padded = static_cast<std::ptrdiff_t>(c.padded);
      const ConstRows mask{c.random.below(2) == 0 ? c.mask.data() : nullptr, padded};
      std::vector<float> fast(c.rows * c.padded, 8.0f), expected = fast;
      narrow_backward(c.g_rows(), c.rows, c.narrow(c.weights), mask, {fast.data(), padded});
      plain::narrow_backward(c.g_rows(), c.rows, c.narrow(c.weights), mask, {expected.data(), padded});
      expect_near(fast, expected, 32 * 4 * 6e-8 * 8, seed);

      const float alpha = c.random.number();
      std::vector<float> updated = c.weights, expected_update = c.weights;
      narrow_update(c.g_rows(), c.x_rows(), c.rows, alpha, c.narrow(updated));
      plain::narrow_update(c.g_rows(), c.x_rows(), c.rows, alpha, c.narrow(expected_update));
      expect_near(updated, expected_update, 2 * 19 * 4 * 6e-8 * 8, seed);
    }
  });
}

TEST_F(EveryTarget, RankOneUpdatesLeaveThePaddingAtZero) {
  for_each_target([] {
    for (int seed = 0; seed < kCases; ++seed) {
      Case c(seed);
      const std::vector<float> a = c.random.numbers(c.outputs);
      std::vector<float> b = c.random.numbers(c.padded);
      std::fill(b.begin() + static_cast<std::ptrdiff_t>(c.inputs), b.end(), 0.0f);
      std::vector<float> fast = c.weights, expected = c.weights;
      narrow_rank1(a.data(), b.data(), c.narrow(fast));
      plain::narrow_rank1(a.data(), b.data(), c.narrow(expected));
      expect_near(fast, expected, 4e-6, seed);
      for (std::size_t n = 0; n < c.outputs; ++n) {
        for (std::size_t k = c.inputs; k < c.padded; ++k) EXPECT_EQ(fast[n * c.padded + k], 0.0f);
      }
    }
  });
}

TEST_F(EveryTarget, RowDotsAreSumsOverSegments) {
  for_each_target([] {
    for (int seed = 0; seed < kCases; ++seed) {
      TestNumbers random(seed);
      const std::size_t rows = random.size(0, 13);
      SegmentedRows x{.row_stride = static_cast<std::ptrdiff_t>(random.below(20)),
                      .segment_stride = static_cast<std::ptrdiff_t>(random.below(40)),
                      .segments = random.size(1, 3),
                      .steps = random.size(0, 50)};
      const std::size_t last = (rows > 0 ? rows - 1 : 0) * static_cast<std::size_t>(x.row_stride) +
                               (x.segments - 1) * static_cast<std::size_t>(x.segment_stride);
      const std::vector<float> data = random.numbers(last + x.steps);  // nothing beyond the last number
      const std::vector<float> v = random.numbers(x.segments * x.steps);
      x.data = data.data();
      std::vector<float> fast(rows), expected(rows);
      row_dots(x, rows, v.data(), 0.5f, fast.data());
      plain::row_dots(x, rows, v.data(), 0.5f, expected.data());
      expect_near(fast, expected, 150 * 4 * 6e-8 * 16, seed);
    }
  });
}

TEST(NarrowLinear, RefusesAStrideThatFillsNoVector) {
  std::vector<float> data(20);
  EXPECT_THROW(narrow_rank1(data.data(), data.data(), {data.data(), 10, 1, 10}), Error);
  EXPECT_THROW(narrow_rank1(data.data(), data.data(), {data.data(), 16, 1, 17}), Error);
}

}  // namespace
}  // namespace tenfold::kernels
