// SPDX-License-Identifier: Apache-2.0
// LAMB against algorithm 2 of You et al. 2020.
#include "tenfold/train/lamb.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tenfold/base/threads.h"
#include "tests/unit/train/optimizer_cases.h"

namespace tenfold::train {
namespace {

using testing::PlainParameter;

void lamb_equations(PlainParameter& p, const std::vector<double>& g, int t, double rate) {
  const double beta1 = 0.7, beta2 = 0.9, epsilon = 1e-6, lambda = p.decayed() ? 0.05 : 0.0;
  auto &m = p.zeros("m"), &v = p.zeros("v");
  std::vector<double> u(g.size());
  double value_squares = 0.0, update_squares = 0.0;
  for (std::size_t i = 0; i < g.size(); ++i) {
    m[i] = beta1 * m[i] + (1.0 - beta1) * g[i];
    v[i] = beta2 * v[i] + (1.0 - beta2) * g[i] * g[i];
    u[i] = m[i] / (1.0 - std::pow(beta1, t)) / (std::sqrt(v[i] / (1.0 - std::pow(beta2, t))) + epsilon) +
           lambda * p.value[i];
    value_squares += p.value[i] * p.value[i];
    update_squares += u[i] * u[i];
  }
  double ratio = 1.0;
  if (p.decayed() && value_squares > 0.0 && update_squares > 0.0) {
    ratio = std::sqrt(value_squares) / std::sqrt(update_squares);
  }
  for (std::size_t i = 0; i < g.size(); ++i) p.value[i] -= rate * ratio * u[i];
}

OptimizerOptions options_of_equations() {
  OptimizerOptions options;
  options.name = "lamb";
  options.beta1 = 0.7;
  options.beta2 = 0.9;
  options.epsilon = 1e-6;
  options.weight_decay = 0.05;
  return options;
}

TEST(Lamb, FollowsAlgorithm2) {
  testing::expect_equations(options_of_equations(), lamb_equations, 1e-12);
}

TEST(Lamb, TheStepOfALayerIsAsLongAsTheRateTimesItsWeights) {
  OptimizerOptions options = options_of_equations();
  at::Tensor w = (at::randn({300, 301}, at::kDouble) * 7.0).requires_grad_(true);
  const auto optimizer = make_optimizer(options, {{"w", w}});
  for (int t = 0; t < 3; ++t) {
    const at::Tensor before = w.detach().clone();
    w.mutable_grad() = at::randn({300, 301}, at::kDouble) * 1e-3;
    optimizer->step(0.02);
    const double moved = (w.detach() - before).norm().item<double>();
    EXPECT_NEAR(moved, 0.02 * before.norm().item<double>(), 1e-12 * before.norm().item<double>());
  }
}

TEST(Lamb, ZeroWeightsAndZeroGradientsHaveNoRatio) {
  OptimizerOptions options = options_of_equations();
  at::Tensor zero = at::zeros({2, 2}, at::kDouble).requires_grad_(true);
  at::Tensor still = at::ones({2, 2}, at::kDouble).requires_grad_(true);
  options.weight_decay = 0.0;
  const auto optimizer = make_optimizer(options, {{"zero", zero}, {"still", still}});
  zero.mutable_grad() = at::full({2, 2}, 3.0, at::kDouble);
  still.mutable_grad() = at::zeros({2, 2}, at::kDouble);
  optimizer->step(0.1);
  EXPECT_TRUE(
      at::allclose(zero.detach(), at::full({2, 2}, -0.1, at::kDouble), 1e-6));  // u = 1 but for epsilon
  EXPECT_TRUE(at::equal(still.detach(), at::ones({2, 2}, at::kDouble)));
}

TEST(Lamb, GivesTheSameBitsForAnyThreadCount) {
  const at::Tensor start = at::randn({7, 30011}), gradient = at::randn({7, 30011});
  const int before = thread_count();
  std::vector<at::Tensor> results;
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    at::Tensor p = start.clone().requires_grad_(true);
    const auto optimizer = make_optimizer(options_of_equations(), {{"p", p}});
    p.mutable_grad() = gradient;
    for (int step = 0; step < 3; ++step) optimizer->step(0.1);
    results.push_back(p.detach());
  }
  set_thread_count(before);
  EXPECT_TRUE(at::equal(results[0], results[1]));
}

}  // namespace
}  // namespace tenfold::train
