// SPDX-License-Identifier: Apache-2.0
// T5 checkpoints: names, settings and shapes of Hugging Face's files, written down by hand, and files that lie.
#include "tenfold/nn/t5_checkpoint.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "tests/support/error_code.h"
#include "tests/unit/nn/plain_t5.h"

namespace tenfold::nn {
namespace {

const std::string kConfig =
    R"({"architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "vocab_size": 20, "d_model": 8,
  "d_kv": 3, "d_ff": 12, "num_heads": 2, "num_layers": 2, "num_decoder_layers": 1, "dropout_rate": 0.25,
  "relative_attention_num_buckets": 32, "layer_norm_epsilon": 1e-6, "feed_forward_proj": "gated-gelu",
  "tie_word_embeddings": false, "is_encoder_decoder": true})";

std::string with(const std::string& from, const std::string& to) {
  std::string json = kConfig;
  return json.replace(json.find(from), from.size(), to);
}

const std::string kVersion10 = with(R"("feed_forward_proj": "gated-gelu",
  "tie_word_embeddings": false)",
                                    R"("n_positions": 512)");

using Weights = PlainT5::Weights;

// Written down from the files of Hugging Face, not made by the code under test.
Weights checkpoint(bool version_11 = true) {
  at::manual_seed(3);
  Weights weights;
  const auto put = [&](const std::string& name, std::vector<std::int64_t> shape) {
    weights[name + ".weight"] = at::randn(shape) * 0.4;
  };
  const auto attention = [&](const std::string& name) {
    for (const std::string part : {".q", ".k", ".v"}) put(name + part, {6, 8});
    put(name + ".o", {8, 6});
  };
  const auto feed_forward = [&](const std::string& name) {
    put(name + ".layer_norm", {8});
    for (const std::string& part :
         version_11 ? std::vector<std::string>{"wi_0", "wi_1"} : std::vector<std::string>{"wi"})
      put(name + ".DenseReluDense." + part, {12, 8});
    put(name + ".DenseReluDense.wo", {8, 12});
  };
  put("shared", {20, 8});
  if (version_11) put("lm_head", {20, 8});
  for (const std::string block : {"encoder.block.0.", "encoder.block.1.", "decoder.block.0."}) {
    attention(block + "layer.0.SelfAttention");
    put(block + "layer.0.layer_norm", {8});
  }
  for (const std::string stack : {"encoder", "decoder"}) {
    put(stack + ".block.0.layer.0.SelfAttention.relative_attention_bias", {32, 2});
    put(stack + ".final_layer_norm", {8});
  }
  feed_forward("encoder.block.0.layer.1");
  feed_forward("encoder.block.1.layer.1");
  attention("decoder.block.0.layer.1.EncDecAttention");
  put("decoder.block.0.layer.1.layer_norm", {8});
  feed_forward("decoder.block.0.layer.2");
  return weights;
}

io::DType dtype_of(const torch::Tensor& tensor) {
  if (tensor.scalar_type() == at::kHalf) return io::DType::kF16;
  if (tensor.scalar_type() == at::kBFloat16) return io::DType::kBF16;
  return tensor.scalar_type() == at::kInt ? io::DType::kI32 : io::DType::kF32;
}

