// SPDX-License-Identifier: Apache-2.0
// Your own LibTorch training loop, metered: how many FLOP it took, how long, and run.json for the compute-trend chart
// (`tenfold trends plot --run run.json`).
#include "tenfold/train/run_meter.h"

#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/sgd.h>

#include <cstdio>

#include "tenfold/base/error.h"

int main() {
  constexpr int kSteps = 20, kBatch = 64, kInputs = 32, kHidden = 128, kOutputs = 10;
  torch::manual_seed(1);
  torch::nn::Sequential model(
      torch::nn::Linear(kInputs, kHidden), torch::nn::ReLU(), torch::nn::Linear(kHidden, kOutputs));
  torch::optim::SGD optimizer(model->parameters(), 0.1);
  const torch::Tensor x = torch::randn({kBatch, kInputs});
  const torch::Tensor target = torch::randint(kOutputs, {kBatch});
  try {
    tenfold::train::RunMeter meter(
        {.system = "example", .name = "two layers", .seed = 1, .peak_gflops = 50.0});
    meter.start();
    for (int step = 0; step < kSteps; ++step) {
      optimizer.zero_grad();
      torch::nn::functional::cross_entropy(model->forward(x), target).backward();
      {
        const tenfold::train::OptimizerScope scope;
        optimizer.step();
      }
      meter.step(kBatch);
    }
    const tenfold::train::RunReport report = meter.finish();
    // By hand: 2 FLOP a multiply-add; backward twice the forward, but the first layer needs no gradient of its input.
    const long long first = 2LL * kBatch * kInputs * kHidden, second = 2LL * kBatch * kHidden * kOutputs;
    std::printf("counted %llu FLOP in %llu steps; by hand %lld\n",
                static_cast<unsigned long long>(report.flops.total()),
                static_cast<unsigned long long>(report.steps),
                kSteps * (2 * first + 3 * second));
    tenfold::train::write_run_json(tenfold::real_file_system(), "run.json", report);
  } catch (const tenfold::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
  return 0;
}
