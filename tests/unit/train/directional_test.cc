// SPDX-License-Identifier: Apache-2.0
// Slopes and curvatures against closed forms and finite differences; gradient checks that find what is wrong.
#include "tenfold/train/directional.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "tenfold/base/error.h"
#include "tenfold/train/forward_gradient.h"
#include "tests/unit/train/estimator_cases.h"

namespace tenfold::train {
namespace {

using at::Tensor;

std::vector<NamedParameter> one_parameter(Tensor value) {
  return {{"w", value.requires_grad_()}};
}

LossFunction loss_of(const std::vector<NamedParameter>& parameters,
                     std::function<Tensor(const Tensor&)> body) {
  return [w = parameters[0].value, body = std::move(body)] {
    StepOutput output;
    output.loss = body(w);
    return output;
  };
}

std::unique_ptr<Direction> gaussian(const std::vector<NamedParameter>& parameters) {
  return random_direction(DirectionLaw::kGaussian, {{.seed = 8}, 0}, all_perturbed(parameters));
}

TEST(Directional, LinearLossHasNoCurvature) {
  const auto parameters = one_parameter(at::ones({3}, at::kDouble));
  const auto direction = gaussian(parameters);
  EXPECT_EQ(curvature(loss_of(parameters, [](const Tensor& w) { return w.sum(); }), *direction), 0.0);
}

TEST(Directional, QuadraticHasItsClosedForms) {
  at::manual_seed(4);
  const Tensor half = at::randn({12, 12}, at::kDouble);
  const Tensor a = at::matmul(half, half.t());
  const auto parameters = one_parameter(at::randn({12}, at::kDouble));
  const auto loss = loss_of(parameters, [a](const Tensor& w) { return at::dot(w, at::mv(a, w)) * 0.5; });
  const auto direction = gaussian(parameters);
  const Tensor v = direction->draw(0), w = parameters[0].value.detach();
  const SlopeAndLoss result = directional(loss, *direction);
  const double slope = at::dot(v, at::mv(a, w)).item<double>(),
               curve = at::dot(v, at::mv(a, v)).item<double>();
  EXPECT_NEAR(result.loss, at::dot(w, at::mv(a, w)).item<double>() / 2, 1e-10);
  EXPECT_NEAR(result.slope, slope, 1e-10 * std::abs(slope));
  EXPECT_NEAR(curvature(loss, *direction), curve, 1e-10 * curve);
  EXPECT_NEAR(curvature_by_difference(loss, *direction, 1e-3), curve, 1e-8 * curve);
  EXPECT_FALSE(parameters[0].value.grad().defined());
}

TEST(Directional, ComplexParametersHaveTheSlopeOfTheirRealParts) {
  // f = Re(c z^2) + |z|^2 with z = x + i y: the slope along u by the chain rule is Re(2 c z u) + 2 Re(conj(z) u).
  const auto parameters =
      one_parameter(at::complex(at::tensor({0.3, -0.7}, at::kDouble), at::tensor({1.1, 0.2}, at::kDouble)));
  const Tensor c = at::complex(at::tensor({0.5, 2.0}, at::kDouble), at::tensor({-1.0, 0.4}, at::kDouble));
  const auto loss = loss_of(
      parameters, [c](const Tensor& z) { return (at::real(c * z * z) + at::real(z * z.conj())).sum(); });
  const auto direction = gaussian(parameters);
  EXPECT_EQ(direction->numel(), 4u);
  const Tensor u = direction->draw(0), z = parameters[0].value.detach();
  const double expected = (at::real(2 * c * z * u) + 2 * at::real(z.conj() * u)).sum().item<double>();
  const GradientCheck check = check_gradient(loss, *direction);
  EXPECT_NEAR(check.forward, expected, 1e-12);
  EXPECT_NEAR(check.backprop, expected, 1e-12);
  EXPECT_NEAR(check.difference, expected, 1e-8);
}

// v'Hv against the second difference of the loss, which needs no derivative at all.
TEST(Directional, CurvatureOfModulesIsTheSecondDifference) {
  at::manual_seed(5);
  for (const Case& item :
       {mlp_case(), transformer_case(), dropout_case(), tied_embedding_case(), lstm_case()}) {
    const auto direction =
        random_direction(DirectionLaw::kRademacher, {{.seed = 8}, 0}, all_perturbed(item.parameters));
    const auto before = parameter_copies(item);
    const double exact = curvature(item.loss, *direction);
    const double by_slopes = curvature_by_difference(item.loss, *direction, 1e-4);
    const auto loss_at = [&](double shift) {
      const at::NoGradGuard no_tape;
      for (std::size_t i = 0; i < before.size(); ++i) {
        item.parameters[i].value.copy_(before[i] + shift * direction->draw(i));
      }
      return item.loss().loss.item<double>();
    };
    const double h = 1e-3;
    const double second = (loss_at(h) - 2 * loss_at(0) + loss_at(-h)) / (h * h);
    loss_at(0);
    EXPECT_NEAR(exact, by_slopes, 1e-4 * (1 + std::abs(exact))) << item.name;
    EXPECT_NEAR(exact, second, 1e-2 * (1 + std::abs(exact))) << item.name;
    EXPECT_FALSE(item.parameters[0].value.grad().defined());
  }
}

TEST(Directional, GradientsOfAllModulesPassTheCheck) {
  at::manual_seed(5);
  for (const Case& item : all_cases()) {
    const auto before = parameter_copies(item);
    const auto direction =
        random_direction(DirectionLaw::kRademacher, {{.seed = 3}, 0}, all_perturbed(item.parameters));
    const GradientCheck check = check_gradient(item.loss, *direction);
    EXPECT_LE(check.forward_error, 1e-10) << item.name;
    // A difference steps over kinks: ReLU and max-pooling of the convolutional network have some everywhere.
    EXPECT_LE(check.difference_error, item.name == "cnn" ? 1e-2 : 1e-4) << item.name;
    for (std::size_t i = 0; i < before.size(); ++i)
      EXPECT_TRUE(at::equal(before[i], item.parameters[i].value));
  }
}

// Right value, wrong derivative: cholesky_inverse, which the watch would name; here by the difference alone.
TEST(Directional, DifferenceShowsAWrongSlope) {
  at::manual_seed(1);
  const auto parameters = one_parameter(at::rand({4, 4}, at::kDouble) + 3 * at::eye(4, at::kDouble));
  const auto loss = loss_of(parameters, [](const Tensor& w) { return w.pow(3).sum(); });
  const auto direction = gaussian(parameters);
  const double slope = directional(loss, *direction).slope;
  EXPECT_TRUE(check_slope(loss, *direction, slope).agrees(1e-3));
  EXPECT_FALSE(check_slope(loss, *direction, slope * 1.1).agrees(1e-3));
  EXPECT_FALSE(check_slope(loss, *direction, -slope).agrees(0.05));
}

TEST(Directional, PeriodicCheckStopsOnAWrongDerivative) {
  // A loss that moves with every call: the finite difference then disagrees with the slope.
  const auto parameters = one_parameter(at::ones({3}, at::kDouble));
  double drift = 0.0;
  const auto loss = loss_of(parameters, [&](const Tensor& w) {
    drift = drift * -3 + 1;
    return w.sum() * (1 + drift);
  });
  const auto estimator = make_forward_gradient({.name = "forward", .check_every = 2});
  EXPECT_EQ(error_code([&] { estimator->accumulate(loss, parameters, {}, 1.0); }),
            "forward_ad.wrong_derivative");
}

// The watch looks at operators in the first step only; this one appears later and keeps a tangent, a wrong one.
TEST(Directional, PeriodicCheckFindsAWrongOperatorThatAppearsLater) {
  at::manual_seed(1);
  const auto parameters = one_parameter(at::rand({4, 4}, at::kDouble) + 3 * at::eye(4, at::kDouble));
  bool inverse = false;
  const auto loss = loss_of(parameters, [&](const Tensor& w) {
    return inverse ? at::cholesky_inverse(w.tril()).sum() : w.square().sum();
  });
  const auto estimator = make_forward_gradient({.name = "forward", .check_every = 1});
  estimator->accumulate(loss, parameters, {.step = 0}, 1.0);
  inverse = true;
  EXPECT_EQ(error_code([&] { estimator->accumulate(loss, parameters, {.step = 1}, 1.0); }),
            "forward_ad.wrong_derivative");
}

TEST(Directional, PeriodicCheckRunsAsOftenAsAsked) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    const Case item = mlp_case();
    item.module->to(type);
    int calls = 0;
    const LossFunction counted = [&] {
      ++calls;
      StepOutput output;
      for (const NamedParameter& parameter : item.parameters) {
        const Tensor term = parameter.value.tanh().square().sum();
        output.loss = output.loss.defined() ? output.loss + term : term;
      }
      return output;
    };
    const auto estimator = make_forward_gradient({.name = "forward", .tangents = 2, .check_every = 3});
    std::vector<int> per_step;
    for (std::uint64_t step = 0; step < 4; ++step) {
      calls = 0;
      estimator->accumulate(counted, item.parameters, {.step = step}, 1.0);
      per_step.push_back(calls);
      EXPECT_EQ(estimator->figures().contains("check_error"), step % 3 == 0);
      if (step % 3 != 0) continue;
      EXPECT_LE(estimator->figures().at("check_error"), type == at::kFloat ? 0.02 : 1e-6);
    }
    EXPECT_EQ(per_step, (std::vector<int>{6, 2, 2, 6}));
  }
}

TEST(Directional, MissingForwardDerivativesAreNamed) {
  const auto parameters = one_parameter(at::rand({3, 3}, at::kDouble));
  const auto loss = loss_of(parameters, [](const Tensor& w) { return at::cdist(w, w * 2).sum(); });
  const auto direction = gaussian(parameters);
  EXPECT_EQ(error_code([&] { directional(loss, *direction); }), "forward_ad.unsupported_operator");
  EXPECT_EQ(error_code([&] { curvature(loss, *direction); }), "forward_ad.unsupported_operator");
  EXPECT_EQ(error_code([&] { curvature_by_difference(loss, *direction, 1e-3); }),
            "forward_ad.unsupported_operator");
  EXPECT_EQ(error_code([&] { check_gradient(loss, *direction); }), "forward_ad.unsupported_operator");
}

}  // namespace
}  // namespace tenfold::train
