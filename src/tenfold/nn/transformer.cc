// SPDX-License-Identifier: Apache-2.0
#include "tenfold/nn/transformer.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <limits>

#include "tenfold/base/error.h"

namespace tenfold::nn {
namespace {

constexpr double kStartDeviation = 0.02;

torch::nn::LayerNorm make_norm(const TransformerOptions& options) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.width}).eps(options.norm_epsilon));
}

torch::Tensor activate(const torch::Tensor& x, const std::string& activation) {
  if (activation == "relu") return at::relu(x);
  return at::gelu(x, activation == "gelu_tanh" ? "tanh" : "none");
}

}  // namespace

MultiHeadAttentionImpl::MultiHeadAttentionImpl(std::int64_t width, std::int64_t heads) : heads_(heads) {
  query = register_module("query", torch::nn::Linear(width, width));
  key = register_module("key", torch::nn::Linear(width, width));
  value = register_module("value", torch::nn::Linear(width, width));
  output = register_module("output", torch::nn::Linear(width, width));
}

torch::Tensor MultiHeadAttentionImpl::by_head(const torch::Tensor& x) const {
  return x.reshape({x.size(0), x.size(1), heads_, -1}).transpose(1, 2);
}

torch::Tensor MultiHeadAttentionImpl::forward(const torch::Tensor& x, const torch::Tensor& bias) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(x.size(2) / heads_));
  const torch::Tensor q = by_head(query->forward(x)) * scale;  // [B, h, T, D / h]
  const torch::Tensor k = by_head(key->forward(x)), v = by_head(value->forward(x));
  torch::Tensor scores = at::matmul(q, k.transpose(2, 3));  // [B, h, T, T]
  if (bias.defined()) scores = scores + bias;
  const torch::Tensor heads = at::matmul(at::softmax(scores, 3), v);  // [B, h, T, D / h]
  return output->forward(heads.transpose(1, 2).reshape(x.sizes()));
}

TransformerLayerImpl::TransformerLayerImpl(const TransformerOptions& options) : options_(options) {
  attention = register_module("attention", MultiHeadAttention(options.width, options.heads));
  attention_norm = register_module("attention_norm", make_norm(options));
  inner = register_module("inner", torch::nn::Linear(options.width, options.hidden));
  outer = register_module("outer", torch::nn::Linear(options.hidden, options.width));
  output_norm = register_module("output_norm", make_norm(options));
}

torch::Tensor TransformerLayerImpl::feed_forward(const torch::Tensor& x) {
  return outer->forward(activate(inner->forward(x), options_.activation));
}

torch::Tensor TransformerLayerImpl::drop(const torch::Tensor& x) const {
  return options_.dropout > 0.0 && is_training() ? at::dropout(x, options_.dropout, true) : x;
}

torch::Tensor TransformerLayerImpl::forward(torch::Tensor x, const torch::Tensor& bias) {
  if (options_.norm == "pre") {
    x = x + drop(attention->forward(attention_norm->forward(x), bias));
    return x + drop(feed_forward(output_norm->forward(x)));
  }
  x = attention_norm->forward(x + drop(attention->forward(x, bias)));
  return output_norm->forward(x + drop(feed_forward(x)));
}

TransformerEncoderImpl::TransformerEncoderImpl(const TransformerOptions& options) : options_(options) {
  config::check_all(config::Fields(options_));
  if (options.width % options.heads != 0) {
    throw Error(
        ErrorClass::kConfig,
        "transformer.heads",
        {.what = "vectors cannot be divided among the heads",
         .seen = "width " + std::to_string(options.width) + ", " + std::to_string(options.heads) + " heads",
         .wanted = "heads that divide the width",
         .remedy = "choose another number of heads"});
  }
  token_table = register_module("tokens", torch::nn::Embedding(options.vocabulary, options.width));
  position_table = register_module("positions", torch::nn::Embedding(options.positions, options.width));
  if (options.token_types > 0)
    type_table = register_module("types", torch::nn::Embedding(options.token_types, options.width));
  norm = register_module("norm", make_norm(options));
  layers = register_module("layers", torch::nn::ModuleList());
  for (std::int64_t i = 0; i < options.layers; ++i) layers->push_back(TransformerLayer(options));
  start_weights();
}

void TransformerEncoderImpl::start_weights() {
  const c10::NoGradGuard no_grad;
  for (auto& entry : named_parameters()) {
    const bool in_norm = entry.key().find("norm") != std::string::npos;
    if (in_norm) continue;  // 1 and 0 already
    if (entry.key().ends_with("bias")) {
      entry.value().zero_();
    } else {
      entry.value().normal_(0.0, kStartDeviation);
    }
  }
}

torch::Tensor TransformerEncoderImpl::forward(const torch::Tensor& tokens, const torch::Tensor& mask) {
  const std::int64_t length = tokens.size(1);
  if (length > options_.positions) {
    throw Error(ErrorClass::kData,
                "transformer.too_long",
                {.what = "a sequence is longer than the positions that were learned",
                 .seen = std::to_string(length) + " tokens",
                 .wanted = "at most " + std::to_string(options_.positions),
                 .remedy = "cut the sequence"});
  }
  torch::Tensor x = token_table->forward(tokens) + position_table->weight.slice(0, 0, length);  // [B, T, D]
  if (!type_table.is_empty()) x = x + type_table->weight[0];  // all of the first segment
  const bool post = options_.norm == "post";
  if (post) x = norm->forward(x);
  if (options_.dropout > 0.0 && is_training()) x = at::dropout(x, options_.dropout, true);
  torch::Tensor bias;
  if (!mask.all().item<bool>()) {
    bias = at::zeros(mask.sizes(), x.options())
               .masked_fill(mask.logical_not(), -std::numeric_limits<double>::infinity())
               .unsqueeze(1)
               .unsqueeze(1);  // [B, 1, 1, T]
  }
  for (const auto& layer : *layers) x = layer->as<TransformerLayer>()->forward(x, bias);
  return post ? x : norm->forward(x);
}

torch::Tensor mean_pool(const torch::Tensor& x, const torch::Tensor& mask) {
  const torch::Tensor weights = mask.to(x.scalar_type()).unsqueeze(2);  // [B, T, 1]
  return (x * weights).sum(1) / weights.sum(1);
}

torch::Tensor first_pool(const torch::Tensor& x) {
  return x.select(1, 0);
}

}  // namespace tenfold::nn