// A folder that goes away with the test.
class Folder {
 public:
  Folder()
      : path_(testing::TempDir() + "t5_" + testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  const Path& path() const { return path_; }

  void write(const std::string& config, const Weights& weights) const {
    std::ofstream(path_ / "config.json") << config;
    std::vector<torch::Tensor> copies;
    std::vector<io::TensorView> views;
    for (const auto& [name, tensor] : weights) {
      copies.push_back(tensor.contiguous());
      const auto sizes = tensor.sizes();
      views.push_back({name,
                       dtype_of(tensor),
                       {sizes.begin(), sizes.end()},
                       {static_cast<const std::byte*>(copies.back().data_ptr()), copies.back().nbytes()}});
    }
    io::write_safetensors(real_file_system(), path_ / "model.safetensors", views);
  }

 private:
  Path path_;
};

torch::Tensor forward(T5 model) {
  model->eval();
  return model->forward(at::tensor({3, 19, 4, 1}, at::kLong).unsqueeze(0),
                        {},
                        at::tensor({7, 2, 1}, at::kLong).unsqueeze(0))[0];
}

torch::Tensor read_and_forward(const std::string& config, const Weights& weights) {
  const Folder folder;
  folder.write(config, weights);
  return forward(read_t5(folder.path()));
}

class Versions : public testing::TestWithParam<bool> {};

TEST_P(Versions, EqualsLoopsInDoubleOverTheCheckpoint) {
  const std::string config = GetParam() ? kConfig : kVersion10;
  const Weights weights = checkpoint(GetParam());
  const T5Options options = parse_t5_config(config, "config.json");
  EXPECT_EQ(options.tied_head, !GetParam());
  const PlainT5 plain(weights, options);
  const PlainT5::Matrix expected =
      plain.logits(plain.decode(plain.embed({0, 7, 2}), plain.encode({3, 19, 4, 1})));
  const torch::Tensor logits = read_and_forward(config, weights);
  for (std::size_t t = 0; t < 3; ++t)
    for (std::size_t j = 0; j < 20; ++j)
      EXPECT_NEAR(logits[static_cast<std::int64_t>(t)][static_cast<std::int64_t>(j)].item<double>(),
                  expected[t][j],
                  1e-4);
}

INSTANTIATE_TEST_SUITE_P(T5Checkpoint, Versions, testing::Bool(), [](const auto& version) {
  return version.param ? "V11" : "V10";
});

TEST(T5Checkpoint, GoesRoundThroughAFile) {
  const Folder folder;
  T5Options options = parse_t5_config(kConfig, "config.json");
  options.max_distance = 77;
  T5 model(options);
  folder.write(t5_config_json(options), t5_tensors(*model));
  const T5 again = read_t5(folder.path());
  EXPECT_EQ(again->options().max_distance, 77);
  EXPECT_EQ(again->options().dropout, 0.25);
  EXPECT_TRUE(forward(again).equal(forward(model)));
}

TEST(T5Checkpoint, TensorNamesAreThoseOfTheFiles) {
  for (const bool version_11 : {true, false}) {
    const T5 model(parse_t5_config(version_11 ? kConfig : kVersion10, ""));
    std::set<std::string> expected, seen;
    for (const auto& [name, tensor] : checkpoint(version_11)) expected.insert(name);
    for (const auto& [name, tensor] : t5_tensors(*model)) seen.insert(name);
    EXPECT_EQ(seen, expected);
  }
  EXPECT_EQ(t5_name("decoder.layers.11.cross_attention.output.weight"),
            "decoder.block.11.layer.1.EncDecAttention.o.weight");
  EXPECT_EQ(code_of([] { t5_name("encoder.layers.0.attention.weight"); }), "internal.broken_invariant");
  EXPECT_EQ(code_of([] { t5_name("weight"); }), "internal.broken_invariant");
}

TEST(T5Checkpoint, TakesHalfPrecisionAndTheCopiesThatWritersStore) {
  const torch::Tensor expected = read_and_forward(kVersion10, checkpoint(false));
  Weights more = checkpoint(false);
  more["encoder.embed_tokens.weight"] = more["decoder.embed_tokens.weight"] = more["shared.weight"];
  more["lm_head.weight"] = more["shared.weight"];
  more["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = at::zeros({32, 2});
  EXPECT_TRUE(read_and_forward(kVersion10, more).equal(expected));
  more.erase("shared.weight");
  EXPECT_TRUE(read_and_forward(kVersion10, more).equal(expected));
  for (const torch::ScalarType type : {at::kHalf, at::kBFloat16}) {
    Weights rounded = checkpoint(false), stored;
    for (auto& [name, tensor] : rounded) {
      stored[name] = tensor.to(type);
      tensor = stored[name].to(at::kFloat);
    }
    EXPECT_TRUE(read_and_forward(kVersion10, stored).equal(read_and_forward(kVersion10, rounded)));
  }
}

TEST(T5Checkpoint, ReadsItsSettings) {
  const T5Options options = parse_t5_config(kConfig, "config.json");
  EXPECT_EQ(options.decoder_layers, 1);
  EXPECT_EQ(options.max_distance, 128);
  EXPECT_EQ(options.activation, "gated_gelu");
  EXPECT_EQ(parse_t5_config(with(R"("num_decoder_layers": 1,)", ""), "").decoder_layers, 2);
  const std::string multilingual =
      R"({"model_type": "mt5", "vocab_size": 9, "d_model": 8, "d_kv": 4, "d_ff": 8,
    "num_heads": 2, "num_layers": 1})";
  EXPECT_EQ(parse_t5_config(multilingual, "").activation, "gated_gelu");
  EXPECT_FALSE(parse_t5_config(multilingual, "").tied_head);
  EXPECT_EQ(parse_t5_config(kVersion10, "").activation, "relu");
}

