// SPDX-License-Identifier: Apache-2.0
#include "tenfold/nn/t5.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/unknown_name.h"
#include "tenfold/nn/dropout.h"

namespace tenfold::nn {
namespace {

// Instead of -infinity: a row without anything to look at stays finite, and still exp() of it is 0 beside any score.
constexpr double kNever = -1e30;

struct Preset {
  std::string_view name;
  std::int64_t width, head_width, hidden, heads, layers, decoder_layers;
};

constexpr std::array<Preset, 7> kPresets = {{{"tiny", 128, 32, 256, 4, 2, 2},
                                             {"mini", 256, 32, 512, 8, 4, 2},
                                             {"small", 512, 64, 1024, 6, 8, 8},
                                             {"base", 768, 64, 2048, 12, 12, 12},
                                             {"large", 1024, 64, 2816, 16, 24, 24},
                                             {"xl", 2048, 64, 5120, 32, 24, 24},
                                             {"xxl", 4096, 64, 10240, 64, 24, 24}}};

torch::nn::Linear make_map(std::int64_t from, std::int64_t to) {
  return torch::nn::Linear(torch::nn::LinearOptions(from, to).bias(false));
}

void start_normal(const torch::Tensor& weight, std::int64_t inputs) {
  const c10::NoGradGuard no_grad;
  torch::Tensor values = weight;
  values.normal_(0.0, 1.0 / std::sqrt(static_cast<double>(inputs)));
}

void check(const T5Options& options) {
  T5Options copy = options;
  config::check_all(config::Fields(copy));
  if (options.buckets % 2 == 0 && options.max_distance > options.buckets / 2) return;
  throw Error(ErrorClass::kConfig,
              "t5.buckets",
              {.what = "relative positions cannot be divided into these buckets",
               .seen = std::to_string(options.buckets) + " buckets, max_distance " +
                       std::to_string(options.max_distance),
               .wanted = "an even number of buckets, and max_distance above half of it",
               .remedy = "T5 has 32 buckets and max_distance 128"});
}

torch::Tensor drop(const torch::Tensor& x, double share, const torch::nn::Module& module) {
  return share > 0.0 && module.is_training() ? dropout(x, share) : x;
}

bool hides_something(const torch::Tensor& mask) {
  return mask.defined() && !mask.all().item<bool>();
}

}  // namespace

std::vector<std::string> t5_preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

T5Options t5_preset(std::string_view name) {
  for (const Preset& preset : kPresets)
    if (preset.name == name)
      return {.width = preset.width,
              .head_width = preset.head_width,
              .hidden = preset.hidden,
              .heads = preset.heads,
              .layers = preset.layers,
              .decoder_layers = preset.decoder_layers};
  const std::vector<std::string> names = t5_preset_names();
  throw unknown_name({.error_class = ErrorClass::kConfig,
                      .code = "t5.preset",
                      .what = "there is no such size of T5",
                      .name = name,
                      .known = names,
                      .remedy = "choose one of these"});
}

std::int64_t t5_parameter_count(const T5Options& options) {
  const std::int64_t attention = 4 * options.width * options.heads * options.head_width;
  const std::int64_t maps = options.activation == "relu" ? 2 : 3;
  const std::int64_t feed_forward = maps * options.width * options.hidden;
  const std::int64_t encoder_layer = attention + feed_forward + 2 * options.width;
  const std::int64_t decoder_layer = 2 * attention + feed_forward + 3 * options.width;
  const std::int64_t of_stacks = 2 * (options.buckets * options.heads + options.width);
  const std::int64_t tables = (options.tied_head ? 1 : 2) * options.vocabulary * options.width;
  return tables + options.layers * encoder_layer + options.decoder_layers * decoder_layer + of_stacks;
}

std::int64_t t5_bucket(std::int64_t distance, bool both_ways, const T5Options& options) {
  std::int64_t buckets = options.buckets, first = 0;
  if (both_ways) {
    buckets /= 2;
    if (distance > 0) first = buckets;
    distance = std::abs(distance);
  } else {
    distance = std::max<std::int64_t>(-distance, 0);
  }
  const std::int64_t exact = buckets / 2;
  if (distance < exact) return first + distance;
  const double share =
      std::log(static_cast<double>(distance) / static_cast<double>(exact)) /
      std::log(static_cast<double>(options.max_distance) / static_cast<double>(exact));  // 0 to 1
  // Rounding must not move a distance that stands on the border of two buckets (16, 32, 64) into the lower one.
  const double step = share * static_cast<double>(buckets - exact) + 1e-9;
  return first + std::min(exact + static_cast<std::int64_t>(std::min(step, 1e9)), buckets - 1);
}

T5NormImpl::T5NormImpl(std::int64_t width, double epsilon) : epsilon_(epsilon) {
  weight = register_parameter("weight", at::ones({width}));
}

torch::Tensor T5NormImpl::forward(const torch::Tensor& x) {
  return x * (x.square().mean(-1, true) + epsilon_).rsqrt() * weight;
}

T5AttentionImpl::T5AttentionImpl(const T5Options& options)
    : heads_(options.heads), dropout_(options.dropout) {
  const std::int64_t joined = options.heads * options.head_width;
  query = register_module("query", make_map(options.width, joined));
  key = register_module("key", make_map(options.width, joined));
  value = register_module("value", make_map(options.width, joined));
  output = register_module("output", make_map(joined, options.width));
  start_normal(query->weight,
               options.width * options.head_width);  // where scores are not scaled, queries are
  start_normal(key->weight, options.width);
  start_normal(value->weight, options.width);
  start_normal(output->weight, joined);
}

torch::Tensor T5AttentionImpl::by_head(const torch::Tensor& x) const {
  return x.reshape({x.size(0), x.size(1), heads_, -1}).transpose(1, 2);
}

torch::Tensor T5AttentionImpl::forward(const torch::Tensor& x,
                                       const torch::Tensor& source,
                                       const torch::Tensor& bias) {
  const torch::Tensor q = by_head(query->forward(x));  // [B, h, T, d_kv]
  const torch::Tensor k = by_head(key->forward(source)), v = by_head(value->forward(source));
  torch::Tensor scores = at::matmul(q, k.transpose(2, 3));  // [B, h, T, S]
  if (bias.defined()) scores = scores + bias;
  const torch::Tensor shares = drop(at::softmax(scores, 3), dropout_, *this);
  const torch::Tensor heads = at::matmul(shares, v).transpose(1, 2);  // [B, T, h, d_kv]
  return output->forward(heads.reshape({x.size(0), x.size(1), -1}));
}

T5LayerImpl::T5LayerImpl(const T5Options& options, bool decoder) : dropout_(options.dropout) {
  const auto make_norm = [&] { return T5Norm(options.width, options.norm_epsilon); };
  self_norm = register_module("self_norm", make_norm());
  self_attention = register_module("self_attention", T5Attention(options));
  if (decoder) {
    cross_norm = register_module("cross_norm", make_norm());
    cross_attention = register_module("cross_attention", T5Attention(options));
  }
  output_norm = register_module("output_norm", make_norm());
  if (options.activation == "gated_gelu") {
    gate = register_module("gate", make_map(options.width, options.hidden));
    start_normal(gate->weight, options.width);
  }
  inner = register_module(gate.is_empty() ? "inner" : "linear", make_map(options.width, options.hidden));
  outer = register_module("outer", make_map(options.hidden, options.width));
  start_normal(inner->weight, options.width);
  start_normal(outer->weight, options.hidden);
}

torch::Tensor T5LayerImpl::feed_forward(const torch::Tensor& x) {
  const torch::Tensor hidden =
      gate.is_empty() ? at::relu(inner->forward(x)) : at::gelu(gate->forward(x), "tanh") * inner->forward(x);
  return outer->forward(drop(hidden, dropout_, *this));
}

torch::Tensor T5LayerImpl::forward(torch::Tensor x,
                                   const torch::Tensor& bias,
                                   const torch::Tensor& memory,
                                   const torch::Tensor& memory_bias) {
  const torch::Tensor normed = self_norm->forward(x);
  x = x + drop(self_attention->forward(normed, normed, bias), dropout_, *this);
  if (!cross_attention.is_empty()) {
    const torch::Tensor read = cross_attention->forward(cross_norm->forward(x), memory, memory_bias);
    x = x + drop(read, dropout_, *this);
  }
  return x + drop(feed_forward(output_norm->forward(x)), dropout_, *this);
}

T5StackImpl::T5StackImpl(const T5Options& options, bool decoder) : options_(options), decoder_(decoder) {
  check(options);
  relative_bias = register_module("relative_bias", torch::nn::Embedding(options.buckets, options.heads));
  start_normal(relative_bias->weight, options.width);
  layers = register_module("layers", torch::nn::ModuleList());
  const std::int64_t count = decoder ? options.decoder_layers : options.layers;
  for (std::int64_t i = 0; i < count; ++i) layers->push_back(T5Layer(options, decoder));
  norm = register_module("norm", T5Norm(options.width, options.norm_epsilon));
}

torch::Tensor T5StackImpl::position_bias(std::int64_t length) {
  std::vector<std::int64_t>
      by_distance;  // of keys length - 1 positions before the query, to as many behind it
  for (std::int64_t distance = 1 - length; distance < length; ++distance)
    by_distance.push_back(t5_bucket(distance, !decoder_, options_));
  std::vector<std::int64_t> buckets;
  buckets.reserve(static_cast<std::size_t>(length * length));
  for (std::int64_t query = 0; query < length; ++query) {
    const auto first = by_distance.begin() + (length - 1 - query);
    buckets.insert(buckets.end(), first, first + length);
  }
  const torch::Tensor index =
      at::tensor(buckets, at::kLong).to(relative_bias->weight.device()).reshape({length, length});
  return relative_bias->forward(index).permute({2, 0, 1}).unsqueeze(0);  // [1, h, T, T]
}

torch::Tensor T5StackImpl::self_bias(const torch::Tensor& x, const torch::Tensor& mask) {
  const std::int64_t length = x.size(1);
  torch::Tensor hidden;  // true where a query must not look
  if (decoder_ && length > 1)
    hidden = at::ones({length, length}, x.options().dtype(at::kBool)).triu(1).reshape({1, 1, length, length});
  if (hides_something(mask)) {
    const torch::Tensor padding = mask.logical_not().unsqueeze(1).unsqueeze(1);  // [B, 1, 1, T]
    hidden = hidden.defined() ? hidden.logical_or(padding) : padding;
  }
  const torch::Tensor bias = position_bias(length);
  return hidden.defined() ? bias.masked_fill(hidden, kNever) : bias;
}

torch::Tensor T5StackImpl::forward(const torch::Tensor& embeddings,
                                   const torch::Tensor& mask,
                                   const torch::Tensor& memory,
                                   const torch::Tensor& memory_mask) {
  check_internal(memory.defined() == decoder_, "a decoder reads a memory, an encoder does not");
  const torch::Tensor bias = self_bias(embeddings, mask);
  torch::Tensor memory_bias;
  if (hides_something(memory_mask))
    memory_bias = at::zeros(memory_mask.sizes(), embeddings.options())
                      .masked_fill(memory_mask.logical_not(), kNever)
                      .unsqueeze(1)
                      .unsqueeze(1);  // [B, 1, 1, S]
  torch::Tensor x = drop(embeddings, options_.dropout, *this);
  for (const auto& layer : *layers) x = layer->as<T5Layer>()->forward(x, bias, memory, memory_bias);
  return drop(norm->forward(x), options_.dropout, *this);
}

T5Impl::T5Impl(const T5Options& options) : options_(options) {
  check(options);
  shared = register_module("shared", torch::nn::Embedding(options.vocabulary, options.width));
  start_normal(shared->weight, 1);
  encoder = register_module("encoder", T5Stack(options, false));
  decoder = register_module("decoder", T5Stack(options, true));
  if (options.tied_head) return;
  lm_head = register_module("lm_head", make_map(options.width, options.vocabulary));
  start_normal(lm_head->weight, options.width);
}

torch::Tensor T5Impl::encode(const torch::Tensor& tokens, const torch::Tensor& mask) {
  return encoder->forward(shared->forward(tokens), mask);
}

torch::Tensor T5Impl::decode(const torch::Tensor& tokens,
                             const torch::Tensor& mask,
                             const torch::Tensor& memory,
                             const torch::Tensor& memory_mask) {
  return decoder->forward(shared->forward(tokens), mask, memory, memory_mask);
}

torch::Tensor T5Impl::logits(const torch::Tensor& decoded) {
  if (!lm_head.is_empty()) return lm_head->forward(decoded);
  return at::linear(decoded * (1.0 / std::sqrt(static_cast<double>(options_.width))), shared->weight);
}

torch::Tensor T5Impl::forward(const torch::Tensor& tokens,
                              const torch::Tensor& mask,
                              const torch::Tensor& targets) {
  // No mask of the targets: padding stands behind them, where the causal mask hides it.
  return logits(decode(t5_shift_right(targets), {}, encode(tokens, mask), mask));
}

torch::Tensor t5_shift_right(const torch::Tensor& targets, std::int64_t start) {
  const torch::Tensor first = at::full({targets.size(0), 1}, start, targets.options());
  const torch::Tensor read = at::cat({first, targets.slice(1, 0, targets.size(1) - 1)}, 1);
  return read.masked_fill(read.lt(0), start);
}

}  // namespace tenfold::nn
