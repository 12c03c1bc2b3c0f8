// SPDX-License-Identifier: Apache-2.0
// Adafactor against algorithms 4 and 5 of Shazeer & Stern 2018.
#include "tenfold/train/adafactor.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tenfold/base/threads.h"
#include "tests/unit/train/optimizer_cases.h"

namespace tenfold::train {
namespace {

using testing::PlainParameter;

OptimizerOptions adafactor() {
  OptimizerOptions options;
  options.name = "adafactor";
  options.beta1 = 0.0;
  return options;
}

double rms(const std::vector<double>& x) {
  return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0) / static_cast<double>(x.size()));
}

// 1 / sqrt(V) times G, by the full matrix of V.
std::vector<double> scaled_gradient(PlainParameter& p, const std::vector<double>& g, double beta2) {
  const double epsilon1 = 1e-30;
  std::vector<double> u(g.size());
  if (p.shape.size() < 2) {
    auto& v = p.zeros("v");
    for (std::size_t i = 0; i < g.size(); ++i) {
      v[i] = beta2 * v[i] + (1.0 - beta2) * (g[i] * g[i] + epsilon1);
      u[i] = g[i] / std::sqrt(v[i]);
    }
    return u;
  }
  const std::size_t rows = static_cast<std::size_t>(p.shape[0]), columns = g.size() / rows;
  std::vector<double> row_sums(rows, 0.0), column_sums(columns, 0.0);
  for (std::size_t i = 0; i < g.size(); ++i) {
    row_sums[i / columns] += g[i] * g[i] + epsilon1;
    column_sums[i % columns] += g[i] * g[i] + epsilon1;
  }
  auto &r = p.zeros("r"), &c = p.zeros("c");  // longer than needed
  for (std::size_t i = 0; i < rows; ++i) r[i] = beta2 * r[i] + (1.0 - beta2) * row_sums[i];
  for (std::size_t j = 0; j < columns; ++j) c[j] = beta2 * c[j] + (1.0 - beta2) * column_sums[j];
  const double total = std::accumulate(r.begin(), r.begin() + static_cast<std::ptrdiff_t>(rows), 0.0);
  for (std::size_t i = 0; i < g.size(); ++i) {
    u[i] = g[i] / std::sqrt(r[i / columns] * c[i % columns] / total);
  }
  return u;
}

struct Variant {
  bool relative = false;
  bool scaled = true;
  double beta1 = 0.0;
  double decay = 0.0;
};

void expect_paper(const Variant& variant) {
  OptimizerOptions options = adafactor();
  options.learning_rate = 0.05;  // testing::rate(1): the schedule's factor is 1 / t
  options.beta1 = variant.beta1;
  options.weight_decay = variant.decay;
  options.adafactor.relative_step = variant.relative;
  options.adafactor.scale_parameter = variant.scaled;
  testing::expect_equations(
      options,
      [&](PlainParameter& p, const std::vector<double>& g, int t, double rate) {
        std::vector<double> u = scaled_gradient(p, g, 1.0 - std::pow(t, -0.8));
        const double rho = variant.relative ? std::min(1e-2, 1.0 / std::sqrt(t)) / t : rate;
        const double alpha = rho * (variant.scaled ? std::max(1e-3, rms(p.value)) : 1.0);
        const double clip = std::max(1.0, rms(u) / 1.0);
        auto& m = p.zeros("m");
        for (std::size_t i = 0; i < g.size(); ++i) {
          m[i] = variant.beta1 * m[i] + (1.0 - variant.beta1) * alpha * u[i] / clip;
          p.value[i] = p.value[i] * (1.0 - (p.decayed() ? rho * variant.decay : 0.0)) - m[i];
        }
      },
      1e-12);
}

TEST(Adafactor, FollowsAlgorithms4And5) {
  expect_paper({});
  expect_paper({.scaled = false, .decay = 0.1});
  expect_paper({.relative = true});
  expect_paper({.beta1 = 0.8, .decay = 0.3});
  expect_paper({.relative = true, .scaled = false, .beta1 = 0.9});
}

TEST(Adafactor, ClipsAnUpdateToTheThreshold) {
  OptimizerOptions options = adafactor();
  options.adafactor.scale_parameter = false;
  options.adafactor.clip_threshold = 0.5;
  at::Tensor w = at::zeros({40, 1100}, at::kDouble).requires_grad_(true);
  const auto optimizer = make_optimizer(options, {{"w", w}});
  w.mutable_grad() = at::randn({40, 1100}, at::kDouble);
  optimizer->step(0.1);
  EXPECT_NEAR(w.detach().pow(2).mean().sqrt().item<double>(), 0.1 * 0.5, 1e-12);
}

