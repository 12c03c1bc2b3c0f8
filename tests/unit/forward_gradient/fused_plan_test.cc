// SPDX-License-Identifier: Apache-2.0
// Networks and batches that the fused network refuses, each with its code.
#include "tenfold/systems/forward_gradient/fused_plan.h"

#include <gtest/gtest.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/dropout.h>

#include "tenfold/base/error.h"
#include "tenfold/systems/forward_gradient/fused_net.h"
#include "tests/unit/forward_gradient/fused_cases.h"

namespace tenfold::forward_gradient {
namespace {

namespace nn = torch::nn;

// Code and the layer that the message names.
std::string refusal(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code() + ": " + error.text().what + "; " + error.text().remedy;
  }
  return "no error";
}

template <typename... Layers>
nn::Sequential sequence(Layers... layers) {
  nn::Sequential module;
  (module->push_back(layers), ...);
  return module;
}

void expect_unsupported(const nn::Sequential& module, const std::string& layer) {
  const std::string text = refusal([&] { FusedNet net(module); });
  EXPECT_EQ(text.find("fused.unsupported_layer: layer '" + layer + "'"), 0u) << text;
  EXPECT_NE(text.find("--gradient.name forward"), std::string::npos) << text;
}

TEST(FusedPlan, NamesLayersItCannotFuse) {
  expect_unsupported(sequence(nn::Linear(4, 5), nn::Dropout(0.5), nn::Linear(5, 2)), "1");
  expect_unsupported(sequence(nn::Linear(4, 5), nn::BatchNorm1d(5), nn::Linear(5, 2)), "1");
  expect_unsupported(sequence(nn::Linear(4, 5), nn::Sigmoid(), nn::Linear(5, 2)), "1");
  expect_unsupported(sequence(nn::ReLU(), nn::Linear(4, 2)), "0");
  const auto conv = [] { return nn::Conv2d(nn::Conv2dOptions(2, 4, 3).padding(1)); };
  expect_unsupported(
      sequence(nn::Conv2d(nn::Conv2dOptions(2, 4, 3).groups(2)), nn::Flatten(), nn::Linear(4, 2)), "0");
  expect_unsupported(sequence(nn::Conv2d(nn::Conv2dOptions(2, 4, 3).padding(1).padding_mode(torch::kReflect)),
                              nn::Flatten(),
                              nn::Linear(4, 2)),
                     "0");
  expect_unsupported(
      sequence(nn::Conv2d(nn::Conv2dOptions(2, 4, 3).padding(torch::kSame)), nn::Flatten(), nn::Linear(4, 2)),
      "0");
  expect_unsupported(sequence(nn::MaxPool2d(2), conv(), nn::Flatten(), nn::Linear(4, 2)), "0");
  expect_unsupported(sequence(conv(), nn::MaxPool2d(3), nn::Flatten(), nn::Linear(4, 2)), "1");
  expect_unsupported(
      sequence(conv(), nn::MaxPool2d(nn::MaxPool2dOptions(2).stride(1)), nn::Flatten(), nn::Linear(4, 2)),
      "1");
  expect_unsupported(
      sequence(
          conv(), nn::MaxPool2d(nn::MaxPool2dOptions(2).ceil_mode(true)), nn::Flatten(), nn::Linear(4, 2)),
      "1");
  expect_unsupported(sequence(conv(), nn::MaxPool2d(2), nn::MaxPool2d(2), nn::Flatten(), nn::Linear(4, 2)),
                     "2");
  expect_unsupported(sequence(nn::Flatten(), conv(), nn::Linear(4, 2)), "1");
  expect_unsupported(sequence(nn::Flatten(nn::FlattenOptions().start_dim(0)), nn::Linear(4, 2)), "0");
  const nn::Linear shared(4, 4);
  expect_unsupported(sequence(shared, nn::ReLU(), shared, nn::Linear(4, 2)), "2");
}

TEST(FusedPlan, WantsLogitsAtTheEnd) {
  const auto starts = [](const nn::Sequential& module) {
    return refusal([&] { FusedNet net(module); }).find("fused.bad_network") == 0;
  };
  EXPECT_TRUE(starts(nn::Sequential()));
  EXPECT_TRUE(starts(sequence(nn::Flatten())));
  EXPECT_TRUE(starts(sequence(nn::Linear(3, 2), nn::ReLU())));
  EXPECT_TRUE(starts(sequence(nn::Conv2d(nn::Conv2dOptions(2, 4, 3)))));
}

TEST(FusedPlan, WantsTrainableFloats) {
  const auto starts = [](const nn::Sequential& module) {
    return refusal([&] {
             FusedNet net(module);
           }).find("fused.unsupported_parameters: the parameters of layer '0'") == 0;
  };
  nn::Sequential frozen = sequence(nn::Linear(3, 2));
  for (torch::Tensor& parameter : frozen->parameters()) parameter.requires_grad_(false);
  EXPECT_TRUE(starts(frozen));
  nn::Sequential doubles = sequence(nn::Linear(3, 2));
  doubles->to(at::kDouble);
  EXPECT_TRUE(starts(doubles));
}

TEST(FusedPlan, RefusesInputsThatDoNotFit) {
  const auto code = [](const nn::Sequential& module, at::IntArrayRef sizes) {
    FusedNet net(module);
    return refusal([&] { net.logits(at::zeros(sizes)); }).substr(0, 15);
  };
  EXPECT_EQ(code(sequence(nn::Linear(4, 2)), {3, 5}), "fused.bad_input");
  EXPECT_EQ(code(sequence(nn::Linear(4, 2)), {3, 2, 4}), "fused.bad_input");
  EXPECT_EQ(code(small_cnn(), {3, 784}), "fused.bad_input");
  EXPECT_EQ(code(small_cnn(), {3, 3, 28, 28}), "fused.bad_input");
  EXPECT_EQ(code(small_cnn(), {3, 1, 32, 32}), "fused.bad_input");
  EXPECT_EQ(code(small_cnn(), {3, 1, 1, 1}), "fused.bad_input");
  EXPECT_EQ(code(sequence(nn::Conv2d(nn::Conv2dOptions(1, 2, 3)), nn::Linear(4, 2)), {3, 1, 6, 6}),
            "fused.bad_input");
  EXPECT_EQ(code(logistic(), {3, 1, 28, 28}), "no error");
  EXPECT_EQ(code(logistic(), {3, 784}), "no error");
}

TEST(FusedPlan, RefusesBatchesAndChangesNothing) {
  nn::Sequential module = deep_mlp(1, 8, 4, 3);
  FusedNet net(module);
  const torch::Tensor inputs = at::ones({2, 4});
  const torch::Tensor targets = at::zeros({2}, at::kLong);
  net.step(inputs, targets, {.mode = "rank1"}, {}, 0.1);
  net.flush();
  const torch::Tensor before = net.logits(inputs);
  const auto code = [&](const torch::Tensor& x, const torch::Tensor& y) {
    return refusal([&] { net.step(x, y, {.mode = "rank1"}, {.step = 1}, 0.1); }).substr(0, 15);
  };
  EXPECT_EQ(code(inputs.to(at::kDouble), targets), "fused.bad_batch");
  EXPECT_EQ(code(torch::Tensor(), targets), "fused.bad_batch");
  EXPECT_EQ(code(at::ones({0, 4}), at::zeros({0}, at::kLong)), "fused.bad_batch");
  EXPECT_EQ(code(at::ones({4}), targets), "fused.bad_batch");
  EXPECT_EQ(code(inputs, at::zeros({3}, at::kLong)), "fused.bad_batch");
  EXPECT_EQ(code(inputs, at::zeros({2})), "fused.bad_batch");
  EXPECT_EQ(code(inputs, at::full({2}, 3, at::kLong)), "fused.bad_batch");
  EXPECT_EQ(code(inputs, at::full({2}, -1, at::kLong)), "fused.bad_batch");
  EXPECT_EQ(code(inputs, torch::Tensor()), "fused.bad_batch");
  EXPECT_EQ(refusal([&] { net.directional(inputs, targets, {.mode = "backprop"}, {}); }).substr(0, 17),
            "fused.bad_options");
  EXPECT_TRUE(net.logits(inputs).equal(before));
}

TEST(FusedPlan, TakesBatchesOfChangingSizeAndStridedOnes) {
  const Case own{"cnn", [] { return odd_cnn(); }, {3, 9, 7}, 6, 7};
  nn::Sequential module = own.make();
  FusedNet net(module);
  for (const std::int64_t size : {6, 1, 11, 6}) {
    const torch::Tensor inputs = at::randn({size, 3, 7, 9}).transpose(2, 3);
    const torch::Tensor expected = module->forward(inputs);
    EXPECT_LT((net.logits(inputs) - expected).abs().max().item<double>(), 1e-4) << size;
  }
}

}  // namespace
}  // namespace tenfold::forward_gradient
