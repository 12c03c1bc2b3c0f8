// SPDX-License-Identifier: Apache-2.0
#include "tenfold/nn/t5_checkpoint.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/nn/checkpoint_config.h"

namespace tenfold::nn {
namespace {

constexpr std::string_view kModel = "T5";
constexpr std::uint64_t kMaxConfig = std::uint64_t{1} << 20;  // bytes

// Names after "<stack>.": those of the stack, and of a layer after "layers.<i>.". "F" stands for the number of the feed-forward sublayer: 1
// in the encoder, 2 in the decoder.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kStack = {
    {{"relative_bias.weight", "block.0.layer.0.SelfAttention.relative_attention_bias.weight"},
     {"norm.weight", "final_layer_norm.weight"}}};
constexpr std::array<std::pair<std::string_view, std::string_view>, 15> kLayer = {
    {{"self_norm.weight", "layer.0.layer_norm.weight"},
     {"self_attention.query.weight", "layer.0.SelfAttention.q.weight"},
     {"self_attention.key.weight", "layer.0.SelfAttention.k.weight"},
     {"self_attention.value.weight", "layer.0.SelfAttention.v.weight"},
     {"self_attention.output.weight", "layer.0.SelfAttention.o.weight"},
     {"cross_norm.weight", "layer.1.layer_norm.weight"},
     {"cross_attention.query.weight", "layer.1.EncDecAttention.q.weight"},
     {"cross_attention.key.weight", "layer.1.EncDecAttention.k.weight"},
     {"cross_attention.value.weight", "layer.1.EncDecAttention.v.weight"},
     {"cross_attention.output.weight", "layer.1.EncDecAttention.o.weight"},
     {"output_norm.weight", "layer.F.layer_norm.weight"},
     {"gate.weight", "layer.F.DenseReluDense.wi_0.weight"},
     {"linear.weight", "layer.F.DenseReluDense.wi_1.weight"},
     {"inner.weight", "layer.F.DenseReluDense.wi.weight"},
     {"outer.weight", "layer.F.DenseReluDense.wo.weight"}}};
// Copies of the table of tokens that some writers store too, and a table that version 1.0 has but never reads.
constexpr std::array<std::string_view, 2> kCopies = {"encoder.embed_tokens.weight",
                                                     "decoder.embed_tokens.weight"};
constexpr std::string_view kUnread = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";

std::string_view theirs_of(std::span<const std::pair<std::string_view, std::string_view>> names,
                           std::string_view own) {
  for (const auto& [ours, theirs] : names)
    if (ours == own) return theirs;
  check_internal(false, "a tensor of T5");
  return {};
}

std::optional<torch::ScalarType> floating_type(io::DType dtype) {
  switch (dtype) {
    case io::DType::kF16:
      return at::kHalf;
    case io::DType::kBF16:
      return at::kBFloat16;
    case io::DType::kF32:
      return at::kFloat;
    case io::DType::kF64:
      return at::kDouble;
    default:
      return {};
  }
}

template <typename Sizes>
std::string shape_text(const Sizes& sizes) {
  std::vector<std::string> texts;
  for (const auto size : sizes) texts.push_back(std::to_string(size));
  return "[" + join(texts, ", ") + "]";
}

void check_tensor(const io::TensorInfo& info, const torch::Tensor& wanted, const std::string& before) {
  const auto sizes = wanted.sizes();
  const bool same = std::equal(
      sizes.begin(), sizes.end(), info.shape.begin(), info.shape.end(), [](std::int64_t a, std::uint64_t b) {
        return static_cast<std::uint64_t>(a) == b;
      });
  if (!same)
    throw bad_checkpoint(kModel,
                         "shape",
                         before + info.name + " has another shape than config.json says",
                         shape_text(info.shape),
                         shape_text(sizes));
  if (!floating_type(info.dtype))
    throw bad_checkpoint(kModel,
                         "dtype",
                         before + info.name + " holds no floating numbers that can be read",
                         std::string(io::to_string(info.dtype)),
                         "F16, BF16, F32 or F64");
}

torch::Tensor read_tensor(const io::SafetensorsReader& tensors, const io::TensorInfo& info) {
  const std::vector<std::int64_t> shape(info.shape.begin(), info.shape.end());
  torch::Tensor values = at::empty(shape, *floating_type(info.dtype));
  tensors.read(info.name, {static_cast<std::byte*>(values.data_ptr()), values.nbytes()});
  return values;
}

void refuse_others(const io::SafetensorsReader& tensors,
                   const std::set<std::string>& used,
                   const std::string& before) {
  for (const std::string& name : tensors.names())
    if (!used.contains(name))
      throw bad_checkpoint(kModel,
                           "unknown_tensor",
                           before + printable(name) + " has no place in the model",
                           shape_text(tensors.info(name).shape),
                           "the tensors that config.json describes");
}

// Before a model is made: sizes that only config.json has heard of must not ask for memory.
void check_size(const T5Options& options, const io::SafetensorsReader& tensors, const std::string& place) {
  std::uint64_t stored = 0;  // cannot overflow: the file holds the bytes
  for (const std::string& name : tensors.names()) {
    const io::TensorInfo info = tensors.info(name);
    stored += info.bytes / io::element_size(info.dtype);
  }
  const auto wanted = static_cast<std::uint64_t>(t5_parameter_count(options));
  if (stored < wanted)
    throw bad_checkpoint(kModel,
                         "shape",
                         place + ": describes a larger model than model.safetensors holds",
                         std::to_string(stored) + " stored numbers",
                         std::to_string(wanted));
}

}  // namespace

