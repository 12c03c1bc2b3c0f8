// SPDX-License-Identifier: Apache-2.0
// T5 as loops in double precision over one sequence, from the text of arXiv 1910.10683 (section 2.1) and 2002.05202. Weights are looked up
// by the names of Hugging Face's checkpoints.
#pragma once

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tenfold/nn/t5.h"

namespace tenfold::nn {

class PlainT5 {
 public:
  using Matrix = std::vector<std::vector<double>>;  // [T, D]
  using Weights = std::map<std::string, torch::Tensor>;

  PlainT5(const Weights& weights, const T5Options& options) : weights_(weights), options_(options) {}

  Matrix embed(const std::vector<std::int64_t>& tokens) const {
    const Matrix table = matrix("shared.weight");
    Matrix x;
    for (const std::int64_t token : tokens) x.push_back(table[static_cast<std::size_t>(token)]);
    return x;
  }

  Matrix encode(const std::vector<std::int64_t>& tokens) const {
    return stack("encoder", options_.layers, embed(tokens), {});
  }

  Matrix decode(const Matrix& embeddings, const Matrix& memory) const {
    return stack("decoder", options_.decoder_layers, embeddings, memory);
  }

  Matrix logits(Matrix decoded) const {
    if (!options_.tied_head) return linear(decoded, "lm_head");
    for (auto& row : decoded)
      for (double& value : row) value /= std::sqrt(static_cast<double>(options_.width));
    return linear(decoded, "shared");
  }

 private:
  Matrix stack(const std::string& name, std::int64_t layers, Matrix x, const Matrix& memory) const {
    const bool decoder = name == "decoder";
    for (std::int64_t i = 0; i < layers; ++i) {
      const std::string layer = name + ".block." + std::to_string(i) + ".layer.";
      const Matrix normed = norm(x, layer + "0.layer_norm");
      x = sum(x, attention(normed, normed, layer + "0.SelfAttention", name));
      if (decoder)
        x = sum(x, attention(norm(x, layer + "1.layer_norm"), memory, layer + "1.EncDecAttention", ""));
      const std::string last = layer + (decoder ? "2" : "1");
      x = sum(x, feed_forward(norm(x, last + ".layer_norm"), last + ".DenseReluDense."));
    }
    return norm(x, name + ".final_layer_norm");
  }

  Matrix matrix(const std::string& name) const {
    const torch::Tensor tensor = weights_.at(name).to(at::kDouble).contiguous();
    const auto columns = static_cast<std::size_t>(tensor.size(-1));
    Matrix rows(static_cast<std::size_t>(tensor.numel()) / columns);
    const double* value = tensor.data_ptr<double>();
    for (auto& row : rows) {
      row.assign(value, value + columns);
      value += columns;
    }
    return rows;
  }

  static Matrix sum(Matrix a, const Matrix& b) {
    for (std::size_t t = 0; t < a.size(); ++t)
      for (std::size_t i = 0; i < a[t].size(); ++i) a[t][i] += b[t][i];
    return a;
  }

  Matrix linear(const Matrix& x, const std::string& name) const {
    const Matrix weight = matrix(name + ".weight");
    Matrix y;
    for (const auto& row : x) {
      std::vector<double> out(weight.size(), 0.0);
      for (std::size_t i = 0; i < out.size(); ++i)
        for (std::size_t j = 0; j < row.size(); ++j) out[i] += weight[i][j] * row[j];
      y.push_back(out);
    }
    return y;
  }

  Matrix norm(Matrix x, const std::string& name) const {
    const std::vector<double> weight = matrix(name + ".weight")[0];
    for (auto& row : x) {
      double squares = 0;
      for (const double value : row) squares += value * value;
      const double length = std::sqrt(squares / static_cast<double>(row.size()) + options_.norm_epsilon);
      for (std::size_t i = 0; i < row.size(); ++i) row[i] = row[i] / length * weight[i];
    }
    return x;
  }

  // `position`: the stack whose relative positions count; "": none, and no causal mask.
  Matrix attention(const Matrix& x,
                   const Matrix& source,
                   const std::string& name,
                   const std::string& position) const {
    const Matrix q = linear(x, name + ".q"), k = linear(source, name + ".k"), v = linear(source, name + ".v");
    Matrix bias;
    if (!position.empty())
      bias = matrix(position + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight");
    const auto width = static_cast<std::size_t>(options_.head_width);
    Matrix joined(x.size(), std::vector<double>(q[0].size(), 0.0));
    for (std::size_t head = 0; head < static_cast<std::size_t>(options_.heads); ++head)
      for (std::size_t t = 0; t < x.size(); ++t) {
        const std::size_t end = position == "decoder" ? t + 1 : source.size();
        std::vector<double> shares(end, 0.0);
        double total = 0;
        for (std::size_t s = 0; s < end; ++s) {
          for (std::size_t i = head * width; i < (head + 1) * width; ++i) shares[s] += q[t][i] * k[s][i];
          if (!position.empty()) shares[s] += bias[bucket(t, s, position == "encoder")][head];
          shares[s] = std::exp(shares[s]);
          total += shares[s];
        }
        for (std::size_t s = 0; s < end; ++s)
          for (std::size_t i = head * width; i < (head + 1) * width; ++i)
            joined[t][i] += shares[s] / total * v[s][i];
      }
    return linear(joined, name + ".o");
  }

  // For sequences shorter than the exact buckets of 32: one bucket a distance.
  static std::size_t bucket(std::size_t query, std::size_t key, bool both_ways) {
    if (!both_ways) return query - key;
    return key > query ? 16 + (key - query) : query - key;
  }

  Matrix feed_forward(const Matrix& x, const std::string& name) const {
    const bool gated = options_.activation == "gated_gelu";
    Matrix hidden = linear(x, name + (gated ? "wi_0" : "wi"));
    const Matrix factor = gated ? linear(x, name + "wi_1") : Matrix{};
    for (std::size_t t = 0; t < hidden.size(); ++t)
      for (std::size_t i = 0; i < hidden[t].size(); ++i) {
        const double h = hidden[t][i];
        const double gelu =
            0.5 * h * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (h + 0.044715 * h * h * h)));
        hidden[t][i] = gated ? gelu * factor[t][i] : std::max(h, 0.0);
      }
    return linear(hidden, name + "wo");
  }

  const Weights& weights_;
  T5Options options_;
};

}  // namespace tenfold::nn
