// SPDX-License-Identifier: Apache-2.0
// Tiles of every instruction set against sums in double, over strides, segments, panels and both number formats.
#include "tenfold/kernels/gemm.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "tenfold/base/error.h"
#include "tenfold/kernels/activation.h"
#include "tests/unit/kernels/every_target.h"

namespace tenfold::kernels {
namespace {

std::vector<std::uint32_t> random_pairs(TestNumbers& random, std::size_t count) {
  std::vector<std::uint32_t> pairs(count);
  for (std::uint32_t& pair : pairs) {
    const std::uint32_t low = plain::round_bf16(random.number(), {}, 0);
    pair = low | static_cast<std::uint32_t>(plain::round_bf16(random.number(), {}, 0)) << 16;
  }
  return pairs;
}

// One term with random strides, and the memory it points to.
struct RandomTerm {
  std::vector<float> a, b;
  std::vector<std::uint32_t> a_pairs, b_pairs;
  GemmTerm term;

  RandomTerm(TestNumbers& random, std::size_t rows, std::size_t columns, bool bf16) {
    const std::size_t steps = random.size(0, 9), segments = random.size(1, 3);
    term.steps = steps;
    term.segments = segments;
    term.bf16 = bf16;
    // Row by row, or step by step as in the gradient of weights.
    const bool by_rows = random.below(2) == 0;
    const std::size_t gap = random.below(3);
    term.row_stride = static_cast<std::ptrdiff_t>(by_rows ? steps + gap : 1);
    term.step_stride = static_cast<std::ptrdiff_t>(by_rows ? 1 : rows + gap);
    term.segment_stride = static_cast<std::ptrdiff_t>(random.below(4));
    const std::size_t a_size = (rows + 1) * (steps + gap + 1) + (steps + 1) * (rows + gap) + 16;
    std::size_t b_size = steps * segments * padded_columns(columns);
    if (random.below(3) == 0) {
      term.b_step = static_cast<std::ptrdiff_t>(columns + random.below(5));
      term.b_segment = static_cast<std::ptrdiff_t>(random.below(4));
      b_size = static_cast<std::size_t>(term.b_step) * (steps + 1) + 16;
    } else if (random.below(3) == 0) {
      term.b_panel = static_cast<std::ptrdiff_t>(steps * segments * kPanelColumns + 7);
      b_size += 7 * panel_count(columns);
    }
    if (bf16) {
      a_pairs = random_pairs(random, a_size);
      b_pairs = random_pairs(random, b_size);
      term.a = a_pairs.data();
      term.b = b_pairs.data();
    } else {
      a = random.numbers(a_size);
      b = random.numbers(b_size);
      term.a = a.data();
      term.b = b.data();
    }
  }
};

// Largest difference over a random problem; negative when something outside of C was written.
double difference_of_case(std::uint64_t seed) {
  TestNumbers random(seed);
  const std::size_t rows = random.size(0, 31), columns = 16 * random.size(1, 5);
  std::vector<RandomTerm> memory;
  std::vector<GemmTerm> terms;
  for (std::size_t t = random.below(3); t > 0; --t)
    memory.emplace_back(random, rows, columns, random.below(3) == 0);
  for (const RandomTerm& own : memory) terms.push_back(own.term);
  GemmOutput output{.add = random.below(2) == 0, .alpha = random.number()};
  const bool packed = random.below(2) == 0;
  const std::size_t stride = packed ? 0 : columns + random.below(4);
  output.row_stride = static_cast<std::ptrdiff_t>(stride);
  std::vector<float> fast = random.numbers(rows * (packed ? columns : stride) + 64);
  std::vector<float> expected = fast;
  output.c = fast.data();
  gemm(terms, rows, columns, output);
  output.c = expected.data();
  gemm_plain(terms, rows, columns, output);
  double worst = 0.0;
  for (std::size_t i = 0; i < fast.size(); ++i)
    worst = std::max(worst, std::abs(double{fast[i]} - double{expected[i]}));
  for (std::size_t i = fast.size() - 64; i < fast.size(); ++i) {
    if (fast[i] != expected[i]) return -1.0;
  }
  return worst;
}

TEST_F(EveryTarget, GemmEqualsSumsInDouble) {
  for_each_target([] {
    for (std::uint64_t seed = 0; seed < 1500; ++seed) {
      const double worst = difference_of_case(seed);
      // At most 2 x 3 x 9 x 2 products of numbers up to 2 in float32.
      EXPECT_LT(worst, 108 * 4.0 * 108 * 6e-8) << seed;
      EXPECT_GE(worst, 0.0) << seed;
    }
  });
}

TEST_F(EveryTarget, GemmIsAConvolutionOfAnImageWithABorder) {
  constexpr std::size_t kHeight = 5, kWidth = 7, kIn = 3, kOut = 16;
  TestNumbers random(3);
  // Numbers with few bits: every sum is exact, in any order.
  std::vector<float> image((kHeight + 2) * (kWidth + 2) * kIn, 0.0f), weights(9 * kIn * kOut);
  for (std::size_t y = 0; y < kHeight; ++y) {
    for (std::size_t i = 0; i < kWidth * kIn; ++i) {
      image[((y + 1) * (kWidth + 2) + 1) * kIn + i] = static_cast<float>(random.below(9)) - 4.0f;
    }
  }
  for (float& weight : weights) weight = static_cast<float>(random.below(9)) - 4.0f;
  for_each_target([&] {
    for (std::size_t y = 0; y < kHeight; ++y) {
      std::vector<float> row(kWidth * kOut);
      const GemmTerm term{.a = image.data() + y * (kWidth + 2) * kIn,
                          .row_stride = kIn,
                          .segment_stride = (kWidth + 2) * kIn,
                          .b = weights.data(),
                          .steps = 3 * kIn,
                          .segments = 3};
      gemm({&term, 1}, kWidth, kOut, {.c = row.data(), .row_stride = kOut});
      for (std::size_t x = 0; x < kWidth; ++x) {
        for (std::size_t o = 0; o < kOut; ++o) {
          float sum = 0.0f;
          for (std::size_t tap = 0; tap < 9; ++tap) {
            for (std::size_t c = 0; c < kIn; ++c) {
              sum += image[((y + tap / 3) * (kWidth + 2) + x + tap % 3) * kIn + c] *
                     weights[(tap * kIn + c) * kOut + o];
            }
          }
          EXPECT_EQ(row[x * kOut + o], sum);
        }
      }
    }
  });
}

TEST_F(EveryTarget, GemmOfSomeRowsGivesTheSameBits) {
  TestNumbers random(8);
  const std::vector<float> a = random.numbers(64 * 40), b = random.numbers(40 * 48);
  for_each_target([&] {
    const auto rows_of = [&](std::size_t first, std::size_t count) {
      const GemmTerm term{.a = a.data() + first * 40, .row_stride = 40, .b = b.data(), .steps = 40};
      std::vector<float> c(count * 48);
      gemm({&term, 1}, count, 48, {.c = c.data(), .row_stride = 48});
      return c;
    };
    const std::vector<float> all = rows_of(0, 64);
    for (std::size_t first : {0, 1, 13, 50}) {
      const std::vector<float> some = rows_of(first, 64 - first);
      for (std::size_t i = 0; i < some.size(); ++i) EXPECT_EQ(some[i], all[first * 48 + i]);
    }
  });
}

TEST(Gemm, RefusesColumnsThatFillNoVector) {
  EXPECT_THROW(gemm({}, 1, 10, {}), Error);
}

TEST(Gemm, PanelsCoverThePaddedColumns) {
  EXPECT_EQ(padded_columns(0), 0u);
  EXPECT_EQ(padded_columns(10), 16u);
  EXPECT_EQ(panel_count(10), 1u);
  EXPECT_EQ(panel_width(10, 0), 16u);
  EXPECT_EQ(panel_count(70), 3u);
  EXPECT_EQ(panel_width(70, 1), 32u);
  EXPECT_EQ(panel_width(70, 2), 16u);
}

TEST(Gemm, MeasuresARate) {
  EXPECT_GT(gemm_peak(false), 1e8);
  EXPECT_GT(gemm_peak(true), 1e8);
}

}  // namespace
}  // namespace tenfold::kernels