std::string config_error(const std::string& from, const std::string& to) {
  return code_of([&] { parse_t5_config(with(from, to), "config.json"); });
}

TEST(T5Checkpoint, RefusesSettingsItCannotFollow) {
  EXPECT_EQ(code_of([] { parse_t5_config("[]", "c"); }), "t5.config");
  EXPECT_EQ(code_of([] { parse_t5_config("{", "c"); }), "json.syntax");
  EXPECT_EQ(config_error(R"("vocab_size": 20,)", ""), "t5.config");
  EXPECT_EQ(config_error(R"("d_model": 8)", R"("d_model": 0)"), "t5.config");
  EXPECT_EQ(config_error(R"("d_kv": 3)", R"("d_kv": "3")"), "t5.config");
  EXPECT_EQ(config_error(R"("num_layers": 2)", R"("num_layers": 2000)"), "t5.config");
  EXPECT_EQ(config_error("0.25", "1.0"), "t5.config");
  EXPECT_EQ(config_error("false", "0"), "t5.config");
  EXPECT_EQ(config_error(R"("model_type": "t5")", R"("model_type": "umt5")"), "t5.unsupported");
  EXPECT_EQ(config_error("gated-gelu", "gated-silu"), "t5.unsupported");
  EXPECT_EQ(config_error(R"("is_encoder_decoder": true)", R"("is_encoder_decoder": false)"),
            "t5.unsupported");
  EXPECT_EQ(config_error("buckets\": 32", "buckets\": 31"), "t5.unsupported");
}

TEST(T5Checkpoint, RefusesFilesThatDoNotFitAndChangesNothing) {
  const Folder folder;
  T5 model(parse_t5_config(kConfig, "config.json"));
  const torch::Tensor before = model->shared->weight.clone();
  const auto error_of = [&](const std::function<void(Weights&)>& change) {
    Weights weights = checkpoint();
    change(weights);
    folder.write(kConfig, weights);
    return code_of([&] {
      load_t5(*model, io::SafetensorsReader::open(folder.path() / "model.safetensors"), "model.safetensors");
    });
  };
  const std::string name = "decoder.block.0.layer.2.DenseReluDense.wo.weight";
  EXPECT_EQ(error_of([&](Weights& weights) { weights.erase(name); }), "t5.missing_tensor");
  EXPECT_EQ(error_of([&](Weights& weights) { weights[name] = at::zeros({12, 8}); }), "t5.shape");
  EXPECT_EQ(error_of([&](Weights& weights) { weights[name] = at::zeros({8, 12}, at::kInt); }), "t5.dtype");
  EXPECT_EQ(error_of([&](Weights& weights) {
              weights["decoder.block.1.layer.0.layer_norm.weight"] = at::zeros({8});
            }),
            "t5.unknown_tensor");
  EXPECT_EQ(error_of([&](Weights& weights) {
              weights["decoder.embed_tokens.weight"] = at::zeros({20, 4});
            }),
            "t5.shape");
  EXPECT_TRUE(model->shared->weight.equal(before));
  EXPECT_EQ(error_of([](Weights&) {}), "");
}

TEST(T5Checkpoint, RefusesASizeThatTheFileDoesNotHoldBeforeItAsksForMemory) {
  const Folder folder;
  folder.write(with(R"("vocab_size": 20)", R"("vocab_size": 1000000000)"), checkpoint());
  EXPECT_EQ(code_of([&] { read_t5(folder.path()); }), "t5.shape");
  std::filesystem::remove(folder.path() / "model.safetensors");
  EXPECT_EQ(code_of([&] { read_t5(folder.path()); }), "file.not_found");
}

}  // namespace
}  // namespace tenfold::nn
