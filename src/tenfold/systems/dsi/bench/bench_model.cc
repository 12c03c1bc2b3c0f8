// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/bench/bench_model.h"

#include <cmath>
#include <deque>
#include <string>
#include <utility>

#include "tenfold/base/random.h"
#include "tenfold/io/safetensors.h"

namespace tenfold::dsi {
namespace {

constexpr std::uint64_t kSeed = 20220214;

class WeightWriter {
 public:
  // Normal numbers of variance 1 / columns; rows 0: ones.
  void add(const std::string& name, std::size_t rows, std::size_t columns) {
    random::Generator draws(kSeed, values_.size());
    auto& values = values_.emplace_back(std::max<std::size_t>(rows, 1) * columns, 1.0F);
    const double scale = 1.0 / std::sqrt(static_cast<double>(columns));
    if (rows > 0) {
      for (float& value : values) value = static_cast<float>(scale * draws.normal());
    }
    std::vector<std::uint64_t> shape;
    if (rows > 0) shape.push_back(rows);
    shape.push_back(columns);
    views_.push_back({name, io::DType::kF32, std::move(shape), std::as_bytes(std::span(values))});
    parameters_ += values.size();
  }
  void attention(const std::string& place, std::size_t inner, std::size_t d) {
    for (const char* which : {"q", "k", "v"}) add(place + which + ".weight", inner, d);
    add(place + "o.weight", d, inner);
  }

  const std::vector<io::TensorView>& views() const { return views_; }
  std::size_t parameters() const { return parameters_; }

 private:
  std::deque<std::vector<float>> values_;
  std::vector<io::TensorView> views_;
  std::size_t parameters_ = 0;
};

}  // namespace

std::size_t write_bench_weights(FileSystem& files, const Path& path, const BenchModel& model) {
  const std::size_t d = model.dimension, inner = model.heads * model.head_size;
  WeightWriter weights;
  weights.add("shared.weight", model.vocabulary, d);
  for (const bool decoder : {false, true}) {
    const std::string stack = decoder ? "decoder" : "encoder";
    weights.add(stack + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight", 32, model.heads);
    for (std::size_t i = 0; i < (decoder ? model.decoder_layers : model.encoder_layers); ++i) {
      const std::string block = stack + ".block." + std::to_string(i) + ".layer.";
      weights.attention(block + "0.SelfAttention.", inner, d);
      weights.add(block + "0.layer_norm.weight", 0, d);
      if (decoder) {
        weights.attention(block + "1.EncDecAttention.", inner, d);
        weights.add(block + "1.layer_norm.weight", 0, d);
      }
      const std::string last = block + (decoder ? "2." : "1.");
      weights.add(last + "DenseReluDense.wi_0.weight", model.feed_forward, d);
      weights.add(last + "DenseReluDense.wi_1.weight", model.feed_forward, d);
      weights.add(last + "DenseReluDense.wo.weight", d, model.feed_forward);
      weights.add(last + "layer_norm.weight", 0, d);
    }
    weights.add(stack + ".final_layer_norm.weight", 0, d);
  }
  weights.add("docid.embedding.weight", model.tokens + 1, d);
  weights.add("docid.position.weight", model.positions, d);
  weights.add("docid.head.weight", model.tokens, d);
  io::write_safetensors(files, path, weights.views());
  return weights.parameters();
}

DocidSequences bench_docids(std::size_t documents) {
  DocidSequences out;
  std::vector<std::uint32_t> sequence;
  const std::size_t clusters = 1000, each = (documents + clusters - 1) / clusters;
  for (std::size_t document = 0; document < documents; ++document) {
    const std::size_t cluster = document / each, member = document % each;
    sequence = {static_cast<std::uint32_t>(1 + cluster / 100 % 10),
                static_cast<std::uint32_t>(1 + cluster / 10 % 10),
                static_cast<std::uint32_t>(1 + cluster % 10)};
    if (member >= 10) sequence.push_back(static_cast<std::uint32_t>(1 + member / 10));
    sequence.push_back(static_cast<std::uint32_t>(1 + member % 10));
    sequence.push_back(kEndToken);
    out.add(sequence);
  }
  return out;
}

std::vector<std::vector<std::uint32_t>> bench_queries(std::size_t count, const BenchModel& model) {
  random::Generator draws(kSeed, 1'000'000);
  std::vector<std::vector<std::uint32_t>> queries(count, std::vector<std::uint32_t>(model.query_tokens));
  for (auto& query : queries) {
    for (auto& token : query) token = draws.below(static_cast<std::uint32_t>(model.vocabulary));
  }
  return queries;
}

}  // namespace tenfold::dsi
