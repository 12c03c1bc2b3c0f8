// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/transformer_encoder.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/file_system.h"
#include "tenfold/base/strings.h"
#include "tenfold/config/toml.h"
#include "tenfold/nn/bert.h"
#include "tenfold/train/tensor_file.h"

namespace tenfold::retrieval {
namespace {

constexpr std::size_t kTextsAtOnce = 64;
constexpr std::uint64_t kMaxConfig = 1 << 20;

std::int64_t tokens_of(const TokenBatch& texts, std::int64_t row) {
  const std::int64_t* offsets = texts.offsets.data_ptr<std::int64_t>();
  return (row + 1 < texts.size() ? offsets[row + 1] : texts.tokens.size(0)) - offsets[row];
}

}  // namespace

TransformerTextEncoderImpl::TransformerTextEncoderImpl(const TextTransformerOptions& options,
                                                       const Vocabulary::Markers& markers)
    : options_(options), markers_(markers) {
  config::check_all(config::Fields(options_));
  options_.length = std::min(options_.length, options_.net.positions);
  net = register_module("net", nn::TransformerEncoder(options_.net));
  if (options_.dimension != options_.net.width)
    project_ = register_module(
        "project",
        torch::nn::Linear(torch::nn::LinearOptions(options_.net.width, options_.dimension).bias(false)));
}

torch::Tensor TransformerTextEncoderImpl::forward(const TokenBatch& texts) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(texts.size()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return tokens_of(texts, a) < tokens_of(texts, b);
  });
  std::vector<torch::Tensor> parts;
  for (std::size_t begin = 0; begin < order.size(); begin += kTextsAtOnce)
    parts.push_back(
        forward_part(texts, std::span(order).subspan(begin, std::min(kTextsAtOnce, order.size() - begin))));
  const torch::Tensor places = at::empty({texts.size()}, at::kLong);
  for (std::size_t i = 0; i < order.size(); ++i)
    places.data_ptr<std::int64_t>()[order[i]] = static_cast<std::int64_t>(i);
  return at::cat(parts).index_select(0, places);  // [B, d]
}

torch::Tensor TransformerTextEncoderImpl::forward_part(const TokenBatch& texts,
                                                       std::span<const std::int64_t> rows) {
  const auto count = static_cast<std::int64_t>(rows.size());
  const auto kept = [&](std::int64_t row) { return std::min(tokens_of(texts, row), options_.length - 2); };
  std::int64_t longest = 0;
  for (const std::int64_t row : rows) longest = std::max(longest, kept(row) + 2);
  const torch::Tensor tokens = at::full({count, longest}, markers_.padding, at::kLong);
  const torch::Tensor mask = at::zeros({count, longest}, at::kBool);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t row = rows[static_cast<std::size_t>(i)], length = kept(row);
    std::int64_t* out = tokens.data_ptr<std::int64_t>() + i * longest;
    out[0] = markers_.begin;
    std::copy_n(
        texts.tokens.data_ptr<std::int64_t>() + texts.offsets.data_ptr<std::int64_t>()[row], length, out + 1);
    out[length + 1] = markers_.end;
    std::fill_n(mask.data_ptr<bool>() + i * longest, length + 2, true);
  }
  const torch::Tensor h = net->forward(tokens, mask);  // [B, T, width]
  torch::Tensor y = options_.pooling == "mean" ? nn::mean_pool(h, mask) : nn::first_pool(h);
  if (!project_.is_empty()) y = project_->forward(y);
  return y / y.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);
}

std::shared_ptr<EncoderImpl> TransformerTextEncoderImpl::make_another() const {
  return std::make_shared<TransformerTextEncoderImpl>(options_, markers_);
}

std::map<std::string, std::string> TransformerTextEncoderImpl::metadata() const {
  TextTransformerOptions options = options_;
  return {{"encoder_kind", "transformer"}, {"encoder", config::to_toml(config::Fields(options), "encoder")}};
}

