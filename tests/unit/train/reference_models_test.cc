// SPDX-License-Identifier: Apache-2.0
// Whole models: the meter, the closed forms of reference_models.h and figures known from elsewhere must agree exactly.
#include "tenfold/train/reference_models.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <torch/nn/functional/loss.h>

#include "tenfold/train/flop_meter.h"

namespace tenfold::train {
namespace {

template <typename Model>
FlopReport train_once(Model& model, const at::Tensor& input) {
  FlopMeter meter;
  model->forward(input).sum().backward();
  return meter.report();
}

void expect_equal(const FlopReport& report, const ModelFlops& flops) {
  EXPECT_EQ(report.forward, flops.forward);
  EXPECT_EQ(report.backward, flops.backward);
  EXPECT_EQ(report.other, 0u);
  EXPECT_TRUE(report.uncounted.empty());
}

TEST(ReferenceModels, MlpByHand) {
  const MlpOptions options{.inputs = 20, .hidden = {30, 40}, .outputs = 5};
  Mlp model(options);
  const FlopReport report = train_once(model, at::randn({7, 20}));
  EXPECT_EQ(report.forward, 2u * 7 * (20 * 30 + 30 * 40 + 40 * 5));
  EXPECT_EQ(report.backward, 2u * 7 * (20 * 30 + 2 * 30 * 40 + 2 * 40 * 5));
  expect_equal(report, mlp_flops(options, 7));
}

TEST(ReferenceModels, SmallCnnByHand) {
  const SmallCnnOptions options{.image = 15, .channels = 3, .width = 4, .classes = 6};  // 15 -> 15 -> 8 -> 4
  SmallCnn model(options);
  const FlopReport report = train_once(model, at::randn({2, 3, 15, 15}));
  const std::uint64_t first = 2u * 2 * 15 * 15 * 4 * 3 * 9;
  const std::uint64_t rest = 2u * 2 * (8 * 8 * 8 * 4 * 9 + 4 * 4 * 16 * 8 * 9 + 16 * 6);
  EXPECT_EQ(report.forward, first + rest);
  EXPECT_EQ(report.backward, first + 2 * rest);
  expect_equal(report, small_cnn_flops(options, 2));
}

// Layer by layer from the architecture's table: side of the output map, output channels, input channels, kernel, count.
struct Layer {
  std::uint64_t side, out, in, kernel, count;
};
constexpr Layer kResNet18[] = {{112, 64, 3, 7, 1},
                               {56, 64, 64, 3, 4},
                               {28, 128, 64, 3, 1},
                               {28, 128, 128, 3, 3},
                               {28, 128, 64, 1, 1},
                               {14, 256, 128, 3, 1},
                               {14, 256, 256, 3, 3},
                               {14, 256, 128, 1, 1},
                               {7, 512, 256, 3, 1},
                               {7, 512, 512, 3, 3},
                               {7, 512, 256, 1, 1}};

TEST(ReferenceModels, ResNet18ByHand) {
  ResNet18 model;
  EXPECT_EQ(parameter_count(*model), 11689512u);  // the published size of the 1000-class model
  const FlopReport report = train_once(model, at::randn({1, 3, 224, 224}));
  std::uint64_t forward = 2u * 512 * 1000;
  for (const Layer& layer : kResNet18) {
    forward += layer.count * 2 * layer.side * layer.side * layer.out * layer.in * layer.kernel * layer.kernel;
  }
  const std::uint64_t stem = 2ull * 112 * 112 * 64 * 3 * 49;
  EXPECT_EQ(forward, 2u * 1814073344ull);  // 1.81 G multiply-adds
  EXPECT_EQ(report.forward, forward);
  EXPECT_EQ(report.backward, 2 * forward - stem);
  expect_equal(report, resnet18_flops({}, 1));
}

TEST(ReferenceModels, LstmByHand) {
  const LstmOptions options{.inputs = 5, .hidden = 7, .layers = 1, .outputs = 3};
  LstmModel model(options);
  const FlopReport report = train_once(model, at::randn({2, 6, 5}));
  EXPECT_EQ(report.forward, 8u * 2 * 6 * 7 * (5 + 7) + 2u * 2 * 7 * 3);
  // Weight gradients of all steps, hidden-state gradients of all steps but the first, whose state is the constant zero.
  EXPECT_EQ(report.backward, 8u * 2 * 6 * 7 * (5 + 7) + 8u * 2 * 5 * 7 * 7 + 2u * 2u * 2 * 7 * 3);
  expect_equal(report, lstm_flops(options, 2, 6));
}

TEST(ReferenceModels, StackedLstmByClosedForm) {
  const LstmOptions options{.inputs = 5, .hidden = 7, .layers = 3, .outputs = 3};
  LstmModel model(options);
  expect_equal(train_once(model, at::randn({2, 6, 5})), lstm_flops(options, 2, 6));
}

TEST(ReferenceModels, GptByHand) {
  const GptOptions options{.vocabulary = 50, .context = 12, .width = 16, .layers = 3, .heads = 4};
  Gpt model(options);
  const FlopReport report = train_once(model, at::randint(50, {2, 10}, at::kLong));
  const std::uint64_t n = 2, t = 10, d = 16, v = 50;
  const std::uint64_t qkv = 2 * n * t * d * 3 * d, project = 2 * n * t * d * d,
                      hidden = 2 * 2 * n * t * d * 4 * d;
  const std::uint64_t scores = 2 * n * t * t * d, mixing = scores;
  const std::uint64_t forward = 3 * (qkv + project + hidden + scores + mixing) + 2 * n * t * d * v;
  EXPECT_EQ(report.forward, forward);
  EXPECT_EQ(report.backward, 2 * forward);
  expect_equal(report, gpt_flops(options, 2, 10));
}

TEST(ReferenceModels, GptSmallForwardByClosedForm) {
  const GptOptions options{.vocabulary = 50257, .context = 1024, .width = 768, .layers = 12, .heads = 12};
  Gpt model(options);
  // GPT-2 small has 124,439,808 parameters with a tied output layer; ours is not tied.
  EXPECT_EQ(parameter_count(*model), 124439808u + 50257u * 768);
  EXPECT_EQ(gpt_active_parameters(options), 124439808u - 1024 * 768);
  FlopMeter meter;
  {
    const torch::NoGradGuard no_grad;
    model->forward(at::randint(50257, {1, 64}, at::kLong));
  }
  EXPECT_EQ(meter.total(), gpt_flops(options, 1, 64).forward);
}

TEST(ReferenceModels, GptActiveParametersLeaveTheTablesOut) {
  const GptOptions options{.vocabulary = 50, .context = 12, .width = 16, .layers = 3, .heads = 4};
  EXPECT_EQ(parameter_count(*Gpt(options)) - (50 + 12) * 16, gpt_active_parameters(options));
}

}  // namespace
}  // namespace tenfold::train
