// SPDX-License-Identifier: Apache-2.0
// Parameters of a module, and backpropagation behind the estimator interface.
#include "tenfold/train/gradient_estimator.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/sgd.h>

#include <string>

#include "tenfold/train/gradient_options.h"
#include "tests/unit/train/optimizer_cases.h"

namespace tenfold::train {
namespace {

struct Tied : torch::nn::Module {
  Tied() {
    embedding = register_parameter("embedding", at::ones({3, 2}, at::kDouble));
    frozen = register_parameter("frozen", at::ones({2}, at::kDouble), /*requires_grad=*/false);
    head = register_parameter("head", embedding);
    unused = register_parameter("unused", at::ones({4}, at::kDouble));
    register_buffer("buffer", at::ones({2}));
  }
  at::Tensor embedding, frozen, head, unused;
};

TEST(TrainableParameters, ListsTiedOnesOnceAndLeavesOutFrozenOnes) {
  const Tied module;
  const auto parameters = trainable_parameters(module);
  ASSERT_EQ(parameters.size(), 2u);
  EXPECT_EQ(parameters[0].name, "embedding");
  EXPECT_EQ(parameters[1].name, "unused");
  EXPECT_TRUE(parameters[0].value.is_same(module.embedding));
}

TEST(Backprop, AddsTheWeightedGradientAndDefinesThatOfUnusedParameters) {
  const Tied module;
  const auto parameters = trainable_parameters(module);
  const auto estimator = make_backprop();
  const LossFunction loss = [&] {
    StepOutput output;
    output.example_loss = (module.embedding * module.head).sum(1);  // 2 x squared: gradient 2 x / 3
    output.loss = output.example_loss.mean();
    output.metrics = {{"twice", output.loss * 2.0}};
    return output;
  };
  for (int call = 1; call <= 2; ++call) {
    const StepOutput output = estimator->accumulate(loss, parameters, {}, 0.75);
    EXPECT_DOUBLE_EQ(output.loss.item<double>(), 2.0);
    EXPECT_FALSE(output.loss.requires_grad());
    EXPECT_FALSE(output.example_loss.requires_grad());
    EXPECT_FALSE(output.metrics[0].second.requires_grad());
    EXPECT_TRUE(
        at::allclose(module.embedding.grad(), at::full({3, 2}, call * 0.75 * 2.0 / 3.0, at::kDouble)));
    EXPECT_TRUE(at::equal(module.unused.grad(), at::zeros({4}, at::kDouble)));
  }
  EXPECT_FALSE(module.frozen.grad().defined());
}

TEST(Backprop, RecordsEvenWhereRecordingIsOff) {
  const Tied module;
  const auto parameters = trainable_parameters(module);
  const c10::AutoGradMode off(false);
  make_backprop()->accumulate(
      [&] {
        return StepOutput{module.embedding.sum(), {}, {}};
      },
      parameters,
      {},
      1.0);
  EXPECT_TRUE(at::equal(module.embedding.grad(), at::ones({3, 2}, at::kDouble)));
}

TEST(Backprop, LossesItCannotUseAreErrors) {
  const Tied module;
  const auto parameters = trainable_parameters(module);
  const auto code = [&](const at::Tensor& loss) {
    return testing::error_of([&] {
             make_backprop()->accumulate([&] { return StepOutput{loss, {}, {}}; }, parameters, {}, 1.0);
           })
        .code();
  };
  EXPECT_EQ(code(module.embedding * 2.0), "gradient.bad_loss");
  EXPECT_EQ(code(at::Tensor()), "gradient.bad_loss");
  EXPECT_EQ(code(module.embedding.detach().sum()), "gradient.detached_loss");
}

TEST(GradientEstimator, LeavesGradientsThatLibTorchsOptimisersCanClear) {
  for (const char* name : {"backprop", "sam", "forward", "activity", "mezo"}) {
    torch::nn::Linear model(3, 2);
    const auto parameters = trainable_parameters(*model);
    torch::optim::SGD optimizer(model->parameters(), 0.1);
    const torch::Tensor x = at::ones({4, 3});
    const auto estimator = make_gradient_estimator({.name = name, .per_example = false});
    for (std::uint64_t step = 0; step < 2; ++step) {
      EXPECT_NO_THROW(optimizer.zero_grad()) << name;
      estimator->accumulate([&] { return StepOutput{.loss = model->forward(x).square().mean()}; },
                            parameters,
                            {.seed = 1, .step = step},
                            1.0);
    }
    EXPECT_NO_THROW(optimizer.zero_grad()) << name;
  }
}

TEST(GradientEstimator, WithoutStreamingRefusesToUpdate) {
  const Error error = testing::error_of([] { make_backprop()->update({}, {}, {}, 0.1); });
  EXPECT_EQ(error.code(), "gradient.no_streaming_update");
  EXPECT_EQ(error.error_class(), ErrorClass::kInternal);
}

}  // namespace
}  // namespace tenfold::train
