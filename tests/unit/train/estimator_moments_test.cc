// SPDX-License-Identifier: Apache-2.0
// First and second moments of every unbiased estimator on a quadratic with a known gradient, against their formulas. Bounds are
// five standard errors of the number of draws.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tenfold/train/gradient_options.h"
#include "tests/unit/train/estimator_cases.h"

namespace tenfold::train {
namespace {

using Shapes = std::vector<std::vector<std::int64_t>>;

// f = c.(theta^2) / 2 over n = 2,000 entries; its gradient is c theta.
struct Quadratic {
  std::vector<NamedParameter> parameters;
  std::vector<at::Tensor> curvature;
  at::Tensor gradient;  // flat
  LossFunction loss;

  explicit Quadratic(const Shapes& shapes) {
    at::manual_seed(2);
    std::vector<at::Tensor> parts;
    for (const std::vector<std::int64_t>& shape : shapes) {
      const std::string name = "layer" + std::to_string(parameters.size()) + ".weight";
      parameters.push_back({name, at::randn(shape, at::kDouble).requires_grad_()});
      curvature.push_back(at::rand(shape, at::kDouble) + 0.5);
      parts.push_back((curvature.back() * parameters.back().value.detach()).flatten());
    }
    gradient = at::cat(parts);
    loss = [this] {
      StepOutput output;
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        const at::Tensor theta = parameters[i].value.view({-1});
        const at::Tensor term = at::dot(theta, curvature[i].view({-1}) * theta) * 0.5;
        output.loss = i == 0 ? term : output.loss + term;
      }
      return output;
    };
  }
  std::int64_t n() const { return gradient.numel(); }

  // The estimate, flat, and p.grad() cleared.
  at::Tensor take_estimate() const {
    std::vector<at::Tensor> parts;
    for (const NamedParameter& parameter : parameters) {
      parts.push_back(parameter.value.grad().view({-1}));
      parameter.value.mutable_grad() = at::Tensor();
    }
    return parts.size() == 1 ? parts[0] : at::cat(parts);
  }
};

const Shapes kOneMatrix = {{40, 50}};
const Shapes kTwoTensors = {{40, 45}, {200}};

struct Moments {
  double cosine = 0.0;              // of the mean estimate with the gradient
  double second_ratio = 0.0;        // E|estimate|^2 / |gradient|^2
  double second_error = 0.0;        // its relative standard error
  double mean_square_cosine = 0.0;  // of single estimates
};

Moments moments_of(const Quadratic& problem, const GradientOptions& options, int draws) {
  const auto estimator = make_gradient_estimator(options);
  at::Tensor sum = at::zeros_like(problem.gradient);
  const double squared = problem.gradient.square().sum().item<double>();
  double second = 0.0, fourth = 0.0, cosines = 0.0;
  for (int draw = 0; draw < draws; ++draw) {
    estimator->accumulate(
        problem.loss, problem.parameters, {.seed = 1, .step = static_cast<std::uint64_t>(draw)}, 1.0);
    const at::NoGradGuard no_tape;
    const at::Tensor estimate = problem.take_estimate();
    sum.add_(estimate);
    const double length = at::dot(estimate, estimate).item<double>();
    second += length / squared;
    fourth += length * length / squared / squared;
    if (options.tangents > 1 || options.combine != "mean") {
      const double inner = at::dot(estimate, problem.gradient).item<double>();
      cosines += inner * inner / length / squared;
    }
  }
  Moments moments;
  moments.cosine = (at::dot(sum, problem.gradient) / (sum.norm(2) * problem.gradient.norm(2))).item<double>();
  moments.second_ratio = second / draws;
  const double variance = fourth / draws - moments.second_ratio * moments.second_ratio;
  moments.second_error = std::sqrt(variance / draws) / moments.second_ratio;
  moments.mean_square_cosine = cosines / draws;
  return moments;
}

struct Expectation {
  GradientOptions options;
  double second_ratio;
};

// cos(mean) has expectation 1 / sqrt(1 + n / draws) = 0.953 at 20,000 draws.
TEST(EstimatorMoments, UnbiasedWithTheSecondMomentOfTheFormula) {
  const Quadratic problem(kOneMatrix);
  const auto n = static_cast<double>(problem.n());
  ASSERT_EQ(n, 2000);
  const std::vector<Expectation> expectations = {
      {{.name = "forward", .direction = "gaussian"}, n + 2},
      {{.name = "forward", .direction = "rademacher"}, n},
      {{.name = "forward", .direction = "sphere"}, n},
      {{.name = "forward", .direction = "rank1"}, n},
      {{.name = "mezo", .direction = "rademacher"}, n},
  };
  for (const Expectation& expected : expectations) {
    const Moments moments = moments_of(problem, expected.options, 20'000);
    const std::string name = expected.options.name + " " + expected.options.direction;
    RecordProperty(name, std::to_string(moments.cosine) + " " + std::to_string(moments.second_ratio));
    EXPECT_GE(moments.cosine, 0.95) << name;
    EXPECT_NEAR(moments.second_ratio / expected.second_ratio, 1.0, 0.05) << name;
    EXPECT_LT(moments.second_error, 0.011) << name;  // so that 0.05 is about five standard errors
  }
}

TEST(EstimatorMoments, OneBlockAStepIsUnbiasedWithTheSecondMomentOfSigns) {
  const Quadratic problem(kTwoTensors);
  const auto n = static_cast<double>(problem.n());
  const Moments moments = moments_of(problem, {.name = "forward", .block = "tensor"}, 20'000);
  RecordProperty("block", std::to_string(moments.cosine) + " " + std::to_string(moments.second_ratio));
  EXPECT_GE(moments.cosine, 0.95);
  EXPECT_NEAR(moments.second_ratio / n, 1.0, 5 * moments.second_error);
  EXPECT_LT(5 * moments.second_error, 0.1);
}

TEST(EstimatorMoments, TangentsAveragedFollowTheirFormula) {
  const Quadratic problem(kOneMatrix);
  const auto n = static_cast<double>(problem.n());
  for (const std::int64_t tangents : {4, 16}) {
    const auto k = static_cast<double>(tangents);
    const int draws = 9'600 / static_cast<int>(tangents);
    const Moments gaussian =
        moments_of(problem, {.name = "forward", .direction = "gaussian", .tangents = tangents}, draws);
    const Moments signs =
        moments_of(problem, {.name = "forward", .direction = "rademacher", .tangents = tangents}, draws);
    EXPECT_NEAR(gaussian.second_ratio / ((n + k + 1) / k), 1.0, 5 * gaussian.second_error) << tangents;
    EXPECT_NEAR(signs.second_ratio / ((n + k - 1) / k), 1.0, 5 * signs.second_error) << tangents;
    EXPECT_LT(5 * signs.second_error, 0.1);
  }
}

// One estimate has E cos^2 = 1 / n; the mean of K has about K / (n + K).
TEST(EstimatorMoments, SixteenTangentsPointBetterByTheFormula) {
  const Quadratic problem(kOneMatrix);
  const auto n = static_cast<double>(problem.n());
  const Moments sixteen = moments_of(problem, {.name = "forward", .tangents = 16}, 400);
  const double ratio = std::sqrt(sixteen.mean_square_cosine * n);  // over the root mean square cosine of one
  const double expected = std::sqrt(16 * (n + 1) / (n + 16));
  RecordProperty("ratio over formula", std::to_string(ratio / expected));
  EXPECT_NEAR(ratio / expected, 1.0, 0.15);
}

}  // namespace
}  // namespace tenfold::train
