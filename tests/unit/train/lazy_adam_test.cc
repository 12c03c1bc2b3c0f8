// SPDX-License-Identifier: Apache-2.0
// Lazy Adam: rows with a gradient follow Adam on their own count, others stay as they are.
#include "tenfold/train/lazy_adam.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/embedding.h>

#include <algorithm>
#include <cmath>

#include "tenfold/base/threads.h"
#include "tests/unit/train/optimizer_cases.h"

namespace tenfold::train {
namespace {

using testing::PlainParameter;

OptimizerOptions lazy() {
  OptimizerOptions options;
  options.name = "lazy_adam";
  options.beta1 = 0.7;
  options.beta2 = 0.9;
  options.epsilon = 1e-6;
  return options;
}

TEST(LazyAdam, RowsWithAGradientFollowAdamOnTheirOwnCount) {
  OptimizerOptions options = lazy();
  options.weight_decay = 0.1;
  testing::expect_equations(options, [](PlainParameter& p, const std::vector<double>& g, int, double rate) {
    const std::size_t rows = p.shape.empty() ? 1 : static_cast<std::size_t>(p.shape[0]);
    const std::size_t columns = g.size() / rows;
    auto &m = p.zeros("m"), &v = p.zeros("v"), &counts = p.zeros("counts");
    for (std::size_t row = 0; row < rows; ++row) {
      const auto begin = g.begin() + static_cast<std::ptrdiff_t>(row * columns);
      if (std::all_of(begin, begin + static_cast<std::ptrdiff_t>(columns), [](double x) { return x == 0.0; }))
        continue;
      const double t = ++counts[row * columns];
      for (std::size_t i = row * columns; i < (row + 1) * columns; ++i) {
        m[i] = 0.7 * m[i] + (1.0 - 0.7) * g[i];
        v[i] = 0.9 * v[i] + (1.0 - 0.9) * g[i] * g[i];
        const double m_hat = m[i] / (1.0 - std::pow(0.7, t)), v_hat = v[i] / (1.0 - std::pow(0.9, t));
        p.value[i] =
            p.value[i] * (1.0 - (p.decayed() ? rate * 0.1 : 0.0)) - rate * m_hat / (std::sqrt(v_hat) + 1e-6);
      }
    }
  });
}

TEST(LazyAdam, EqualsAdamWWhenEveryRowHasAGradient) {
  OptimizerOptions options = lazy();
  options.weight_decay = 0.2;
  OptimizerOptions dense = options;
  dense.name = "adamw";
  at::Tensor a = at::randn({50, 9}).requires_grad_(true);
  at::Tensor b = a.detach().clone().requires_grad_(true);
  const auto ours = make_optimizer(options, {{"table", a}});
  const auto other = make_optimizer(dense, {{"table", b}});
  for (int t = 0; t < 4; ++t) {
    a.mutable_grad() = at::randn({50, 9});
    b.mutable_grad() = a.grad().clone();
    ours->step(0.1);
    other->step(0.1);
  }
  EXPECT_TRUE(at::equal(a.detach(), b.detach()));
}

TEST(LazyAdam, SparseAndDenseGradientsGiveTheSameBits) {
  constexpr std::int64_t kRows = 200, kColumns = 33;
  const at::Tensor start = at::randn({kRows, kColumns});
  at::Tensor a = start.clone().requires_grad_(true), b = start.clone().requires_grad_(true);
  const auto dense = make_optimizer(lazy(), {{"table", a}});
  const auto sparse = make_optimizer(lazy(), {{"table", b}});
  for (int t = 0; t < 5; ++t) {
    const at::Tensor rows = at::randperm(kRows, at::kLong).slice(0, 0, 60);
    at::Tensor values = at::randn({60, kColumns});
    values[7].zero_();  // a row that is listed, but has no gradient
    const at::Tensor gradient = at::sparse_coo_tensor(rows.unsqueeze(0), values, {kRows, kColumns});
    a.mutable_grad() = gradient.to_dense();
    b.mutable_grad() = gradient;
    dense->step(0.1);
    sparse->step(0.1);
  }
  EXPECT_TRUE(at::equal(a.detach(), b.detach()));
  for (const auto& [name, tensor] : dense->state())
    EXPECT_TRUE(at::equal(tensor, sparse->state().at(name))) << name;
}

TEST(LazyAdam, AddsUpRowsThatOccurTwice) {
  at::Tensor a = at::zeros({3, 2}).requires_grad_(true), b = at::zeros({3, 2}).requires_grad_(true);
  const auto ours = make_optimizer(lazy(), {{"t", a}}), other = make_optimizer(lazy(), {{"t", b}});
  const at::Tensor twice = at::tensor({2, 0, 2}, at::kLong).unsqueeze(0);
  a.mutable_grad() = at::sparse_coo_tensor(twice, at::ones({3, 2}), {3, 2});
  b.mutable_grad() = at::tensor({1.f, 1.f, 0.f, 0.f, 2.f, 2.f}).reshape({3, 2});
  for (int t = 0; t < 2; ++t) {
    ours->step(0.1);
    other->step(0.1);
  }
  EXPECT_TRUE(at::equal(a.detach(), b.detach()));
}

TEST(LazyAdam, TrainsASparseEmbeddingAndTouchesItsRowsOnly) {
  torch::nn::Embedding embedding(torch::nn::EmbeddingOptions(1000, 8).sparse(true));
  const at::Tensor before = embedding->weight.detach().clone();
  const auto optimizer = make_optimizer(lazy(), {{"weight", embedding->weight}});
  const at::Tensor words = at::tensor({3, 999, 3, 41}, at::kLong);
  for (int t = 0; t < 3; ++t) {
    embedding->zero_grad();
    embedding->forward(words).pow(2).sum().backward();
    ASSERT_EQ(embedding->weight.grad().layout(), at::kSparse);
    optimizer->step(0.01);
  }
  const at::Tensor changed = (embedding->weight.detach() != before).any(1).nonzero().flatten();
  EXPECT_TRUE(at::equal(changed, at::tensor({3, 41, 999}, at::kLong)));
  const at::Tensor counts = optimizer->state().at("row_steps/weight");
  EXPECT_EQ(counts.sum().item<std::int64_t>(), 9);
  EXPECT_EQ(counts[41].item<std::int64_t>(), 3);
}

TEST(LazyAdam, ALateRowMakesAFirstStepOfTheRateUnlikeDenseAdam) {
  OptimizerOptions options = lazy();
  OptimizerOptions dense = options;
  dense.name = "adam";
  at::Tensor a = at::zeros({2, 1}, at::kDouble).requires_grad_(true);
  at::Tensor b = at::zeros({2, 1}, at::kDouble).requires_grad_(true);
  const auto ours = make_optimizer(options, {{"t", a}}), other = make_optimizer(dense, {{"t", b}});
  for (int t = 0; t < 400; ++t) {
    a.mutable_grad() = at::tensor({1.0, t == 399 ? 1.0 : 0.0}, at::kDouble).reshape({2, 1});
    b.mutable_grad() = a.grad().clone();
    ours->step(0.1);
    other->step(0.1);
  }
  EXPECT_NEAR(a[1][0].item<double>(), -0.1, 1e-6);
  EXPECT_NEAR(b[1][0].item<double>(), -0.1 * (1.0 - 0.7) / std::sqrt(1.0 - 0.9), 1e-6);
}

TEST(LazyAdam, AGradientThatIsNanReachesTheRow) {
  at::Tensor a = at::zeros({2, 3}).requires_grad_(true);
  const auto optimizer = make_optimizer(lazy(), {{"t", a}});
  a.mutable_grad() = at::zeros({2, 3});
  a.mutable_grad()[1].fill_(std::nanf(""));
  optimizer->step(0.1);
  EXPECT_TRUE(a[1].isnan().all().item<bool>());
  EXPECT_TRUE(at::equal(a[0].detach(), at::zeros({3})));
}

TEST(LazyAdam, GivesTheSameBitsForAnyThreadCount) {
  const at::Tensor start = at::randn({3000, 40}), gradient = at::randn({3000, 40});
  gradient.masked_fill_((at::rand({3000, 1}) < 0.5), 0.0);
  const int before = thread_count();
  std::vector<at::Tensor> results;
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    at::Tensor p = start.clone().requires_grad_(true);
    const auto optimizer = make_optimizer(lazy(), {{"p", p}});
    p.mutable_grad() = gradient;
    for (int step = 0; step < 3; ++step) optimizer->step(0.1);
    results.push_back(p.detach());
  }
  set_thread_count(before);
  EXPECT_TRUE(at::equal(results[0], results[1]));
}

TEST(LazyAdam, SpreadRowsAndOtherTypesAreErrors) {
  const auto code = [](const at::Tensor& value) {
    return testing::error_of([&] { make_optimizer(lazy(), {{"t", value}}); }).code();
  };
  EXPECT_EQ(code(at::zeros({4, 3}).t().requires_grad_(true)), "optimizer.bad_type");
  EXPECT_EQ(code(at::zeros({4, 3}, at::kBFloat16).requires_grad_(true)), "optimizer.bad_type");
}

TEST(LazyAdam, ASparseGradientOfSinglesIsSpreadOut) {
  at::Tensor a = at::zeros({2, 3}).requires_grad_(true);
  const auto optimizer = make_optimizer(lazy(), {{"t", a}});
  const at::Tensor places = at::tensor({1, 2}, at::kLong).reshape({2, 1});
  a.mutable_grad() = at::sparse_coo_tensor(places, at::ones({1}), {2, 3});
  optimizer->step(0.1);
  EXPECT_NEAR(a[1][2].item<double>(), -0.1, 1e-6);
  EXPECT_EQ(a.detach().abs().sum().item<float>(), a[1][2].abs().item<float>());
}

}  // namespace
}  // namespace tenfold::train
