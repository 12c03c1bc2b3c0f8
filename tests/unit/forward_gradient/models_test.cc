// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/models.h"

#include <gtest/gtest.h>

#include "tenfold/base/error.h"
#include "tests/unit/forward_gradient/fused_cases.h"

namespace tenfold::forward_gradient {
namespace {

std::int64_t entries(const torch::nn::Sequential& module) {
  std::int64_t sum = 0;
  for (const torch::Tensor& parameter : module->parameters()) sum += parameter.numel();
  return sum;
}

TEST(Models, HaveTheParametersOfThePaper) {
  EXPECT_EQ(entries(logistic()), 784 * 10 + 10);
  EXPECT_EQ(entries(mlp()), 784 * 1024 + 1024 + 1024 * 1024 + 1024 + 1024 * 10 + 10);
  EXPECT_EQ(entries(small_cnn()),
            (9 * 16 + 16) + (9 * 16 * 16 + 16) + (9 * 16 * 32 + 32) + (9 * 32 * 32 + 32) +
                (1568 * 128 + 128) + (1280 + 10));
  EXPECT_EQ(entries(paper_cnn()),
            (9 * 64 + 64) + 3 * (9 * 64 * 64 + 64) + (3136 * 1024 + 1024) + (10240 + 10));
  EXPECT_EQ(entries(deep_mlp(0, 7, 5, 3)), 5 * 3 + 3);
}

TEST(Models, NameTheirParameters) {
  std::vector<std::string> names;
  const torch::nn::Sequential model = mlp();
  for (const auto& parameter : train::trainable_parameters(*model)) names.push_back(parameter.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"hidden1.weight",
                                      "hidden1.bias",
                                      "hidden2.weight",
                                      "hidden2.bias",
                                      "output.weight",
                                      "output.bias"}));
}

TEST(Models, TakePicturesAndGiveLogits) {
  for (const std::string& name : model_names()) {
    torch::nn::Sequential model = make_model(name);
    const torch::Tensor logits = model->forward(at::zeros({2, 1, 28, 28}));
    EXPECT_EQ(logits.sizes(), (std::vector<std::int64_t>{2, 10})) << name;
  }
}

TEST(Models, AWrongNameGetsTheNearest) {
  try {
    make_model("smal_cnn");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "forward_gradient.unknown_model");
    EXPECT_NE(error.text().remedy.find("small_cnn"), std::string::npos);
  }
}

}  // namespace
}  // namespace tenfold::forward_gradient
