// SPDX-License-Identifier: Apache-2.0
// T5 against loops in double precision; buckets against values worked out by hand; what masks hide; gradients by finite differences.
#include "tenfold/nn/t5.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <set>

#include "tenfold/nn/t5_checkpoint.h"
#include "tests/support/error_code.h"
#include "tests/unit/nn/plain_t5.h"

namespace tenfold::nn {
namespace {

T5Options small(const std::string& activation = "gated_gelu", bool tied = false) {
  return {.vocabulary = 30,
          .width = 12,
          .head_width = 5,
          .hidden = 20,
          .heads = 3,
          .layers = 2,
          .decoder_layers = 3,
          .activation = activation,
          .tied_head = tied,
          .dropout = 0.0};
}

// Weights large enough that every part matters.
T5 model_of(const T5Options& options) {
  at::manual_seed(5);
  T5 model(options);
  const c10::NoGradGuard no_grad;
  for (auto& parameter : model->parameters()) parameter.add_(at::randn_like(parameter) * 0.3);
  return model;
}

const std::vector<std::vector<std::int64_t>> kTexts = {{3, 7, 7, 29, 0, 12, 1}, {4, 11, 1}, {1}};
const std::vector<std::vector<std::int64_t>> kTargets = {{5, 28, 9, 1}, {6, 1}, {1}};

struct Padded {
  torch::Tensor tokens, mask;
};

Padded pad(const std::vector<std::vector<std::int64_t>>& rows, std::int64_t length, std::int64_t filler) {
  const auto count = static_cast<std::int64_t>(rows.size());
  Padded batch{at::full({count, length}, filler, at::kLong), at::zeros({count, length}, at::kBool)};
  for (std::int64_t i = 0; i < count; ++i)
    for (std::size_t t = 0; t < rows[static_cast<std::size_t>(i)].size(); ++t) {
      batch.tokens[i][static_cast<std::int64_t>(t)] = rows[static_cast<std::size_t>(i)][t];
      batch.mask[i][static_cast<std::int64_t>(t)] = true;
    }
  return batch;
}

void expect_near(const torch::Tensor& y, const PlainT5::Matrix& expected, double tolerance) {
  const torch::Tensor values = y.to(at::kDouble).contiguous();
  ASSERT_GE(values.size(0), static_cast<std::int64_t>(expected.size()));
  for (std::size_t t = 0; t < expected.size(); ++t)
    for (std::size_t j = 0; j < expected[t].size(); ++j)
      EXPECT_NEAR(values[static_cast<std::int64_t>(t)][static_cast<std::int64_t>(j)].item<double>(),
                  expected[t][j],
                  tolerance);
}

class T5Test : public testing::TestWithParam<T5Options> {};

TEST_P(T5Test, EqualsLoopsInDouble) {
  T5 model = model_of(GetParam());
  const Padded source = pad(kTexts, 7, 2), target = pad(kTargets, 4, -100);
  const torch::Tensor memory = model->encode(source.tokens, source.mask);
  const torch::Tensor logits = model->forward(source.tokens, source.mask, target.tokens);
  const auto weights = t5_tensors(*model);
  const PlainT5 plain(weights, GetParam());
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    const PlainT5::Matrix expected = plain.encode(kTexts[i]);
    expect_near(memory[static_cast<std::int64_t>(i)], expected, 5e-5);
    std::vector<std::int64_t> read = kTargets[i];
    read.insert(read.begin(), 0);
    read.pop_back();
    expect_near(
        logits[static_cast<std::int64_t>(i)], plain.logits(plain.decode(plain.embed(read), expected)), 5e-4);
  }
}

TEST_P(T5Test, GradientsEqualFiniteDifferences) {
  T5 model = model_of(GetParam());
  model->to(at::kDouble);
  const Padded source = pad(kTexts, 7, 2), target = pad(kTargets, 4, 0);
  const auto loss = [&] {
    return at::cross_entropy_loss(model->forward(source.tokens, source.mask, target.tokens).flatten(0, 1),
                                  target.tokens.flatten());
  };
  loss().backward();
  const c10::NoGradGuard no_grad;
  for (auto& entry : model->named_parameters()) {
    torch::Tensor values = entry.value().view({-1});
    // Where the gradient is largest: an entry that is used.
    const torch::Tensor gradient = entry.value().grad().reshape({-1});
    const auto place = gradient.abs().argmax().item<std::int64_t>();
    const double before = values[place].item<double>(), step = 1e-5;
    values[place] = before + step;
    const double above = loss().item<double>();
    values[place] = before - step;
    const double below = loss().item<double>();
    values[place] = before;
    const double expected = (above - below) / (2 * step), seen = gradient[place].item<double>();
    EXPECT_NE(seen, 0.0) << entry.key();
    EXPECT_NEAR(seen, expected, 1e-6 * std::max(1.0, std::abs(expected))) << entry.key();
  }
}

INSTANTIATE_TEST_SUITE_P(Versions,
                         T5Test,
                         testing::Values(small(), small("relu", true)),
                         [](const auto& version) { return version.param.tied_head ? "V10" : "V11"; });

TEST(T5, DoesNotSeePadding) {
  T5 model = model_of(small());
  const Padded target = pad(kTargets, 4, -100), longer_target = pad(kTargets, 6, -100);
  const Padded source = pad(kTexts, 7, 2), other = pad(kTexts, 9, 17);
  const torch::Tensor y = model->forward(source.tokens, source.mask, target.tokens);
  const torch::Tensor z = model->forward(other.tokens, other.mask, longer_target.tokens).slice(1, 0, 4);
  EXPECT_LT((y - z).abs().max().item<double>(), 1e-5);
  for (std::int64_t i = 0; i < 3; ++i) {
    const auto length = static_cast<std::int64_t>(kTexts[static_cast<std::size_t>(i)].size());
    const torch::Tensor alone = model->forward(
        source.tokens.slice(0, i, i + 1).slice(1, 0, length), {}, target.tokens.slice(0, i, i + 1));
    EXPECT_LT((alone[0] - y[i]).abs().max().item<double>(), 1e-5);
  }
}

TEST(T5, DecoderDoesNotSeeWhatComesLater) {
  T5 model = model_of(small());
  const torch::Tensor memory = at::randn({2, 4, 12}), x = at::randn({2, 6, 12});
  torch::Tensor changed = x.clone();
  changed.slice(1, 4, 6) += 1.0;
  const torch::Tensor y = model->decoder->forward(x, {}, memory);
  const torch::Tensor z = model->decoder->forward(changed, {}, memory);
  EXPECT_LT((y - z).slice(1, 0, 4).abs().max().item<double>(), 1e-6);
  EXPECT_GT((y - z).slice(1, 4, 6).abs().max().item<double>(), 1e-2);
  const torch::Tensor encoded = model->encoder->forward(x, {}) - model->encoder->forward(changed, {});
  EXPECT_GT(encoded.slice(1, 0, 4).abs().max().item<double>(), 1e-2);
}

TEST(T5, StackDecodesOtherEmbeddingsOverAnyMemory) {
  T5Stack decoder(small(), true);
  const torch::Tensor memory = at::randn({2, 5, 12}), x = at::randn({2, 3, 12});
  torch::Tensor mask = at::ones({2, 5}, at::kBool);
  mask[1].slice(0, 2, 5) = false;
  const torch::Tensor y = decoder->forward(x, {}, memory, mask);
  EXPECT_EQ(y.sizes(), x.sizes());
  const torch::Tensor alone = decoder->forward(x.slice(0, 1, 2), {}, memory.slice(0, 1, 2).slice(1, 0, 2));
  EXPECT_LT((y[1] - alone[0]).abs().max().item<double>(), 1e-5);
  EXPECT_EQ(code_of([&] { decoder->forward(x, {}); }), "internal.broken_invariant");
}

TEST(T5, StaysFiniteWhereNothingMayBeSeen) {
  T5 model = model_of(small());
  torch::Tensor mask = at::zeros({2, 4}, at::kBool);
  mask[0][3] = true;  // padding in front; the other row is empty
  const torch::Tensor tokens = at::full({2, 4}, 3, at::kLong);
  const torch::Tensor y = model->forward(tokens, mask, at::full({2, 2}, 5, at::kLong));
  EXPECT_TRUE(at::isfinite(y).all().item<bool>());
  const torch::Tensor decoded = model->decode(tokens, mask, model->encode(tokens, mask), mask);
  EXPECT_TRUE(at::isfinite(decoded).all().item<bool>());
}

TEST(T5, LeavesValuesOutInTrainingOnly) {
  T5Options options = small();
  options.dropout = 0.5;
  T5 model = model_of(options);
  const torch::Tensor tokens = at::tensor({3, 4, 5}).unsqueeze(0).to(at::kLong);
  at::manual_seed(1);
  const torch::Tensor first = model->encode(tokens, {}), second = model->encode(tokens, {});
  EXPECT_FALSE(first.equal(second));
  EXPECT_NEAR(first.eq(0).to(at::kDouble).mean().item<double>(), 0.5, 0.35);  // of 36 values, at the end
  model->eval();
  EXPECT_TRUE(model->encode(tokens, {}).equal(model->encode(tokens, {})));
}

// Encoder: 16 buckets a direction, 8 of them exact, then 8 x 2^(j/2). Decoder: 32, 16 exact, then 16 x 2^(3j/16). Borders rounded up by hand.
TEST(T5, BucketsAreThoseOfThePaper) {
  const T5Options options;
  const std::vector<std::int64_t> encoder = {8, 12, 16, 23, 32, 46, 64, 91};
  const std::vector<std::int64_t> decoder = {16, 19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113};
  for (std::int64_t distance = 0; distance < 8; ++distance) {
    EXPECT_EQ(t5_bucket(-distance, true, options), distance);
    EXPECT_EQ(t5_bucket(distance + 1, true, options), distance == 7 ? 24 : 17 + distance);
  }
  for (std::int64_t distance = 0; distance < 16; ++distance)
    EXPECT_EQ(t5_bucket(-distance, false, options), distance);
  for (std::size_t i = 0; i < encoder.size(); ++i) {
    const auto bucket = static_cast<std::int64_t>(8 + i);
    EXPECT_EQ(t5_bucket(-encoder[i], true, options), bucket);
    EXPECT_EQ(t5_bucket(encoder[i], true, options), bucket + 16);
    EXPECT_EQ(t5_bucket(1 - encoder[i], true, options), bucket - 1);
  }
  for (std::size_t i = 0; i < decoder.size(); ++i) {
    const auto bucket = static_cast<std::int64_t>(16 + i);
    EXPECT_EQ(t5_bucket(-decoder[i], false, options), bucket);
    EXPECT_EQ(t5_bucket(1 - decoder[i], false, options), bucket - 1);
  }
  for (const std::int64_t far : {128, 129, 5000, 1'000'000'000}) {
    EXPECT_EQ(t5_bucket(-far, true, options), 15);
    EXPECT_EQ(t5_bucket(far, true, options), 31);
    EXPECT_EQ(t5_bucket(-far, false, options), 31);
    EXPECT_EQ(t5_bucket(far, false, options), 0);
  }
}

// Numbers of parameters as published with the checkpoints of version 1.1.
TEST(T5, PresetsHaveThePublishedSizes) {
  EXPECT_EQ(t5_parameter_count(t5_preset("small")), 76'961'152);
  EXPECT_EQ(t5_parameter_count(t5_preset("base")), 247'577'856);
  EXPECT_EQ(t5_parameter_count(t5_preset("large")), 783'150'080);
  EXPECT_EQ(t5_parameter_count(t5_preset("xl")), 2'849'757'184);
  EXPECT_EQ(t5_parameter_count(t5_preset("xxl")), 11'135'332'352);
  EXPECT_EQ(t5_preset_names().size(), 7u);
  EXPECT_EQ(code_of([] { t5_preset("smal"); }), "t5.preset");
  for (const T5Options& options : {small(), small("relu", true)}) {
    std::int64_t count = 0;
    for (const auto& parameter : T5(options)->parameters()) count += parameter.numel();
    EXPECT_EQ(t5_parameter_count(options), count);
  }
}

TEST(T5, StartsAsThePaperDoes) {
  at::manual_seed(2);
  const T5Options options{.vocabulary = 400,
                          .width = 64,
                          .head_width = 24,
                          .hidden = 200,
                          .heads = 4,
                          .layers = 1,
                          .decoder_layers = 1};
  T5 model(options);
  const std::map<std::string, double> expected = {
      {"shared.weight", 1.0},
      {"lm_head.weight", 1.0 / 8},
      {"encoder.block.0.layer.0.SelfAttention.q.weight", 1 / std::sqrt(64.0 * 24)},
      {"encoder.block.0.layer.0.SelfAttention.k.weight", 1.0 / 8},
      {"decoder.block.0.layer.1.EncDecAttention.v.weight", 1.0 / 8},
      {"decoder.block.0.layer.1.EncDecAttention.o.weight", 1 / std::sqrt(96.0)},
      {"decoder.block.0.layer.2.DenseReluDense.wi_0.weight", 1.0 / 8},
      {"encoder.block.0.layer.1.DenseReluDense.wi_1.weight", 1.0 / 8},
      {"encoder.block.0.layer.1.DenseReluDense.wo.weight", 1 / std::sqrt(200.0)},
      {"decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", 1.0 / 8}};
  const auto tensors = t5_tensors(*model);
  for (const auto& [name, deviation] : expected) {
    const torch::Tensor& values = tensors.at(name);
    // The deviation of n draws is off by deviation / sqrt(2 n); four of those.
    const double error = 4 / std::sqrt(2.0 * static_cast<double>(values.numel()));
    EXPECT_NEAR(values.std(false).item<double>() / deviation, 1.0, error) << name;
  }
  EXPECT_TRUE(tensors.at("decoder.final_layer_norm.weight").equal(at::ones({64})));
}

TEST(T5, ShiftsTargets) {
  const torch::Tensor targets = at::tensor({5, 6, 1, 7, 1, -100}, at::kLong).reshape({2, 3});
  EXPECT_TRUE(t5_shift_right(targets).equal(at::tensor({0, 5, 6, 0, 7, 1}, at::kLong).reshape({2, 3})));
  EXPECT_TRUE(t5_shift_right(at::tensor({-100, -100}, at::kLong).reshape({1, 2}), 9)
                  .equal(at::tensor({9, 9}, at::kLong).reshape({1, 2})));
}

TEST(T5, RefusesOptionsThatDoNotGo) {
  T5Options odd = small(), near = small(), swish = small();
  odd.buckets = 7;
  near.max_distance = 16;
  swish.activation = "swish";
  EXPECT_EQ(code_of([&] { T5 model(odd); }), "t5.buckets");
  EXPECT_EQ(code_of([&] { T5Stack stack(near, false); }), "t5.buckets");
  EXPECT_NE(code_of([&] { T5 model(swish); }), "");
}

}  // namespace
}  // namespace tenfold::nn