T5Options parse_t5_config(std::string_view json, std::string_view place) {
  const CheckpointConfig config(kModel, json, place);
  const std::string type = config.text("model_type", "t5");
  const bool multilingual = type == "mt5";  // the defaults of its configuration differ
  config.require(multilingual || type == "t5", "model_type", "t5 or mt5");
  config.require(config.flag("is_encoder_decoder", true), "is_encoder_decoder", "an encoder and a decoder");
  const std::string hidden = config.text("feed_forward_proj", multilingual ? "gated-gelu" : "relu");
  config.require(hidden == "gated-gelu" || hidden == "relu", "feed_forward_proj", "gated-gelu or relu");
  const std::int64_t layers = config.integer("num_layers");
  T5Options options{.vocabulary = config.integer("vocab_size"),
                    .width = config.integer("d_model"),
                    .head_width = config.integer("d_kv"),
                    .hidden = config.integer("d_ff"),
                    .heads = config.integer("num_heads"),
                    .layers = layers,
                    .decoder_layers = config.integer("num_decoder_layers", layers),
                    .buckets = config.integer("relative_attention_num_buckets", 32),
                    .max_distance = config.integer("relative_attention_max_distance", 128),
                    .activation = hidden == "relu" ? "relu" : "gated_gelu",
                    .tied_head = config.flag("tie_word_embeddings", !multilingual),
                    .norm_epsilon = config.number("layer_norm_epsilon", 1e-6),
                    .dropout = config.number("dropout_rate", 0.1)};
  config.require(
      options.buckets % 2 == 0 && options.buckets >= 4 && options.max_distance > options.buckets / 2,
      "relative_attention_num_buckets",
      "an even number from 4 on, half of it below relative_attention_max_distance");
  try {
    config::check_all(config::Fields(options));
  } catch (const Error& error) {
    throw bad_checkpoint(kModel,
                         "config",
                         std::string(place) + ": " + error.text().what,
                         error.text().seen,
                         error.text().wanted);
  }
  return options;
}

