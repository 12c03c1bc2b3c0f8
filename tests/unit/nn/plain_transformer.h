// SPDX-License-Identifier: Apache-2.0
// A transformer encoder as loops in double precision over one sequence, from the equations of arXiv 1706.03762 and 2002.04745. Weights
// are looked up by the names of BERT checkpoints.
#pragma once

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tenfold/nn/transformer.h"

namespace tenfold::nn {

using Matrix = std::vector<std::vector<double>>;  // [T, D]
using Weights = std::map<std::string, torch::Tensor>;

class PlainTransformer {
 public:
  PlainTransformer(const Weights& weights, const TransformerOptions& options)
      : weights_(weights), options_(options) {}

  Matrix operator()(const std::vector<std::int64_t>& tokens) const {
    Matrix x;
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      std::vector<double> row = values("embeddings.word_embeddings.weight", tokens[t]);
      add(row, values("embeddings.position_embeddings.weight", static_cast<std::int64_t>(t)));
      if (options_.token_types > 0) add(row, values("embeddings.token_type_embeddings.weight", 0));
      x.push_back(row);
    }
    const bool post = options_.norm == "post";
    if (post) x = norm(x, "embeddings.LayerNorm");
    for (std::int64_t i = 0; i < options_.layers; ++i) {
      const std::string layer = "encoder.layer." + std::to_string(i) + ".";
      const std::string first = layer + "attention.output.LayerNorm", second = layer + "output.LayerNorm";
      if (post) {
        x = norm(sum(x, attention(x, layer + "attention.")), first);
        x = norm(sum(x, feed_forward(x, layer)), second);
      } else {
        x = sum(x, attention(norm(x, first), layer + "attention."));
        x = sum(x, feed_forward(norm(x, second), layer));
      }
    }
    return post ? x : norm(x, "embeddings.LayerNorm");
  }

 private:
  std::vector<double> values(const std::string& name, std::int64_t row = -1) const {
    torch::Tensor tensor = weights_.at(name).to(at::kDouble);
    if (row >= 0) tensor = tensor[row];
    tensor = tensor.contiguous();
    return {tensor.data_ptr<double>(), tensor.data_ptr<double>() + tensor.numel()};
  }

  static void add(std::vector<double>& to, const std::vector<double>& from) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
  }

  static Matrix sum(Matrix a, const Matrix& b) {
    for (std::size_t t = 0; t < a.size(); ++t) add(a[t], b[t]);
    return a;
  }

  Matrix linear(const Matrix& x, const std::string& name) const {
    const std::vector<double> weight = values(name + ".weight"), bias = values(name + ".bias");
    Matrix y;
    for (const std::vector<double>& row : x) {
      std::vector<double> out = bias;
      for (std::size_t i = 0; i < out.size(); ++i)
        for (std::size_t j = 0; j < row.size(); ++j) out[i] += weight[i * row.size() + j] * row[j];
      y.push_back(out);
    }
    return y;
  }

  Matrix norm(const Matrix& x, const std::string& name) const {
    const std::vector<double> weight = values(name + ".weight"), bias = values(name + ".bias");
    Matrix y = x;
    for (std::vector<double>& row : y) {
      double mean = 0, variance = 0;
      const auto count = static_cast<double>(row.size());
      for (const double value : row) mean += value / count;
      for (const double value : row) variance += (value - mean) * (value - mean) / count;
      for (std::size_t i = 0; i < row.size(); ++i)
        row[i] = (row[i] - mean) / std::sqrt(variance + options_.norm_epsilon) * weight[i] + bias[i];
    }
    return y;
  }

  Matrix attention(const Matrix& x, const std::string& name) const {
    const Matrix q = linear(x, name + "self.query"), k = linear(x, name + "self.key"),
                 v = linear(x, name + "self.value");
    const auto width = static_cast<std::size_t>(options_.width / options_.heads);
    Matrix joined(x.size(), std::vector<double>(x[0].size(), 0.0));
    for (std::size_t begin = 0; begin < x[0].size(); begin += width)
      for (std::size_t t = 0; t < x.size(); ++t) {
        std::vector<double> scores(x.size(), 0.0);
        double total = 0;
        for (std::size_t s = 0; s < x.size(); ++s) {
          for (std::size_t i = begin; i < begin + width; ++i) scores[s] += q[t][i] * k[s][i];
          scores[s] = std::exp(scores[s] / std::sqrt(static_cast<double>(width)));
          total += scores[s];
        }
        for (std::size_t s = 0; s < x.size(); ++s)
          for (std::size_t i = begin; i < begin + width; ++i) joined[t][i] += scores[s] / total * v[s][i];
      }
    return linear(joined, name + "output.dense");
  }

  Matrix feed_forward(const Matrix& x, const std::string& layer) const {
    Matrix hidden = linear(x, layer + "intermediate.dense");
    for (std::vector<double>& row : hidden)
      for (double& value : row) value = activation(value);
    return linear(hidden, layer + "output.dense");
  }

  double activation(double x) const {
    if (options_.activation == "relu") return std::max(x, 0.0);
    if (options_.activation == "gelu") return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
  }

  const Weights& weights_;
  TransformerOptions options_;
};

}  // namespace tenfold::nn
