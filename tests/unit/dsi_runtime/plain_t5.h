// SPDX-License-Identifier: Apache-2.0
// T5 1.1 with a docid decoder in double and plain loops, without a cache: the oracle. And random weights for it.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <string>
#include <vector>

#include "tenfold/base/random.h"
#include "tenfold/io/safetensors.h"
#include "tests/unit/dsi_runtime/memory_file.h"

namespace tenfold::dsi {

struct PlainShape {
  std::size_t d = 24, heads = 2, d_kv = 12, feed_forward = 20, encoder_layers = 2, decoder_layers = 2;
  std::size_t vocabulary = 30, tokens = 11, positions = 8, buckets = 32;  // positions 0: no learned ones
  double spread = 1.0;                                                    // of the docid head
  std::uint64_t seed = 1;
};

class PlainT5 {
 public:
  using Row = std::vector<double>;
  using Rows = std::vector<Row>;

  explicit PlainT5(const PlainShape& shape) : shape_(shape) {
    const std::size_t d = shape.d, inner = shape.heads * shape.d_kv;
    put("shared.weight", shape.vocabulary, d, 1.0);
    for (const char* stack : {"encoder", "decoder"}) {
      const bool decoder = stack == std::string("decoder");
      const std::string name = stack;
      put(name + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight",
          shape.buckets,
          shape.heads,
          1.0);
      for (std::size_t i = 0; i < (decoder ? shape.decoder_layers : shape.encoder_layers); ++i) {
        const std::string block = name + ".block." + std::to_string(i) + ".layer.";
        put_attention(block + "0.SelfAttention.", inner);
        put(block + "0.layer_norm.weight", 0, d, 0.3);
        if (decoder) put_attention(block + "1.EncDecAttention.", inner);
        if (decoder) put(block + "1.layer_norm.weight", 0, d, 0.3);
        const std::string last = block + (decoder ? "2." : "1.");
        put(last + "DenseReluDense.wi_0.weight", shape.feed_forward, d, 1.0);
        put(last + "DenseReluDense.wi_1.weight", shape.feed_forward, d, 1.0);
        put(last + "DenseReluDense.wo.weight", d, shape.feed_forward, 1.0);
        put(last + "layer_norm.weight", 0, d, 0.3);
      }
      put(name + ".final_layer_norm.weight", 0, d, 0.3);
    }
    put("docid.embedding.weight", shape.tokens + 1, d, 1.0);
    if (shape.positions > 0) put("docid.position.weight", shape.positions, d, 1.0);
    put("docid.head.weight", shape.tokens, d, shape.spread);
  }

  const PlainShape& shape() const { return shape_; }
  std::vector<float>& tensor(const std::string& name) { return tensors_.at(name).values; }
  void drop(const std::string& name) { tensors_.erase(name); }

  MemoryFile file() const {
    std::vector<io::TensorView> views;
    for (const auto& [name, tensor] : tensors_)
      views.push_back({name, io::DType::kF32, tensor.shape, std::as_bytes(std::span(tensor.values))});
    MemoryFile out;
    io::write_safetensors(out, views);
    return out;
  }

  Rows encode(const std::vector<std::uint32_t>& text) const {
    Rows x;
    for (const std::uint32_t token : text) x.push_back(row("shared.weight", token));
    for (std::size_t i = 0; i < shape_.encoder_layers; ++i) {
      const std::string block = "encoder.block." + std::to_string(i) + ".layer.";
      const Rows normed = norms(x, block + "0.layer_norm.weight");
      add(x, attention(normed, normed, block + "0.SelfAttention.", "encoder"));
      feed_forward(x, block + "1.");
    }
    return norms(x, "encoder.final_layer_norm.weight");
  }

  // Logits of the next token behind `prefix` (without the start token).
  Row logits(const Rows& memory, const std::vector<std::uint32_t>& prefix) const {
    Rows x;
    for (std::size_t t = 0; t <= prefix.size(); ++t) {
      x.push_back(row("docid.embedding.weight", t == 0 ? shape_.tokens : prefix[t - 1]));
      if (shape_.positions == 0) continue;
      const Row position = row("docid.position.weight", t);
      for (std::size_t j = 0; j < shape_.d; ++j) x.back()[j] += position[j];
    }
    for (std::size_t i = 0; i < shape_.decoder_layers; ++i) {
      const std::string block = "decoder.block." + std::to_string(i) + ".layer.";
      Rows normed = norms(x, block + "0.layer_norm.weight");
      add(x, attention(normed, normed, block + "0.SelfAttention.", "decoder"));
      normed = norms(x, block + "1.layer_norm.weight");
      add(x, attention(normed, memory, block + "1.EncDecAttention.", ""));
      feed_forward(x, block + "2.");
    }
    return times("docid.head.weight", norms(x, "decoder.final_layer_norm.weight").back());
  }

  static Row log_softmax(Row logits) {
    const double largest = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const double x : logits) sum += std::exp(x - largest);
    for (double& x : logits) x -= largest + std::log(sum);
    return logits;
  }

 private:
  struct Tensor {
    std::vector<std::uint64_t> shape;
    std::vector<float> values;
  };