std::string t5_name(const std::string& own_name) {
  if (own_name == "shared.weight" || own_name == "lm_head.weight") return own_name;
  const std::size_t dot = own_name.find('.');
  const std::string stack = own_name.substr(0, dot);
  check_internal(dot != std::string::npos && (stack == "encoder" || stack == "decoder"), "a stack of T5");
  const std::string rest = own_name.substr(dot + 1);
  constexpr std::string_view kLayers = "layers.";
  if (!rest.starts_with(kLayers)) return stack + "." + std::string(theirs_of(kStack, rest));
  const std::size_t end = rest.find('.', kLayers.size());
  check_internal(end != std::string::npos, "a layer of T5");
  std::string theirs(theirs_of(kLayer, std::string_view(rest).substr(end + 1)));
  if (const std::size_t place = theirs.find(".F."); place != std::string::npos)
    theirs[place + 1] = stack == "encoder" ? '1' : '2';
  return stack + ".block." + rest.substr(kLayers.size(), end - kLayers.size()) + "." + theirs;
}

void load_t5(T5Impl& model, const io::SafetensorsReader& tensors, std::string_view place) {
  const std::string before = std::string(place) + ": ";
  std::vector<std::pair<torch::Tensor, io::TensorInfo>> copies;  // to, from
  std::set<std::string> used{std::string(kUnread)};
  if (model.options().tied_head) used.insert("lm_head.weight");
  for (const auto& parameter : model.named_parameters()) {
    std::string name = t5_name(parameter.key());
    if (name == "shared.weight") {
      for (const std::string_view copy : kCopies) {
        if (!tensors.contains(copy)) continue;
        check_tensor(tensors.info(copy), parameter.value(), before);
        used.insert(std::string(copy));
        if (!tensors.contains(name)) name = copy;
      }
    }
    if (!tensors.contains(name))
      throw bad_checkpoint(
          kModel, "missing_tensor", before + "no tensor " + name, "", "every tensor of the model");
    copies.emplace_back(parameter.value(), tensors.info(name));
    check_tensor(copies.back().second, parameter.value(), before);
    used.insert(name);
  }
  refuse_others(tensors, used, before);
  const c10::NoGradGuard no_grad;
  for (auto& [to, from] : copies) to.copy_(read_tensor(tensors, from));
}

T5 read_t5(const Path& folder) {
  const Path config = folder / "config.json", weights = folder / "model.safetensors";
  const T5Options options =
      parse_t5_config(read_text_file(config, kMaxConfig), printable(config.string(), 400));
  const io::SafetensorsReader tensors = io::SafetensorsReader::open(weights);
  check_size(options, tensors, printable(config.string(), 400));
  T5 model(options);
  load_t5(*model, tensors, printable(weights.string(), 400));
  return model;
}

std::map<std::string, torch::Tensor> t5_tensors(const T5Impl& model) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& parameter : model.named_parameters())
    tensors.emplace(t5_name(parameter.key()), parameter.value().detach());
  return tensors;
}

std::string t5_config_json(const T5Options& options) {
  const nlohmann::ordered_json json = {
      {"architectures", {"T5ForConditionalGeneration"}},
      {"model_type", "t5"},
      {"is_encoder_decoder", true},
      {"vocab_size", options.vocabulary},
      {"d_model", options.width},
      {"d_kv", options.head_width},
      {"d_ff", options.hidden},
      {"num_heads", options.heads},
      {"num_layers", options.layers},
      {"num_decoder_layers", options.decoder_layers},
      {"relative_attention_num_buckets", options.buckets},
      {"relative_attention_max_distance", options.max_distance},
      {"feed_forward_proj", options.activation == "relu" ? "relu" : "gated-gelu"},
      {"tie_word_embeddings", options.tied_head},
      {"layer_norm_epsilon", options.norm_epsilon},
      {"dropout_rate", options.dropout},
      {"pad_token_id", 0},
      {"eos_token_id", 1},
      {"decoder_start_token_id", 0}};
  return json.dump(2) + "\n";
}

}  // namespace tenfold::nn
