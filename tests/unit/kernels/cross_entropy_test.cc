// SPDX-License-Identifier: Apache-2.0
// Softmax cross entropy on every instruction set against the plain version, and that against closed forms and differences.
#include "tenfold/kernels/cross_entropy.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tenfold/base/error.h"
#include "tests/unit/kernels/every_target.h"

namespace tenfold::kernels {
namespace {

struct Outputs {
  std::vector<float> loss, directional, gradient;
  std::vector<std::uint8_t> correct;

  Outputs(std::size_t rows, std::size_t stride)
      : loss(rows), directional(rows), gradient(rows * stride, 3.0f), correct(rows) {}
  CrossEntropyOutput all(std::size_t stride, float scale) {
    return {loss.data(),
            directional.data(),
            {gradient.data(), static_cast<std::ptrdiff_t>(stride)},
            scale,
            correct.data()};
  }
};

TEST_F(EveryTarget, CrossEntropyEqualsThePlainVersion) {
  for_each_target([] {
    for (int seed = 0; seed < 1000; ++seed) {
      TestNumbers random(seed);
      const std::size_t rows = random.size(0, 35), classes = random.size(1, 40);
      const std::size_t stride = classes + random.below(4);
      std::vector<float> logits = random.numbers(rows * stride), tangents = random.numbers(rows * stride);
      for (float& logit : logits) logit *= 5.0f;
      const std::vector<float> outer_row = random.numbers(rows * 2), outer_column = random.numbers(classes);
      const std::vector<float> bias = random.numbers(classes);
      std::vector<std::int64_t> targets(rows);
      for (std::int64_t& target : targets) target = static_cast<std::int64_t>(random.below(classes));
      CrossEntropyInput in{.logits = {logits.data(), static_cast<std::ptrdiff_t>(stride)},
                           .rows = rows,
                           .classes = classes,
                           .targets = targets.data(),
                           .outer_stride = 2,
                           .outer_column = outer_column.data()};
      if (random.below(3) != 0) in.tangents = in.logits;
      if (random.below(3) != 0) in.outer_row = outer_row.data();
      if (random.below(3) != 0) in.tangent_bias = bias.data();
      Outputs fast(rows, stride), expected(rows, stride);
      cross_entropy(in, fast.all(stride, 0.25f));
      cross_entropy_plain(in, expected.all(stride, 0.25f));
      for (std::size_t i = 0; i < rows; ++i) {
        EXPECT_NEAR(fast.loss[i], expected.loss[i], 1e-5) << seed;
        EXPECT_NEAR(fast.directional[i], expected.directional[i], 1e-4) << seed;
        EXPECT_EQ(fast.correct[i], expected.correct[i]) << seed;
      }
      for (std::size_t i = 0; i < rows * stride; ++i)
        EXPECT_NEAR(fast.gradient[i], expected.gradient[i], 1e-6) << seed;
    }
  });
}

TEST_F(EveryTarget, CrossEntropyNeedsNoOutputs) {
  for_each_target([] {
    const std::vector<float> logits = {1.0f, 2.0f};
    const std::int64_t target = 0;
    cross_entropy({.logits = {logits.data(), 2}, .rows = 1, .classes = 2, .targets = &target}, {});
  });
}

TEST(CrossEntropy, OfEqualLogitsIsTheLogarithmOfTheClasses) {
  const std::vector<float> logits(10, 0.0f), tangents = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const std::int64_t target = 3;
  CrossEntropyInput in{.logits = {logits.data(), 10}, .rows = 1, .classes = 10, .targets = &target};
  in.tangents = {tangents.data(), 10};
  Outputs out(1, 10);
  cross_entropy_plain(in, out.all(10, 1.0f));
  EXPECT_NEAR(out.loss[0], std::log(10.0), 1e-6);
  EXPECT_NEAR(out.directional[0], 0.1, 1e-7);
  EXPECT_NEAR(out.gradient[3], -0.9, 1e-7);
  EXPECT_NEAR(out.gradient[0], 0.1, 1e-7);
}

TEST(CrossEntropy, DirectionalDerivativeIsTheLimitOfDifferences) {
  TestNumbers random(4);
  const std::vector<float> logits = random.numbers(12), tangents = random.numbers(12);
  const std::vector<std::int64_t> targets = {1, 2, 3};
  const auto losses = [&](float step) {
    std::vector<float> moved = logits;
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += step * tangents[i];
    Outputs out(3, 4);
    cross_entropy_plain({.logits = {moved.data(), 4}, .rows = 3, .classes = 4, .targets = targets.data()},
                        out.all(4, 1.0f));
    return out.loss;
  };
  CrossEntropyInput in{.logits = {logits.data(), 4}, .rows = 3, .classes = 4, .targets = targets.data()};
  in.tangents = {tangents.data(), 4};
  Outputs out(3, 4);
  cross_entropy_plain(in, out.all(4, 1.0f));
  const std::vector<float> after = losses(1e-2f), before = losses(-1e-2f);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(out.directional[i], (after[i] - before[i]) / 2e-2f, 1e-3);
}

TEST_F(EveryTarget, CrossEntropyStandsLargeLogits) {
  for_each_target([] {
    const std::vector<float> logits = {3e4f, -3e4f, 0.0f};
    const std::vector<std::int64_t> targets = {1};
    Outputs out(1, 3);
    cross_entropy({.logits = {logits.data(), 3}, .rows = 1, .classes = 3, .targets = targets.data()},
                  out.all(3, 1.0f));
    EXPECT_NEAR(out.loss[0], 6e4f, 1.0);
    EXPECT_NEAR(out.gradient[0], 1.0f, 1e-6);
    EXPECT_EQ(out.correct[0], 0);
  });
}

TEST(CrossEntropy, RefusesNoClasses) {
  EXPECT_THROW(cross_entropy({}, {}), Error);
}

}  // namespace
}  // namespace tenfold::kernels