  // rows 0: a vector around 1.
  void put(const std::string& name, std::size_t rows, std::size_t columns, double spread) {
    random::Generator draws(shape_.seed, tensors_.size());
    Tensor tensor;
    if (rows > 0) tensor.shape.push_back(rows);
    tensor.shape.push_back(columns);
    tensor.values.resize(std::max<std::size_t>(rows, 1) * columns);
    const double scale = rows == 0 ? spread : spread / std::sqrt(static_cast<double>(columns));
    for (float& x : tensor.values) x = static_cast<float>((rows == 0 ? 1.0 : 0.0) + scale * draws.normal());
    tensors_[name] = std::move(tensor);
  }
  void put_attention(const std::string& place, std::size_t inner) {
    for (const char* which : {"q", "k", "v"}) put(place + which + ".weight", inner, shape_.d, 1.0);
    put(place + "o.weight", shape_.d, inner, 1.0);
  }

  Row row(const std::string& name, std::size_t i) const {
    const auto& values = tensors_.at(name).values;
    const std::size_t columns = tensors_.at(name).shape.back();
    return {values.begin() + static_cast<std::ptrdiff_t>(i * columns),
            values.begin() + static_cast<std::ptrdiff_t>((i + 1) * columns)};
  }
  Row times(const std::string& name, const Row& x) const {
    const Tensor& w = tensors_.at(name);
    Row y(w.shape[0]);
    for (std::size_t i = 0; i < y.size(); ++i) {
      for (std::size_t j = 0; j < x.size(); ++j) y[i] += double{w.values[i * x.size() + j]} * x[j];
    }
    return y;
  }
  Rows norms(Rows x, const std::string& name) const {
    for (Row& values : x) {
      double squares = 0;
      for (const double v : values) squares += v * v;
      const double scale = 1 / std::sqrt(squares / static_cast<double>(values.size()) + 1e-6);
      for (std::size_t j = 0; j < values.size(); ++j)
        values[j] *= scale * double{tensors_.at(name).values[j]};
    }
    return x;
  }
  static void add(Rows& x, const Rows& y) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (std::size_t j = 0; j < x[i].size(); ++j) x[i][j] += y[i][j];
    }
  }
  void feed_forward(Rows& x, const std::string& place) const {
    Rows out;
    for (const Row& in : norms(x, place + "layer_norm.weight")) {
      Row gate = times(place + "DenseReluDense.wi_0.weight", in);
      const Row linear = times(place + "DenseReluDense.wi_1.weight", in);
      for (std::size_t j = 0; j < gate.size(); ++j) {
        const double u = std::sqrt(2 / std::numbers::pi) * (gate[j] + 0.044715 * std::pow(gate[j], 3));
        gate[j] = 0.5 * gate[j] * (1 + std::tanh(u)) * linear[j];
      }
      out.push_back(times(place + "DenseReluDense.wo.weight", gate));
    }
    add(x, out);
  }

  // The bucket of key minus query from its definition: near ones one by one, then equal parts of the logarithm.
  std::size_t bucket(std::ptrdiff_t relative, bool both) const {
    const std::size_t half = both ? shape_.buckets / 2 : shape_.buckets, exact = half / 2;
    const std::size_t offset = both && relative > 0 ? half : 0;
    const auto n =
        static_cast<std::size_t>(both ? std::abs(relative) : std::max<std::ptrdiff_t>(-relative, 0));
    if (n < exact) return offset + n;
    const double part = std::log(static_cast<double>(n) / static_cast<double>(exact)) /
                        std::log(128.0 / static_cast<double>(exact));
    return offset +
           std::min(half - 1,
                    exact + static_cast<std::size_t>(part * static_cast<double>(half - exact) + 1e-9));
  }

  Rows attention(const Rows& x,
                 const Rows& memory,
                 const std::string& place,
                 const std::string& stack) const {
    Rows out;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Row query = times(place + "q.weight", x[i]);
      Row mixed(query.size());
      const std::size_t seen = stack == "decoder" ? i + 1 : memory.size();
      for (std::size_t h = 0; h < shape_.heads; ++h) {
        Row scores(seen);
        for (std::size_t j = 0; j < seen; ++j) {
          const Row key = times(place + "k.weight", memory[j]);
          for (std::size_t c = h * shape_.d_kv; c < (h + 1) * shape_.d_kv; ++c)
            scores[j] += query[c] * key[c];
          if (stack.empty()) continue;
          const auto relative = static_cast<std::ptrdiff_t>(j) - static_cast<std::ptrdiff_t>(i);
          scores[j] += row(stack + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight",
                           bucket(relative, stack == "encoder"))[h];
        }
        scores = log_softmax(scores);
        for (std::size_t j = 0; j < seen; ++j) {
          const Row value = times(place + "v.weight", memory[j]);
          for (std::size_t c = h * shape_.d_kv; c < (h + 1) * shape_.d_kv; ++c)
            mixed[c] += std::exp(scores[j]) * value[c];
        }
      }
      out.push_back(times(place + "o.weight", mixed));
    }
    return out;
  }

  PlainShape shape_;
  std::map<std::string, Tensor> tensors_;
};

// Random tokens, at least one.
inline std::vector<std::uint32_t> random_text(random::Generator& draws,
                                              std::uint32_t longest,
                                              std::uint32_t vocabulary) {
  std::vector<std::uint32_t> text(1 + draws.below(longest));
  for (auto& token : text) token = draws.below(vocabulary);
  return text;
}

// Rows of doubles as the floats that a decoder attends to.
inline std::vector<float> as_floats(const PlainT5::Rows& rows) {
  std::vector<float> out;
  for (const auto& row : rows) {
    for (const double x : row) out.push_back(static_cast<float>(x));
  }
  return out;
}

}  // namespace tenfold::dsi
