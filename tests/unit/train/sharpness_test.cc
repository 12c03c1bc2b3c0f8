// SPDX-License-Identifier: Apache-2.0
// Sharpness-aware minimisation: worked out by hand on a quadratic, and backpropagation at the moved parameters for networks.
#include "tenfold/train/sharpness.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "tenfold/base/error.h"
#include "tests/unit/train/estimator_cases.h"

namespace tenfold::train {
namespace {

// loss = (x^2 + 4 y^2) / 2 at (3, 1): gradient (3, 4) of length 5.
struct Quadratic {
  at::Tensor theta = at::tensor({3.0, 1.0}, at::kDouble).requires_grad_();
  at::Tensor unused = at::ones({2}, at::kDouble).requires_grad_();
  std::vector<NamedParameter> parameters = {{"theta", theta}, {"unused", unused}};
  LossFunction loss = [this] {
    StepOutput output;
    output.loss = (theta.square() * at::tensor({0.5, 2.0}, at::kDouble)).sum();
    output.metrics = {{"first", theta[0]}};
    return output;
  };
};

TEST(Sharpness, IsTheGradientAtTheWorstPointNearBy) {
  Quadratic item;
  const auto sam = make_sharpness_aware({.name = "sam", .rho = 0.5});
  // Moved by (0.3, 0.4): gradient (3.3, 4 x 1.4), loss (3.3^2 + 4 x 1.4^2) / 2 = 9.365 instead of 6.5.
  for (int call = 1; call <= 2; ++call) {
    const StepOutput output = sam->accumulate(item.loss, item.parameters, {}, 0.75);
    EXPECT_NEAR(output.loss.item<double>(), 6.5, 1e-12);
    EXPECT_FALSE(output.loss.requires_grad());
    EXPECT_EQ(output.metrics[0].second.item<double>(), 3.0);
    EXPECT_NEAR(item.theta.grad()[0].item<double>(), call * 0.75 * 3.3, 1e-12);
    EXPECT_NEAR(item.theta.grad()[1].item<double>(), call * 0.75 * 5.6, 1e-12);
    EXPECT_TRUE(at::equal(item.unused.grad(), at::zeros({2}, at::kDouble)));
    EXPECT_NEAR(sam->figures().at("sharpness"), 2.865, 1e-12);
    EXPECT_TRUE(at::equal(item.theta, at::tensor({3.0, 1.0}, at::kDouble)));
  }
}

TEST(Sharpness, EqualsBackpropagationAtTheMovedParameters) {
  const double rho = 0.1;
  for (const Case& item : all_cases()) {
    const auto gradients = backprop_gradients(item);
    const double scale = rho / std::sqrt(dot(gradients, gradients));
    const auto before = parameter_copies(item);
    {
      const c10::NoGradGuard no_grad;
      for (std::size_t i = 0; i < before.size(); ++i) {
        at::Tensor value = item.parameters[i].value;
        value.copy_(before[i] + gradients[i] * scale);
      }
    }
    const auto expected = backprop_gradients(item);
    {
      const c10::NoGradGuard no_grad;
      for (std::size_t i = 0; i < before.size(); ++i) {
        at::Tensor value = item.parameters[i].value;
        value.copy_(before[i]);
        if (value.grad().defined()) value.mutable_grad().zero_();
      }
    }
    make_sharpness_aware({.name = "sam", .rho = rho})->accumulate(item.loss, item.parameters, {}, 1.0);
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_TRUE(at::allclose(item.parameters[i].value.grad(), expected[i], 1e-9, 1e-12)) << item.name;
      EXPECT_TRUE(at::equal(item.parameters[i].value, before[i])) << item.name;
    }
  }
}

TEST(Sharpness, BringsParametersBackWhenTheLossThrows) {
  for (const int failing_call : {1, 2}) {
    Quadratic item;
    int calls = 0;
    const LossFunction throwing = [&] {
      if (++calls == failing_call) throw std::runtime_error("no memory");
      return item.loss();
    };
    EXPECT_THROW(make_sharpness_aware({.name = "sam"})->accumulate(throwing, item.parameters, {}, 1.0),
                 std::runtime_error);
    EXPECT_TRUE(at::equal(item.theta, at::tensor({3.0, 1.0}, at::kDouble)));
  }
}

TEST(Sharpness, MovesNothingWithoutAFiniteGradient) {
  for (const double value : {0.0, std::numeric_limits<double>::infinity()}) {
    Quadratic item;
    {
      const c10::NoGradGuard no_grad;
      item.theta.fill_(value);
    }
    const auto sam = make_sharpness_aware({.name = "sam"});
    sam->accumulate(item.loss, item.parameters, {}, 1.0);
    EXPECT_EQ(item.theta.grad()[0].item<double>(), value);
    EXPECT_EQ(item.theta[0].item<double>(), value);
    EXPECT_EQ(sam->figures().at("sharpness"), 0.0);
  }
}

TEST(Sharpness, RefusesADistanceOfNothingAndLossesWithoutGradient) {
  EXPECT_EQ(error_code([] { make_sharpness_aware({.name = "sam", .rho = 0.0}); }), "gradient.bad_rho");
  Quadratic item;
  const LossFunction detached_loss = [&] { return StepOutput{.loss = item.theta.detach().sum()}; };
  EXPECT_EQ(error_code([&] {
              make_sharpness_aware({.name = "sam"})->accumulate(detached_loss, item.parameters, {}, 1.0);
            }),
            "gradient.detached_loss");
}

}  // namespace
}  // namespace tenfold::train
