// SPDX-License-Identifier: Apache-2.0
// Dropout: how often, how much, what repeats it, and its gradient.
#include "tenfold/nn/dropout.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tenfold/base/threads.h"

namespace tenfold::nn {
namespace {

TEST(Dropout, LeavesOutTheShareAndKeepsTheMean) {
  for (const double share : {0.0, 0.1, 0.75}) {
    at::manual_seed(4);
    const torch::Tensor y = dropout(at::ones({500, 400}), share);
    const double n = 200'000, deviation = std::sqrt(share * (1 - share) / n);
    EXPECT_NEAR(y.eq(0).to(at::kDouble).mean().item<double>(), share, 4 * deviation + 1.0 / 65536);
    EXPECT_NEAR(y.max().item<double>(), 1 / (1 - share), 1e-4 / (1 - share));
    EXPECT_NEAR(y.to(at::kDouble).mean().item<double>(), 1.0, 4 * deviation / (1 - share) + 1e-6);
  }
}

TEST(Dropout, RepeatsWithTheSeedOfLibTorchForAnyNumberOfThreads) {
  const torch::Tensor x = at::ones({300, 1000});
  at::manual_seed(4);
  const torch::Tensor first = dropout(x, 0.5), second = dropout(x, 0.5);
  EXPECT_FALSE(first.equal(second));
  const int threads = thread_count();
  set_thread_count(3);
  at::manual_seed(4);
  EXPECT_TRUE(dropout(x, 0.5).equal(first));
  EXPECT_TRUE(dropout(x, 0.5).equal(second));
  set_thread_count(threads);
}

TEST(Dropout, GradientGoesThroughWhatWasKept) {
  const torch::Tensor x = at::rand({20, 30}).add_(1).requires_grad_();
  const torch::Tensor y = dropout(x, 0.3);
  y.sum().backward();
  EXPECT_TRUE(at::allclose(x.grad() * x, y));
  EXPECT_TRUE(x.grad().eq(0).equal(y.eq(0)));
}

TEST(Dropout, TakesOtherTypesAndStridesAndNothing) {
  const torch::Tensor y = dropout(at::ones({100, 100}, at::kDouble), 0.5);
  EXPECT_EQ(y.scalar_type(), at::kDouble);
  EXPECT_GT(y.eq(0).sum().item<std::int64_t>(), 4000);
  EXPECT_EQ(dropout(at::ones({3, 4}).t(), 0.5).sizes(), (at::IntArrayRef{4, 3}));
  EXPECT_EQ(dropout(at::ones({0, 4}), 0.5).numel(), 0);
}

}  // namespace
}  // namespace tenfold::nn