TEST(Adafactor, EqualsItsEquationsOverManyTiles) {
  // 70 x 2100 is cut into tiles of 1024 columns; the full matrix V by LibTorch in double.
  OptimizerOptions options = adafactor();
  options.adafactor.scale_parameter = false;
  at::Tensor w = at::randn({70, 2100}, at::kDouble).requires_grad_(true);
  at::Tensor expected = w.detach().clone();
  at::Tensor v;
  const auto optimizer = make_optimizer(options, {{"w", w}});
  at::Tensor r = at::zeros({70, 1}, at::kDouble), c = at::zeros({1, 2100}, at::kDouble);
  for (int t = 1; t <= 3; ++t) {
    const at::Tensor g = at::randn({70, 2100}, at::kDouble) * t;
    const double beta2 = 1.0 - std::pow(t, -0.8);
    r = beta2 * r + (1.0 - beta2) * g.pow(2).sum(1, true);
    c = beta2 * c + (1.0 - beta2) * g.pow(2).sum(0, true);
    const at::Tensor u = g / (r.matmul(c) / r.sum()).sqrt();
    expected -= 0.1 * u / std::max(1.0, u.pow(2).mean().sqrt().item<double>());
    w.mutable_grad() = g;
    optimizer->step(0.1);
    EXPECT_LE((w.detach() - expected).abs().max().item<double>(), 1e-12);
  }
}

TEST(Adafactor, KeepsTheSumOfTwoSidesInsteadOfTheirProduct) {
  at::Tensor w = at::zeros({300, 10, 20}).requires_grad_(true), b = at::zeros({7}).requires_grad_(true);
  const TensorMap state = make_optimizer(adafactor(), {{"w", w}, {"b", b}})->state();
  EXPECT_EQ(state.size(), 5u);
  EXPECT_EQ(state.at("row/w").numel(), 300);
  EXPECT_EQ(state.at("column/w").numel(), 200);
  EXPECT_EQ(state.at("moment2/b").numel(), 7);
}

TEST(Adafactor, FloatsStayNearTheDoubleResult) {
  at::Tensor a = at::randn({65, 130}).requires_grad_(true),
             b = a.detach().to(at::kDouble).requires_grad_(true);
  const auto ours = make_optimizer(adafactor(), {{"w", a}}), exact = make_optimizer(adafactor(), {{"w", b}});
  for (int t = 0; t < 5; ++t) {
    a.mutable_grad() = at::randn({65, 130}) * 1e-12;  // squares below the range of floats' normal numbers
    b.mutable_grad() = a.grad().to(at::kDouble);
    ours->step(0.1);
    exact->step(0.1);
  }
  EXPECT_LE((a.detach() - b.detach()).abs().max().item<double>(),
            5 * 4e-7 * b.detach().abs().max().item<double>());
}

TEST(Adafactor, ZeroGradientsChangeNothingEvenWithoutEpsilon) {
  OptimizerOptions options = adafactor();
  options.adafactor.epsilon1 = 0.0;
  at::Tensor w = at::ones({3, 4}).requires_grad_(true), e = at::ones({0, 4}).requires_grad_(true);
  const auto optimizer = make_optimizer(options, {{"w", w}, {"e", e}});
  w.mutable_grad() = at::zeros({3, 4});
  e.mutable_grad() = at::zeros({0, 4});
  optimizer->step(0.1);
  EXPECT_TRUE(at::equal(w.detach(), at::ones({3, 4})));
}

TEST(Adafactor, GivesTheSameBitsForAnyThreadCount) {
  const at::Tensor start = at::randn({130, 1500}), gradient = at::randn({130, 1500});
  const int before = thread_count();
  std::vector<at::Tensor> results;
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    at::Tensor p = start.clone().requires_grad_(true);
    const auto optimizer = make_optimizer(adafactor(), {{"p", p}});
    p.mutable_grad() = gradient;
    for (int step = 0; step < 3; ++step) optimizer->step(0.1);
    results.push_back(p.detach());
  }
  set_thread_count(before);
  EXPECT_TRUE(at::equal(results[0], results[1]));
}

}  // namespace
}  // namespace tenfold::train
