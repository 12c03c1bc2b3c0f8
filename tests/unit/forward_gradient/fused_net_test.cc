// SPDX-License-Identifier: Apache-2.0
// The fused network against LibTorch: losses, slopes along the directions it claims, updates.
#include "tenfold/systems/forward_gradient/fused_net.h"

#include <gtest/gtest.h>

#include "tenfold/base/error.h"
#include "tests/unit/forward_gradient/fused_cases.h"

namespace tenfold::forward_gradient {
namespace {

// In float32, with sums of a few thousand products.
constexpr double kRelative = 2e-5;

std::vector<FusedOptions> exact_modes() {
  std::vector<FusedOptions> modes;
  for (const char* mode : {"rank1", "block", "dense"}) {
    modes.push_back({.mode = mode, .tangent_bf16 = false});
    if (modes.back().mode != "block") modes.push_back({.mode = mode, .tangent_bf16 = false, .tangents = 3});
  }
  return modes;
}

TEST(FusedNet, ValuesEqualTheModules) {
  for (const Case& own : all_cases()) {
    SCOPED_TRACE(own.name);
    torch::nn::Sequential module = own.make();
    const TestBatch batch = make_batch(own);
    FusedNet net(module);
    const torch::Tensor expected = module->forward(batch.inputs);
    const torch::Tensor logits = net.logits(batch.inputs);
    EXPECT_LT((logits - expected).abs().max().item<double>(),
              1e-5 * (1 + expected.abs().max().item<double>()));
    const train::StepOutput output = net.run(batch.inputs, batch.targets);
    const torch::Tensor losses = at::cross_entropy_loss(expected, batch.targets, {}, at::Reduction::None);
    EXPECT_LT((output.example_loss - losses).abs().max().item<double>(), 2e-5);
    EXPECT_NEAR(output.loss.item<double>(), losses.mean().item<double>(), 1e-5);
    const double accuracy = expected.argmax(1).eq(batch.targets).to(at::kFloat).mean().item<double>();
    EXPECT_NEAR(output.metrics.at(0).second.item<double>(), accuracy, 1e-6);
  }
}

TEST(FusedNet, SlopesAreGradientTimesDirection) {
  for (const Case& own : all_cases()) {
    torch::nn::Sequential module = own.make();
    const TestBatch batch = make_batch(own);
    const Reference reference = reference_of(module, batch);
    FusedNet net(module);
    for (const FusedOptions& options : exact_modes()) {
      for (std::uint64_t step = 0; step < 6; ++step) {
        SCOPED_TRACE(own.name + " " + options.mode + " step " + std::to_string(step));
        const train::EstimateKey key{.seed = 7, .step = step, .micro_batch = step % 2};
        const FusedNet::Figures figures = net.directional(batch.inputs, batch.targets, options, key);
        EXPECT_NEAR(figures.loss, reference.loss, 1e-5 * (1 + reference.loss));
        ASSERT_EQ(figures.slopes.size(), static_cast<std::size_t>(options.tangents));
        for (std::size_t j = 0; j < figures.slopes.size(); ++j) {
          const std::vector<torch::Tensor> direction = net.direction(options, key, j);
          EXPECT_NEAR(figures.slopes[j],
                      dot(reference.gradients, direction),
                      kRelative * norm(reference.gradients) * norm(direction));
          double entries = 0.0;
          for (const auto& own_direction : direction) entries += own_direction.abs().sum().item<double>();
          EXPECT_EQ(entries, static_cast<double>(figures.perturbed));  // signs where perturbed, else zeros
        }
      }
    }
  }
}

TEST(FusedNet, BackpropagationEqualsAutogradAndSgd) {
  constexpr double kRate = 0.1;
  for (const Case& own : all_cases()) {
    SCOPED_TRACE(own.name);
    torch::nn::Sequential module = own.make();
    FusedNet net(module);
    for (std::uint64_t step = 0; step < 3; ++step) {
      const TestBatch batch = make_batch(own, step);
      const Reference reference = reference_of(module, batch);
      std::vector<torch::Tensor> expected;
      for (std::size_t i = 0; i < reference.gradients.size(); ++i) {
        expected.push_back(net.parameters()[i].value.detach().to(at::kDouble) -
                           kRate * reference.gradients[i]);
      }
      const FusedNet::Figures figures =
          net.step(batch.inputs, batch.targets, {.mode = "backprop"}, {}, kRate);
      EXPECT_NEAR(figures.loss, reference.loss, 1e-5 * (1 + reference.loss));
      net.flush();
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const torch::Tensor error = net.parameters()[i].value.detach().to(at::kDouble) - expected[i];
        EXPECT_LT(error.norm().item<double>(),
                  1e-5 * kRate * norm(reference.gradients) + 1e-7 * expected[i].norm().item<double>())
            << net.parameters()[i].name;
      }
    }
  }
}

}  // namespace
}  // namespace tenfold::forward_gradient
