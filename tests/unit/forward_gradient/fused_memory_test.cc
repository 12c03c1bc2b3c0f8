// SPDX-License-Identifier: Apache-2.0
// Memory of a step on a deep network: forward gradients keep two layers, backpropagation all of them. Measured as resident
// memory, and counted over the buffers.
#include <gtest/gtest.h>

#include "tenfold/systems/forward_gradient/bench.h"
#include "tenfold/systems/forward_gradient/fused_net.h"
#include "tenfold/systems/forward_gradient/models.h"

namespace tenfold::forward_gradient {
namespace {

constexpr std::int64_t kLayers = 64, kWidth = 256, kBatch = 2048;
constexpr double kActivations = 64.0 * 2048 * 256 * 4;  // bytes of what a backward pass needs

double counted(const FusedOptions& options) {
  const torch::Tensor inputs = at::zeros({kBatch, kWidth}), targets = at::zeros({kBatch}, at::kLong);
  FusedNet net(deep_mlp(kLayers, kWidth, kWidth, 10));
  net.step(inputs, targets, options, {}, 0.0);
  return static_cast<double>(net.buffer_bytes());
}

TEST(FusedMemory, AForwardStepTakesAFifthOfBackpropagationAtMost) {
  const MemoryFigures measured = measure_step_memory(kLayers, kWidth, kBatch);
  EXPECT_GT(measured.forward, 2.0 * 2048 * 256 * 4);
  EXPECT_GT(measured.backprop, kActivations);
  EXPECT_GT(measured.autograd, kActivations);
  EXPECT_LT(measured.forward, 0.2 * measured.backprop);
  EXPECT_LT(measured.forward, 0.2 * measured.autograd);
}

TEST(FusedMemory, TheBuffersOfAStepAreCounted) {
  const double backprop = counted({.mode = "backprop"});
  EXPECT_GT(backprop, kActivations);
  EXPECT_LT(backprop, 1.2 * kActivations);  // and not as much again for gradients
  for (const char* mode : {"rank1", "block", "dense"}) {
    for (const bool bf16 : {false, true}) {
      EXPECT_LT(counted({.mode = mode, .tangent_bf16 = bf16}), 0.2 * backprop) << mode << " " << bf16;
    }
  }
}

TEST(StepMemory, IsWhatTheStepTakes) {
  constexpr std::int64_t kBytes = 64 << 20;
  EXPECT_NEAR(step_memory([] { at::ones({kBytes}, at::kByte); }), kBytes, 0.1 * kBytes);
  EXPECT_NEAR(step_memory([] {}), 0.0, 0.1 * kBytes);
}

}  // namespace
}  // namespace tenfold::forward_gradient
