// SPDX-License-Identifier: Apache-2.0
// The encoder of Vaswani et al., "Attention is all you need" (arXiv 1706.03762, section 3), with learned positions, and layer norms behind
// the residual sums ("post", as there and in BERT) or before the sublayers ("pre": Xiong et al., arXiv 2002.04745).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <string>

#include "tenfold/config/field.h"

namespace tenfold::nn {

struct TransformerOptions {
  std::int64_t vocabulary = 0;  // tokens
  std::int64_t width = 256;     // of a token's vector
  std::int64_t layers = 2;
  std::int64_t heads = 4;
  std::int64_t hidden = 1024;    // units between the two linear maps of a layer
  std::int64_t positions = 512;  // longest sequence
  std::int64_t token_types = 0;  // BERT's segments; 0: none
  std::string norm = "pre";
  std::string activation = "gelu";  // "gelu", "gelu_tanh" (its approximation by tanh) or "relu"
  double norm_epsilon = 1e-5;
  double dropout = 0.0;  // of embeddings and of what a sublayer adds, while training

  void visit_fields(auto&& field) {
    field("vocabulary", vocabulary, {.help = "tokens", .min = 1, .max = 1e9});
    field("width", width, {.help = "of a token's vector", .min = 1, .max = 65536});
    field("layers", layers, {.help = "layers", .min = 1, .max = 1000});
    field("heads", heads, {.help = "of attention; they divide the width", .min = 1, .max = 1000});
    field("hidden", hidden, {.help = "hidden units of a layer", .min = 1, .max = 1e6});
    field("positions", positions, {.help = "longest sequence", .min = 1, .max = 1e7});
    field("token_types", token_types, {.help = "segments; 0: none", .min = 0, .max = 1000});
    field("norm", norm, {.help = "layer norm before or behind a sublayer", .choices = {"pre", "post"}});
    field(
        "activation", activation, {.help = "of the hidden units", .choices = {"gelu", "gelu_tanh", "relu"}});
    field("norm_epsilon", norm_epsilon, {.help = "of layer norms", .min = 0.0, .max = 1.0});
    field("dropout", dropout, {.help = "share of values left out in training", .min = 0.0, .max = 0.99});
  }
};

// Section 3.2.2: concat(head_1, ..., head_h) W_O with head_i = softmax(Q_i K_i^T / sqrt(d / h)) V_i.
class MultiHeadAttentionImpl : public torch::nn::Module {
 public:
  MultiHeadAttentionImpl(std::int64_t width, std::int64_t heads);
  // x: [B, T, D]; bias: added to the scores, broadcast to [B, heads, T, T]: 0, or -infinity where a position must not be looked at.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& bias);

  torch::nn::Linear query{nullptr}, key{nullptr}, value{nullptr}, output{nullptr};

 private:
  torch::Tensor by_head(const torch::Tensor& x) const;  // [B, T, D] -> [B, heads, T, D / heads]
  std::int64_t heads_;
};
TORCH_MODULE(MultiHeadAttention);

class TransformerLayerImpl : public torch::nn::Module {
 public:
  explicit TransformerLayerImpl(const TransformerOptions& options);
  torch::Tensor forward(torch::Tensor x, const torch::Tensor& bias);  // [B, T, D] -> [B, T, D]

  MultiHeadAttention attention{nullptr};
  torch::nn::LayerNorm attention_norm{nullptr}, output_norm{nullptr};
  torch::nn::Linear inner{nullptr}, outer{nullptr};

 private:
  torch::Tensor feed_forward(const torch::Tensor& x);  // W_2 activation(W_1 x + b_1) + b_2
  torch::Tensor drop(const torch::Tensor& x) const;

  TransformerOptions options_;
};
TORCH_MODULE(TransformerLayer);

class TransformerEncoderImpl : public torch::nn::Module {
 public:
  // Fresh weights as BERT has them: normal with standard deviation 0.02, biases 0, layer norms 1 and 0. Throws Error(kConfig):
  // "transformer.heads" when the heads do not divide the width; what config::check_all() throws.
  explicit TransformerEncoderImpl(const TransformerOptions& options);

  // tokens: [B, T] int64 in [0, vocabulary), T at most `positions`; mask: [B, T] bool, true where there is a token, at least one in a row.
  // Returns [B, T, D]. Positions outside of the mask are not looked at by others; what stands there is of no meaning. Throws Error(kData):
  // "transformer.too_long".
  torch::Tensor forward(const torch::Tensor& tokens, const torch::Tensor& mask);

  const TransformerOptions& options() const { return options_; }

  torch::nn::Embedding token_table{nullptr}, position_table{nullptr}, type_table{nullptr};
  torch::nn::LayerNorm norm{nullptr};  // of the embeddings ("post"), or of the last layer's result ("pre")
  torch::nn::ModuleList layers{nullptr};

 private:
  void start_weights();

  TransformerOptions options_;
};
TORCH_MODULE(TransformerEncoder);

// x: [B, T, D], mask: [B, T] bool. Mean over the positions of the mask, and the first position: [B, D].
torch::Tensor mean_pool(const torch::Tensor& x, const torch::Tensor& mask);
torch::Tensor first_pool(const torch::Tensor& x);

}  // namespace tenfold::nn