std::shared_ptr<EncoderImpl> make_transformer(const EncoderOptions& options, const Vocabulary& vocabulary) {
  return std::make_shared<TransformerTextEncoderImpl>(
      TextTransformerOptions{.net = {.vocabulary = static_cast<std::int64_t>(vocabulary.size()),
                                     .width = options.width,
                                     .layers = options.layers,
                                     .heads = options.heads,
                                     .hidden = options.hidden,
                                     .positions = options.length,
                                     .norm = options.norm},
                             .dimension = options.dimension,
                             .pooling = options.pooling,
                             .length = options.length},
      vocabulary.markers());
}

std::shared_ptr<EncoderImpl> read_bert(const EncoderOptions& options, const Vocabulary& vocabulary) {
  const Path folder(options.checkpoint);
  const Path config = folder / "config.json", weights = folder / "model.safetensors";
  const nn::TransformerOptions net =
      nn::parse_bert_config(read_text_file(config, kMaxConfig), printable(config.string(), 400));
  if (net.vocabulary < static_cast<std::int64_t>(vocabulary.size())) {
    throw Error(ErrorClass::kFile,
                "bert.vocabulary",
                {.what = "vocab.txt has more pieces than the checkpoint has vectors",
                 .seen = fmt::format("{} pieces, vocab_size {}", vocabulary.size(), net.vocabulary),
                 .wanted = "the vocabulary of this checkpoint",
                 .remedy = "get vocab.txt and model.safetensors from one place"});
  }
  const train::TensorMap tensors = train::read_tensors(io::SafetensorsReader::open(weights));
  auto encoder = std::make_shared<TransformerTextEncoderImpl>(
      TextTransformerOptions{
          .net = net, .dimension = options.dimension, .pooling = options.pooling, .length = options.length},
      vocabulary.markers());
  nn::load_bert(*encoder->net, tensors, printable(weights.string(), 400));
  return encoder;
}

std::shared_ptr<EncoderImpl> open_transformer(const std::map<std::string, torch::Tensor>& tensors,
                                              const std::map<std::string, std::string>& metadata,
                                              const Vocabulary& vocabulary) {
  TextTransformerOptions options;
  const auto text = metadata.find("encoder");
  if (text == metadata.end()) throw bad_weights("no metadata of the encoder");
  try {
    config::apply_toml(config::Fields(options), text->second, "encoder", {}, "weights.safetensors");
  } catch (const Error& error) {
    throw bad_weights(error.text().what);
  }
  // The module is made with the sizes of tensors that are there, so that no metadata can ask for more memory than the file takes.
  const auto require = [&](const std::string& name, std::vector<std::int64_t> shape) {
    const auto found = tensors.find(name);
    if (found == tensors.end() || found->second.sizes() != at::IntArrayRef(shape))
      throw bad_weights("no tensor " + name + " of the shape that the metadata say");
  };
  const nn::TransformerOptions& net = options.net;
  require("net.tokens.weight", {net.vocabulary, net.width});
  require("net.positions.weight", {net.positions, net.width});
  if (net.token_types > 0) require("net.types.weight", {net.token_types, net.width});
  if (options.dimension != net.width) require("project.weight", {options.dimension, net.width});
  for (std::int64_t i = 0; i < net.layers; ++i) {
    require(fmt::format("net.layers.{}.inner.weight", i), {net.hidden, net.width});
    require(fmt::format("net.layers.{}.attention.query.weight", i), {net.width, net.width});
  }
  const Vocabulary::Markers markers = vocabulary.markers();
  if (markers.begin < 0 || static_cast<std::int64_t>(vocabulary.size()) > net.vocabulary)
    throw bad_weights("a vocabulary of another encoder");
  return std::make_shared<TransformerTextEncoderImpl>(options, markers);
}

}  // namespace tenfold::retrieval
