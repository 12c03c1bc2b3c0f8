// SPDX-License-Identifier: Apache-2.0
// The transformer against loops in double precision, and that padding is not seen.
#include "tenfold/nn/transformer.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include "tenfold/nn/bert.h"
#include "tests/support/error_code.h"
#include "tests/unit/nn/plain_transformer.h"

namespace tenfold::nn {
namespace {

TransformerOptions small(const std::string& norm, const std::string& activation = "gelu") {
  return {.vocabulary = 30,
          .width = 12,
          .layers = 2,
          .heads = 3,
          .hidden = 20,
          .positions = 9,
          .norm = norm,
          .activation = activation};
}

// Weights large enough that every part matters.
TransformerEncoder model_of(const TransformerOptions& options) {
  at::manual_seed(5);
  TransformerEncoder model(options);
  const c10::NoGradGuard no_grad;
  for (auto& parameter : model->parameters()) parameter.add_(at::randn_like(parameter) * 0.3);
  return model;
}

Weights weights_of(TransformerEncoder model) {
  Weights weights;
  for (const auto& parameter : model->named_parameters())
    weights[bert_name(parameter.key())] = parameter.value().detach();
  return weights;
}

const std::vector<std::vector<std::int64_t>> kTexts = {{3, 7, 7, 29, 0}, {4, 11}, {5}};

struct Padded {
  torch::Tensor tokens = at::full({3, 5}, 1, at::kLong), mask = at::zeros({3, 5}, at::kBool);
};

Padded padded() {
  Padded batch;
  for (std::int64_t i = 0; i < 3; ++i)
    for (std::size_t t = 0; t < kTexts[static_cast<std::size_t>(i)].size(); ++t) {
      batch.tokens[i][static_cast<std::int64_t>(t)] = kTexts[static_cast<std::size_t>(i)][t];
      batch.mask[i][static_cast<std::int64_t>(t)] = true;
    }
  return batch;
}

class Encoder : public testing::TestWithParam<TransformerOptions> {};

TEST_P(Encoder, EqualsLoopsInDouble) {
  TransformerEncoder model = model_of(GetParam());
  const Padded batch = padded();
  const torch::Tensor y = model->forward(batch.tokens, batch.mask);
  const Weights weights = weights_of(model);
  const PlainTransformer plain(weights, GetParam());
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    const Matrix expected = plain(kTexts[i]);
    for (std::size_t t = 0; t < expected.size(); ++t)
      for (std::size_t j = 0; j < expected[t].size(); ++j)
        EXPECT_NEAR(
            y[static_cast<std::int64_t>(i)][static_cast<std::int64_t>(t)][static_cast<std::int64_t>(j)]
                .item<double>(),
            expected[t][j],
            2e-5);
  }
}

TEST_P(Encoder, DoesNotSeePadding) {
  TransformerEncoder model = model_of(GetParam());
  Padded batch = padded();
  const torch::Tensor y = model->forward(batch.tokens, batch.mask);
  batch.tokens.masked_fill_(batch.mask.logical_not(), 17);
  const torch::Tensor other = model->forward(batch.tokens, batch.mask);
  EXPECT_TRUE(mean_pool(y, batch.mask).equal(mean_pool(other, batch.mask)));
  const torch::Tensor alone =
      model->forward(batch.tokens.slice(0, 1, 2).slice(1, 0, 2), at::ones({1, 2}, at::kBool));
  EXPECT_LT((alone[0] - y[1].slice(0, 0, 2)).abs().max().item<double>(), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds,
    Encoder,
    testing::Values(small("pre"), small("post"), small("pre", "relu"), small("post", "gelu_tanh")));

TEST(Transformer, EveryWeightHasAGradient) {
  TransformerEncoder model = model_of(small("pre"));
  const Padded batch = padded();
  mean_pool(model->forward(batch.tokens, batch.mask), batch.mask).square().sum().backward();
  for (const auto& parameter : model->named_parameters()) {
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    EXPECT_TRUE(parameter.value().grad().isfinite().all().item<bool>()) << parameter.key();
  }
}

TEST(Transformer, DropsOutOnlyInTraining) {
  TransformerOptions options = small("pre");
  options.dropout = 0.5;
  TransformerEncoder model = model_of(options);
  const Padded batch = padded();
  EXPECT_FALSE(model->forward(batch.tokens, batch.mask).equal(model->forward(batch.tokens, batch.mask)));
  model->eval();
  EXPECT_TRUE(model->forward(batch.tokens, batch.mask).equal(model->forward(batch.tokens, batch.mask)));
}

TEST(Pooling, IsOverTheMaskAndOfTheFirst) {
  const torch::Tensor x = at::arange(12, at::kFloat).reshape({1, 4, 3});
  const torch::Tensor mask = at::tensor({1, 1, 0, 0}, at::kInt).to(at::kBool).unsqueeze(0);
  EXPECT_TRUE(mean_pool(x, mask).equal(at::tensor({1.5f, 2.5f, 3.5f}).unsqueeze(0)));
  EXPECT_TRUE(first_pool(x).equal(at::tensor({0.0f, 1.0f, 2.0f}).unsqueeze(0)));
}

TEST(Transformer, RefusesWhatCannotBe) {
  TransformerOptions options = small("pre");
  options.heads = 5;
  EXPECT_EQ(code_of([&] { TransformerEncoder model(options); }), "transformer.heads");
  TransformerEncoder model(small("pre"));
  EXPECT_EQ(code_of([&] {
              model->forward(at::zeros({1, 10}, at::kLong), at::ones({1, 10}, at::kBool));
            }),
            "transformer.too_long");
}

}  // namespace
}  // namespace tenfold::nn
