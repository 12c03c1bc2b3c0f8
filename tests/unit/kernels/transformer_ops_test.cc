// SPDX-License-Identifier: Apache-2.0
// Each kernel against loops in double, on every instruction set.
#include "tenfold/kernels/transformer_ops.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tenfold/kernels/gemm_int8.h"
#include "tests/unit/kernels/every_target.h"

namespace tenfold::kernels {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

std::size_t padded(std::size_t count) {
  return (count + 15) / 16 * 16;
}

void expect_near(const std::vector<float>& seen, const std::vector<float>& wanted, float tolerance) {
  ASSERT_EQ(seen.size(), wanted.size());
  for (std::size_t i = 0; i < seen.size(); ++i)
    ASSERT_NEAR(seen[i], wanted[i], tolerance * (1 + std::abs(wanted[i]))) << i;
}

TEST_F(EveryTarget, RmsNormEqualsItsFormula) {
  for_each_target([] {
    TestNumbers numbers(1);
    for (int round = 0; round < 300; ++round) {
      const std::size_t size = numbers.size(1, 200), rows = numbers.size(0, 5), stride = padded(size);
      auto x = numbers.numbers(rows * stride), weight = numbers.numbers(stride);
      for (std::size_t j = size; j < stride; ++j) {
        weight[j] = 0;
        for (std::size_t i = 0; i < rows; ++i) x[i * stride + j] = 0;
      }
      std::vector<float> seen(x.size(), 9), wanted(x.size(), 9);
      const auto step = static_cast<std::ptrdiff_t>(stride);
      const RmsNorm norm{weight.data(), size, 1e-6F};
      rms_norm({x.data(), step}, rows, norm, {seen.data(), step});
      plain::rms_norm({x.data(), step}, rows, norm, {wanted.data(), step});
      expect_near(seen, wanted, 2e-6F);
    }
  });
}

TEST_F(EveryTarget, GatedGeluEqualsItsFormulaFarOutToo) {
  for_each_target([] {
    TestNumbers numbers(2);
    for (int round = 0; round < 100; ++round) {
      const std::size_t columns = 16 * numbers.size(1, 6), rows = numbers.size(0, 4);
      auto x = numbers.numbers(rows * 2 * columns);
      for (float& value : x) value *= round % 3 == 0 ? 1000.0F : 3.0F;
      auto wanted = x;
      const auto step = static_cast<std::ptrdiff_t>(2 * columns);
      gated_gelu({x.data(), step}, {rows, columns});
      plain::gated_gelu({wanted.data(), step}, {rows, columns});
      expect_near(x, wanted, 5e-6F);
    }
  });
}

TEST_F(EveryTarget, SoftmaxSumsToOneAndIgnoresMinusInfinity) {
  for_each_target([] {
    TestNumbers numbers(3);
    for (int round = 0; round < 500; ++round) {
      const std::size_t columns = numbers.size(1, 70), rows = numbers.size(0, 4), stride = padded(columns);
      auto x = numbers.numbers(rows * stride);
      const auto bias = numbers.numbers(columns + 3);
      for (float& value : x) value *= round % 2 == 0 ? 40.0F : 1.0F;
      if (columns > 1) {
        for (std::size_t i = 0; i < rows; ++i) x[i * stride + numbers.below(columns - 1)] = kLowest;
      }
      auto wanted = x;
      const auto step = static_cast<std::ptrdiff_t>(stride);
      const ConstRows add{round % 4 < 2 ? bias.data() + 3 : nullptr, -1};  // each row one number earlier
      softmax_rows({x.data(), step}, {rows, columns}, add);
      plain::softmax_rows({wanted.data(), step}, {rows, columns}, add);
      expect_near(x, wanted, 2e-6F);
    }
  });
}

TEST_F(EveryTarget, LogSumExpEqualsALoopInDouble) {
  for_each_target([] {
    TestNumbers numbers(4);
    for (int round = 0; round < 1000; ++round) {
      auto x = numbers.numbers(numbers.size(1, 300));
      for (float& value : x) value = numbers.below(9) == 0 ? kLowest : 30 * value;
      const float wanted = plain::log_sum_exp(x.data(), x.size()), seen = log_sum_exp(x.data(), x.size());
      if (wanted == kLowest) {
        ASSERT_EQ(seen, kLowest);
      } else {
        ASSERT_NEAR(seen, wanted, 1e-5F * (1 + std::abs(wanted)));
      }
    }
  });
}

TEST_F(EveryTarget, PathAttentionEqualsALoopInDouble) {
  for_each_target([] {
    TestNumbers numbers(5);
    for (int round = 0; round < 300; ++round) {
      const std::size_t heads = numbers.size(1, 4), width = 16 * numbers.size(1, 4),
                        slots = numbers.size(1, 30);
      const std::size_t positions = numbers.size(1, 20), row = 3 * heads * width;
      const auto cache = numbers.numbers(slots * row), query = numbers.numbers(heads * width);
      const auto bias = numbers.numbers(heads * (positions + 2));
      std::vector<std::uint32_t> path(positions);
      for (auto& slot : path) slot = static_cast<std::uint32_t>(numbers.below(slots));
      const PathAttention attention{.keys = cache.data() + heads * width,
                                    .values = cache.data() + 2 * heads * width,
                                    .stride = static_cast<std::ptrdiff_t>(row),
                                    .heads = heads,
                                    .width = width,
                                    .path = path.data(),
                                    .positions = positions,
                                    .bias = bias.data(),
                                    .bias_stride = static_cast<std::ptrdiff_t>(positions + 2)};
      std::vector<float> scores(heads * padded(positions)), seen(heads * width), wanted(heads * width);
      attend_path(query.data(), attention, scores.data(), seen.data());
      plain::attend_path(query.data(), attention, scores.data(), wanted.data());
      expect_near(seen, wanted, 1e-5F);
    }
  });
}

TEST_F(EveryTarget, Int8ProductsEqualALoopInDouble) {
  for_each_target([] {
    TestNumbers numbers(6);
    for (int round = 0; round < 300; ++round) {
      const std::size_t rows = numbers.size(0, 31), steps = numbers.size(0, 70),
                        columns = 16 * numbers.size(1, 7);
      const auto a = numbers.numbers(rows * (steps + 2)), scales = numbers.numbers(columns);
      std::vector<std::int8_t> weights(steps * columns);
      for (auto& weight : weights)
        weight = static_cast<std::int8_t>(static_cast<int>(numbers.below(255)) - 127);
      auto seen = numbers.numbers(rows * columns), wanted = seen;
      const Int8Panels panels{weights.data(), scales.data(), steps, columns};
      const std::size_t first = numbers.below(panel_count(columns));
      const Int8Product product{first, 1 + numbers.below(panel_count(columns) - first), round % 2 == 0};
      const ConstRows from{a.data(), static_cast<std::ptrdiff_t>(steps + 2)};
      const auto step = static_cast<std::ptrdiff_t>(columns);
      gemm_int8(from, rows, panels, product, {seen.data(), step});
      plain::gemm_int8(from, rows, panels, product, {wanted.data(), step});
      for (std::size_t i = 0; i < seen.size(); ++i)
        ASSERT_NEAR(seen[i], wanted[i], 2e-6 * 127 * 4 * (1 + static_cast<double>(steps))) << i;
    }
  });
}

}  // namespace
}  // namespace tenfold::kernels
