// SPDX-License-Identifier: Apache-2.0
// Any LibTorch module, unchanged, trained by forward gradients: one pass on dual numbers a step, no backward pass.
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adam.h>

#include <cstdint>
#include <cstdio>

#include "tenfold/train/gradient_options.h"

int main() {
  torch::manual_seed(1);
  torch::nn::Sequential model(torch::nn::Linear(8, 16), torch::nn::Tanh(), torch::nn::Linear(16, 1));
  const torch::Tensor x = torch::randn({256, 8}), target = torch::sin(x.sum(1, true));
  torch::optim::Adam optimizer(model->parameters(), 1e-2);
  const auto parameters = tenfold::train::trainable_parameters(*model);
  const auto estimator =
      tenfold::train::make_gradient_estimator({.name = "forward", .direction = "rademacher"});
  const auto loss = [&] {
    return tenfold::train::StepOutput{.loss = torch::nn::functional::mse_loss(model->forward(x), target)};
  };
  const double before = loss().loss.item<double>();
  for (std::uint64_t step = 0; step < 2000; ++step) {
    optimizer.zero_grad();
    estimator->accumulate(loss, parameters, {.seed = 1, .step = step}, 1.0);  // p.grad() += slope x direction
    optimizer.step();
  }
  std::printf("loss %.3f -> %.3f without a backward pass\n", before, loss().loss.item<double>());
}
