// SPDX-License-Identifier: Apache-2.0
// T5's encoder-decoder (Raffel et al., arXiv 1910.10683, section 2.1) in its version 1.1: RMS norms before the sublayers, no biases, relative
// positions in buckets, scores that are not scaled, gated GELU (Shazeer, arXiv 2002.05202). "relu" gives the hidden layer of version 1.0.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/config/field.h"

namespace tenfold::nn {

struct T5Options {
  std::int64_t vocabulary = 32128;  // tokens
  std::int64_t width = 512;         // of a token's vector (d_model)
  std::int64_t head_width = 64;  // of a query, key and value (d_kv); heads x head_width need not be the width
  std::int64_t hidden = 1024;    // units of the feed-forward part (d_ff)
  std::int64_t heads = 6;
  std::int64_t layers = 8;  // of the encoder
  std::int64_t decoder_layers = 8;
  std::int64_t buckets = 32;        // of relative positions
  std::int64_t max_distance = 128;  // from here on all positions share a bucket
  std::string activation = "gated_gelu";
  bool tied_head = false;  // logits by the table of tokens, as in version 1.0
  double norm_epsilon = 1e-6;
  double dropout = 0.1;  // while training

  void visit_fields(auto&& field) {
    field("vocabulary", vocabulary, {.help = "tokens", .min = 1, .max = 1e9});
    field("width", width, {.help = "of a token's vector", .min = 1, .max = 65536});
    field("head_width", head_width, {.help = "of a query, key and value", .min = 1, .max = 65536});
    field("hidden", hidden, {.help = "hidden units of a layer", .min = 1, .max = 1e6});
    field("heads", heads, {.help = "of attention", .min = 1, .max = 1000});
    field("layers", layers, {.help = "layers of the encoder", .min = 1, .max = 1000});
    field("decoder_layers", decoder_layers, {.help = "layers of the decoder", .min = 1, .max = 1000});
    field("buckets", buckets, {.help = "of relative positions; even", .min = 4, .max = 65536});
    field("max_distance", max_distance, {.help = "positions that are told apart", .min = 3, .max = 1e9});
    field("activation", activation, {.help = "of the hidden units", .choices = {"gated_gelu", "relu"}});
    field("tied_head", tied_head, {.help = "logits by the table of tokens"});
    field("norm_epsilon", norm_epsilon, {.help = "of norms", .min = 0.0, .max = 1.0});
    field("dropout", dropout, {.help = "share of values left out in training", .min = 0.0, .max = 0.99});
  }
};

// The published sizes of version 1.1: "small", "base", "large", "xl", "xxl"; and two for training from nothing on a CPU: "tiny" (width 128,
// two layers each) and "mini" (width 256, four encoder and two decoder layers), with the vocabulary left to the caller. Throws Error(kConfig):
// "t5.preset" with the nearest name.
T5Options t5_preset(std::string_view name);
std::vector<std::string> t5_preset_names();

// Numbers that a T5 of these options learns, without making one.
std::int64_t t5_parameter_count(const T5Options& options);

// The bucket of a key `distance` positions behind its query (negative: before it). Half of the buckets are for one distance each, the
// others grow with its logarithm up to max_distance. In the encoder (`both_ways`) each direction has its half of all buckets; in the decoder
// keys behind the query count as distance 0.
std::int64_t t5_bucket(std::int64_t distance, bool both_ways, const T5Options& options);

// x / sqrt(mean(x^2) + epsilon) x weight over the last dimension (Zhang and Sennrich, arXiv 1910.07467).
class T5NormImpl : public torch::nn::Module {
 public:
  T5NormImpl(std::int64_t width, double epsilon);
  torch::Tensor forward(const torch::Tensor& x);

  torch::Tensor weight;  // [D]

 private:
  double epsilon_;
};
TORCH_MODULE(T5Norm);

class T5AttentionImpl : public torch::nn::Module {
 public:
  explicit T5AttentionImpl(const T5Options& options);
  // x: [B, T, D] asks, source: [B, S, D] answers (x itself, or the memory); bias: added to the scores, broadcast to [B, heads, T, S];
  // may be undefined. Returns [B, T, D].
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& source, const torch::Tensor& bias);

  torch::nn::Linear query{nullptr}, key{nullptr}, value{nullptr}, output{nullptr};

 private:
  torch::Tensor by_head(
      const torch::Tensor& x) const;  // [B, T, heads x head_width] -> [B, heads, T, head_width]

