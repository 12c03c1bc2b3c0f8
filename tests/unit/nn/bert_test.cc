// SPDX-License-Identifier: Apache-2.0
// Checkpoints of BERT: names, shapes and settings, with numbers from loops in double precision that read the checkpoint themselves.
#include "tenfold/nn/bert.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include "tests/support/error_code.h"
#include "tests/unit/nn/plain_transformer.h"

namespace tenfold::nn {
namespace {

const std::string kConfig =
    R"({"architectures": ["BertModel"], "model_type": "bert", "vocab_size": 20, "hidden_size": 8,
  "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 10,
  "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "hidden_dropout_prob": 0.1})";

std::string with(const std::string& from, const std::string& to) {
  std::string json = kConfig;
  return json.replace(json.find(from), from.size(), to);
}

// Written down from the files of Hugging Face, not made by the code under test.
Weights checkpoint(const std::string& prefix = "") {
  at::manual_seed(3);
  Weights weights;
  const auto put = [&](const std::string& name, std::vector<std::int64_t> shape) {
    weights[prefix + name] = at::randn(shape) * 0.4;
  };
  put("embeddings.word_embeddings.weight", {20, 8});
  put("embeddings.position_embeddings.weight", {10, 8});
  put("embeddings.token_type_embeddings.weight", {2, 8});
  put("embeddings.LayerNorm.weight", {8});
  put("embeddings.LayerNorm.bias", {8});
  for (const std::string layer : {"encoder.layer.0.", "encoder.layer.1."}) {
    for (const std::string part :
         {"attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"}) {
      put(layer + part + ".weight", {8, 8});
      put(layer + part + ".bias", {8});
    }
    for (const std::string part : {"attention.output.LayerNorm", "output.LayerNorm"}) {
      put(layer + part + ".weight", {8});
      put(layer + part + ".bias", {8});
    }
    put(layer + "intermediate.dense.weight", {12, 8});
    put(layer + "intermediate.dense.bias", {12});
    put(layer + "output.dense.weight", {8, 12});
    put(layer + "output.dense.bias", {8});
  }
  put("pooler.dense.weight", {8, 8});
  put("pooler.dense.bias", {8});
  weights["cls.predictions.bias"] = at::zeros({20});
  weights[prefix + "embeddings.position_ids"] = at::arange(10).unsqueeze(0);
  return weights;
}

torch::Tensor forward(const Weights& weights, const std::vector<std::int64_t>& tokens) {
  TransformerEncoder model(parse_bert_config(kConfig, "config.json"));
  load_bert(*model, weights, "model.safetensors");
  const torch::Tensor row = at::tensor(tokens).unsqueeze(0);
  return model->forward(row, at::ones_like(row, at::kBool))[0];
}

const std::vector<std::int64_t> kTokens = {2, 19, 5, 5, 3};

TEST(Bert, EqualsLoopsInDoubleOverTheCheckpoint) {
  const Weights weights = checkpoint();
  const TransformerOptions options{.vocabulary = 20,
                                   .width = 8,
                                   .layers = 2,
                                   .heads = 2,
                                   .hidden = 12,
                                   .positions = 10,
                                   .token_types = 2,
                                   .norm = "post",
                                   .activation = "gelu",
                                   .norm_epsilon = 1e-12};
  const Matrix expected = PlainTransformer(weights, options)(kTokens);
  const torch::Tensor y = forward(weights, kTokens);
  for (std::size_t t = 0; t < expected.size(); ++t)
    for (std::size_t j = 0; j < 8; ++j)
      EXPECT_NEAR(
          y[static_cast<std::int64_t>(t)][static_cast<std::int64_t>(j)].item<double>(), expected[t][j], 2e-5);
}

TEST(Bert, TakesThePrefixOldNamesAndHalfPrecision) {
  const torch::Tensor expected = forward(checkpoint(), kTokens);
  EXPECT_TRUE(forward(checkpoint("bert."), kTokens).equal(expected));
  Weights old;
  for (const auto& [name, tensor] : checkpoint()) {
    std::string renamed = name;
    if (name.ends_with("LayerNorm.weight")) renamed.replace(name.size() - 6, 6, "gamma");
    if (name.ends_with("LayerNorm.bias")) renamed.replace(name.size() - 4, 4, "beta");
    old[renamed] = tensor;
  }
  EXPECT_TRUE(forward(old, kTokens).equal(expected));
  Weights half;
  for (const auto& [name, tensor] : checkpoint())
    half[name] = tensor.is_floating_point() ? tensor.to(at::kHalf) : tensor;
  EXPECT_LT((forward(half, kTokens) - expected).abs().max().item<double>(), 2e-2);
}

TEST(Bert, ReadsItsSettings) {
  const TransformerOptions options = parse_bert_config(kConfig, "config.json");
  EXPECT_EQ(options.vocabulary, 20);
  EXPECT_EQ(options.norm, "post");
  EXPECT_EQ(options.norm_epsilon, 1e-12);
  EXPECT_EQ(parse_bert_config(with(R"("hidden_act": "gelu")", R"("hidden_act": "gelu_new")"), "").activation,
            "gelu_tanh");
}

std::string config_error(const std::string& from, const std::string& to) {
  return code_of([&] { parse_bert_config(with(from, to), "config.json"); });
}

TEST(Bert, RefusesSettingsItCannotFollow) {
  EXPECT_EQ(code_of([] { parse_bert_config("[]", "c"); }), "bert.config");
  EXPECT_EQ(code_of([] { parse_bert_config("{", "c"); }), "json.syntax");
  EXPECT_EQ(config_error(R"("vocab_size": 20,)", ""), "bert.config");
  EXPECT_EQ(config_error(R"("hidden_size": 8)", R"("hidden_size": 0)"), "bert.config");
  EXPECT_EQ(config_error(R"("hidden_size": 8)", R"("hidden_size": "8")"), "bert.config");
  EXPECT_EQ(config_error("1e-12", "-1"), "bert.config");
  EXPECT_EQ(config_error(R"("model_type": "bert")", R"("model_type": "roberta")"), "bert.unsupported");
  EXPECT_EQ(config_error(R"("hidden_act": "gelu")", R"("hidden_act": "swish")"), "bert.unsupported");
  EXPECT_EQ(config_error(R"("type_vocab_size": 2)", R"("type_vocab_size": 2, "is_decoder": true)"),
            "bert.unsupported");
  EXPECT_EQ(config_error(R"("type_vocab_size": 2)",
                         R"("type_vocab_size": 2, "position_embedding_type": "relative_key")"),
            "bert.unsupported");
  EXPECT_EQ(config_error(R"("num_attention_heads": 2)", R"("num_attention_heads": 3)"), "bert.unsupported");
}

TEST(Bert, RefusesTensorsThatDoNotFitAndChangesNothing) {
  TransformerEncoder model(parse_bert_config(kConfig, "config.json"));
  const torch::Tensor before = model->token_table->weight.clone();
  const auto error_of = [&](const std::function<void(Weights&)>& change) {
    Weights weights = checkpoint();
    change(weights);
    return code_of([&] { load_bert(*model, weights, "model.safetensors"); });
  };
  const std::string name = "encoder.layer.1.output.dense.weight";
  EXPECT_EQ(error_of([&](Weights& weights) { weights.erase(name); }), "bert.missing_tensor");
  EXPECT_EQ(error_of([&](Weights& weights) { weights[name] = at::zeros({12, 8}); }), "bert.shape");
  EXPECT_EQ(error_of([&](Weights& weights) { weights[name] = at::zeros({8, 12}, at::kInt); }), "bert.dtype");
  EXPECT_EQ(
      error_of([&](Weights& weights) { weights["encoder.layer.2.output.dense.bias"] = at::zeros({8}); }),
      "bert.unknown_tensor");
  EXPECT_TRUE(model->token_table->weight.equal(before));
}

}  // namespace
}  // namespace tenfold::nn
