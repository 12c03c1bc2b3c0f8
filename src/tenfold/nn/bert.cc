// SPDX-License-Identifier: Apache-2.0
#include "tenfold/nn/bert.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <array>
#include <set>
#include <sstream>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/nn/checkpoint_config.h"

namespace tenfold::nn {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kEmbeddings = {
    {{"tokens.", "embeddings.word_embeddings."},
     {"positions.", "embeddings.position_embeddings."},
     {"types.", "embeddings.token_type_embeddings."},
     {"norm.", "embeddings.LayerNorm."}}};
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kLayer = {
    {{"attention.query.", "attention.self.query."},
     {"attention.key.", "attention.self.key."},
     {"attention.value.", "attention.self.value."},
     {"attention.output.", "attention.output.dense."},
     {"attention_norm.", "attention.output.LayerNorm."},
     {"inner.", "intermediate.dense."},
     {"outer.", "output.dense."},
     {"output_norm.", "output.LayerNorm."}}};
constexpr std::string_view kPrefix = "bert.";
constexpr std::string_view kModel = "BERT";

std::string shape_text(at::IntArrayRef shape) {
  std::ostringstream text;
  text << shape;
  return text.str();
}

// Old checkpoints call the weight and bias of a layer norm gamma and beta.
std::string old_name(std::string name) {
  if (name.ends_with("LayerNorm.weight")) return name.replace(name.size() - 6, 6, "gamma");
  if (name.ends_with("LayerNorm.bias")) return name.replace(name.size() - 4, 4, "beta");
  return name;
}

bool must_be_known(std::string_view name) {
  return (name.starts_with("embeddings.") && name != "embeddings.position_ids") ||
         name.starts_with("encoder.");
}

}  // namespace

TransformerOptions parse_bert_config(std::string_view json, std::string_view place) {
  const CheckpointConfig config(kModel, json, place);
  config.require(config.text("model_type", "bert") == "bert", "model_type", "bert");
  config.require(config.text("position_embedding_type", "absolute") == "absolute",
                 "position_embedding_type",
                 "absolute");
  config.require(!config.flag("is_decoder", false), "is_decoder", "an encoder");
  const std::string activation = config.text("hidden_act", "gelu");
  const bool by_tanh = activation == "gelu_new" || activation == "gelu_pytorch_tanh";
  config.require(by_tanh || activation == "gelu" || activation == "relu",
                 "hidden_act",
                 "gelu, gelu_new, gelu_pytorch_tanh or relu");
  TransformerOptions options{.vocabulary = config.integer("vocab_size"),
                             .width = config.integer("hidden_size"),
                             .layers = config.integer("num_hidden_layers"),
                             .heads = config.integer("num_attention_heads"),
                             .hidden = config.integer("intermediate_size"),
                             .positions = config.integer("max_position_embeddings"),
                             .token_types = config.integer("type_vocab_size"),
                             .norm = "post",
                             .activation = by_tanh ? "gelu_tanh" : activation,
                             .norm_epsilon = config.number("layer_norm_eps", 1e-12)};
  config.require(options.width % options.heads == 0, "num_attention_heads", "heads that divide hidden_size");
  return options;
}

std::string bert_name(const std::string& own_name) {
  const std::string_view name = own_name;
  for (const auto& [own, theirs] : kEmbeddings)
    if (name.starts_with(own)) return std::string(theirs) + own_name.substr(own.size());
  constexpr std::string_view kLayers = "layers.";
  check_internal(name.starts_with(kLayers), "a tensor of the encoder");
  const std::size_t dot = own_name.find('.', kLayers.size());
  const std::string number = own_name.substr(kLayers.size(), dot - kLayers.size());
  const std::string rest = own_name.substr(dot + 1);
  for (const auto& [own, theirs] : kLayer)
    if (rest.starts_with(own))
      return "encoder.layer." + number + "." + std::string(theirs) + rest.substr(own.size());
  check_internal(false, "a tensor of a layer");
  return {};
}

void load_bert(TransformerEncoderImpl& encoder,
               const std::map<std::string, torch::Tensor>& checkpoint,
               std::string_view place) {
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& [name, tensor] : checkpoint)
    tensors.emplace(name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name, tensor);
  const std::string before = std::string(place) + ": ";
  std::vector<std::pair<torch::Tensor, torch::Tensor>> copies;  // to, from
  std::set<std::string> used;
  for (const auto& parameter : encoder.named_parameters()) {
    std::string name = bert_name(parameter.key());
    if (!tensors.contains(name)) name = old_name(name);
    const auto found = tensors.find(name);
    if (found == tensors.end())
      throw bad_checkpoint(kModel,
                           "missing_tensor",
                           before + "no tensor " + bert_name(parameter.key()),
                           "",
                           "every tensor of the encoder");
    const torch::Tensor& tensor = found->second;
    if (tensor.sizes() != parameter.value().sizes())
      throw bad_checkpoint(kModel,
                           "shape",
                           before + name + " has another shape than config.json says",
                           shape_text(tensor.sizes()),
                           shape_text(parameter.value().sizes()));
    if (!tensor.is_floating_point())
      throw bad_checkpoint(
          kModel, "dtype", before + name + " holds no floating numbers", "", "float16, bfloat16 or float32");
    copies.emplace_back(parameter.value(), tensor);
    used.insert(name);
  }
  for (const auto& [name, tensor] : tensors)
    if (must_be_known(name) && !used.contains(name))
      throw bad_checkpoint(kModel,
                           "unknown_tensor",
                           before + printable(name) + " has no place in the encoder",
                           shape_text(tensor.sizes()),
                           "the tensors that config.json describes");
  const c10::NoGradGuard no_grad;
  for (auto& [to, from] : copies) to.copy_(from);
}

}  // namespace tenfold::nn