  std::int64_t heads_;
  double dropout_;
};
TORCH_MODULE(T5Attention);

class T5LayerImpl : public torch::nn::Module {
 public:
  T5LayerImpl(const T5Options& options, bool decoder);
  // x: [B, T, D]; memory: [B, S, D], read by a decoder's layer only.
  torch::Tensor forward(torch::Tensor x,
                        const torch::Tensor& bias,
                        const torch::Tensor& memory,
                        const torch::Tensor& memory_bias);

  T5Norm self_norm{nullptr}, cross_norm{nullptr}, output_norm{nullptr};
  T5Attention self_attention{nullptr}, cross_attention{nullptr};    // the second in a decoder only
  torch::nn::Linear gate{nullptr}, inner{nullptr}, outer{nullptr};  // wi_0, wi_1 and wo; no gate with "relu"

 private:
  torch::Tensor feed_forward(const torch::Tensor& x);

  double dropout_;
};
TORCH_MODULE(T5Layer);

// An encoder, or a decoder over embeddings of any kind and any memory.
class T5StackImpl : public torch::nn::Module {
 public:
  // `layers` and `decoder_layers` of the options say how many layers; fresh weights as described at T5.
  T5StackImpl(const T5Options& options, bool decoder);

  // embeddings: [B, T, D]; mask: [B, T] bool, true where there is a token, or undefined: everywhere. A decoder's position t looks at
  // positions up to t, and at memory [B, S, D] where memory_mask [B, S] is true (undefined: everywhere); an encoder takes no memory.
  // Returns [B, T, D]. What stands outside of the mask, or reads nothing but masked positions, is finite and of no meaning.
  torch::Tensor forward(const torch::Tensor& embeddings,
                        const torch::Tensor& mask,
                        const torch::Tensor& memory = {},
                        const torch::Tensor& memory_mask = {});

  bool is_decoder() const { return decoder_; }

  torch::nn::Embedding relative_bias{nullptr};  // [buckets, heads], shared by the layers
  torch::nn::ModuleList layers{nullptr};
  T5Norm norm{nullptr};  // of the last layer's result

 private:
  torch::Tensor position_bias(std::int64_t length);  // [1, heads, T, T]
  torch::Tensor self_bias(const torch::Tensor& x, const torch::Tensor& mask);

  T5Options options_;
  bool decoder_;
};
TORCH_MODULE(T5Stack);

class T5Impl : public torch::nn::Module {
 public:
  // Fresh weights are normal, as T5 starts them: with standard deviation (D d_kv)^-1/2 for queries, D^-1/2 for keys, values, the first linear
  // maps, the relative positions and the untied head, (heads d_kv)^-1/2 for attention's output, hidden^-1/2 for the last map of a layer, 1 for
  // tokens; norms are 1. Throws Error(kConfig): "t5.buckets" when buckets are odd or max_distance is not above half of them; what
  // config::check_all() throws.
  explicit T5Impl(const T5Options& options);

  // tokens: [B, T] int64 in [0, vocabulary); masks as for T5Stack. Each returns [B, T, D].
  torch::Tensor encode(const torch::Tensor& tokens, const torch::Tensor& mask);
  torch::Tensor decode(const torch::Tensor& tokens,
                       const torch::Tensor& mask,
                       const torch::Tensor& memory,
                       const torch::Tensor& memory_mask);
  // decoded: [..., D] -> [..., vocabulary]. A tied head divides by sqrt(D) first.
  torch::Tensor logits(const torch::Tensor& decoded);
  // Teacher forcing: targets [B, U] int64, negative where they do not count; the decoder reads t5_shift_right(targets). Returns logits
  // [B, U, vocabulary].
  torch::Tensor forward(const torch::Tensor& tokens, const torch::Tensor& mask, const torch::Tensor& targets);

  const T5Options& options() const { return options_; }

  torch::nn::Embedding shared{nullptr};
  T5Stack encoder{nullptr}, decoder{nullptr};
  torch::nn::Linear lm_head{nullptr};  // none when it is tied

 private:
  T5Options options_;
};
TORCH_MODULE(T5);

// What a decoder reads to predict targets [B, U]: `start` and all targets but the last. Negative targets (left out of a loss) become `start`,
// which is T5's padding too.
torch::Tensor t5_shift_right(const torch::Tensor& targets, std::int64_t start = 0);

}  // namespace tenfold::nn
