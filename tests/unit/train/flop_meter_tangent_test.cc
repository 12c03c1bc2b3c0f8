// SPDX-License-Identifier: Apache-2.0
// FLOP of forward-mode differentiation against counts by hand: one product for the value, one more for each factor with a tangent.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tenfold/train/directional.h"
#include "tenfold/train/flop_meter.h"
#include "tenfold/train/gradient_options.h"
#include "tests/unit/train/estimator_cases.h"

namespace tenfold::train {
namespace {

using at::Tensor;

std::uint64_t flops_of(const std::string& estimator,
                       const LossFunction& loss,
                       const std::vector<NamedParameter>& parameters) {
  const auto made = make_gradient_estimator({.name = estimator});
  made->accumulate(loss, parameters, {}, 1.0);  // the first estimate may look around
  const FlopMeter meter;
  made->accumulate(loss, parameters, {.step = 1}, 1.0);
  return meter.report().total();
}

struct Mlp {
  Tensor w0 = at::randn({32, 16}).requires_grad_(), w1 = at::randn({8, 32}).requires_grad_();
  std::vector<NamedParameter> parameters{{"w0", w0}, {"w1", w1}};
  LossFunction loss = cross_entropy(
      [w0 = w0, w1 = w1, x = at::randn({64, 16})] { return at::linear(at::relu(at::linear(x, w0)), w1); },
      class_targets(64, 8));
  static constexpr std::uint64_t kFirst = 2ull * 64 * 16 * 32, kSecond = 2ull * 64 * 32 * 8;
};

TEST(FlopMeterTangents, ForwardGradientCountsValueAndTangents) {
  const Mlp mlp;
  // The data have no tangent: one product less in the first layer.
  EXPECT_EQ(flops_of("forward", mlp.loss, mlp.parameters), 2 * Mlp::kFirst + 3 * Mlp::kSecond);
  EXPECT_EQ(flops_of("mezo", mlp.loss, mlp.parameters), 2 * (Mlp::kFirst + Mlp::kSecond));
  EXPECT_EQ(flops_of("backprop", mlp.loss, mlp.parameters), 2 * Mlp::kFirst + 3 * Mlp::kSecond);
}

TEST(FlopMeterTangents, ActivityPerturbationCostsWhatBackpropagationDoes) {
  const Mlp mlp;
  // First layer: value, weight gradient; second: value, tangent of its input, weight gradient.
  EXPECT_EQ(flops_of("activity", mlp.loss, mlp.parameters), 2 * Mlp::kFirst + 3 * Mlp::kSecond);
}

TEST(FlopMeterTangents, ConvolutionsCountTheirTangents) {
  const Tensor w0 = at::randn({4, 2, 3, 3}).requires_grad_(), w1 = at::randn({5, 4, 3, 3}).requires_grad_();
  const Tensor x = at::randn({3, 2, 8, 8});
  const LossFunction loss = [&] {
    StepOutput output;
    output.loss = at::conv2d(at::tanh(at::conv2d(x, w0)), w1).square().mean();
    return output;
  };
  const std::uint64_t first = 2ull * 3 * 4 * 36 * 18, second = 2ull * 3 * 5 * 16 * 36;
  EXPECT_EQ(flops_of("forward", loss, {{"w0", w0}, {"w1", w1}}), 2 * first + 3 * second);
}

// Forward over reverse: backward products have tangents too. z = x W, loss = sum z^2 / 2: forward x W and x W'; backward x^T g with
// g = z, and x^T g'.
TEST(FlopMeterTangents, SecondDerivativesCountBackwardProductsTwice) {
  const Tensor w = at::randn({16, 8}, at::kDouble).requires_grad_();
  const Tensor x = at::randn({64, 16}, at::kDouble);
  const LossFunction loss = [&] {
    StepOutput output;
    output.loss = at::mm(x, w).square().sum() / 2;
    return output;
  };
  const auto direction = random_direction(DirectionLaw::kGaussian, {}, {{0, w}});
  const FlopMeter meter;
  const double curve = curvature(loss, *direction);
  const FlopReport report = meter.report();
  EXPECT_NEAR(curve, at::mm(x, direction->draw(0)).square().sum().item<double>(), 1e-9 * curve);
  EXPECT_EQ(report.forward, 2u * 2 * 64 * 16 * 8);
  EXPECT_EQ(report.backward, 2u * 2 * 64 * 16 * 8);
}

}  // namespace
}  // namespace tenfold::train
