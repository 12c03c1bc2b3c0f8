// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/bag_encoder.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "tenfold/systems/retrieval/runtime/vocabulary.h"

namespace tenfold::retrieval {

BagEncoderImpl::BagEncoderImpl(const EncoderOptions& options, std::span<const float> idf)
    : options_(options) {
  const auto words = static_cast<std::int64_t>(idf.size());
  table_ = register_parameter("table", at::randn({words, options.width}) / 16.0);
  torch::Tensor weights = at::empty({words}, at::kFloat);
  std::copy(idf.begin(), idf.end(), weights.data_ptr<float>());
  weights_ = register_parameter("word_weights", weights / weights.max());
  project_ = register_module(
      "project", torch::nn::Linear(torch::nn::LinearOptions(options.width, options.dimension).bias(false)));
  norm_ = register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({options.width})));
  inner_ = register_module("inner", torch::nn::Linear(options.width, options.hidden));
  outer_ = register_module("outer", torch::nn::Linear(options.hidden, options.dimension));
}

torch::Tensor BagEncoderImpl::forward(const TokenBatch& texts) {
  const torch::Tensor weights = weights_.index_select(0, texts.tokens);
  const torch::Tensor h = std::get<0>(at::embedding_bag(table_,
                                                        texts.tokens,
                                                        texts.offsets,
                                                        /*scale_grad_by_freq=*/false,
                                                        /*mode=*/0,
                                                        /*sparse=*/false,
                                                        weights));
  const torch::Tensor y =
      project_->forward(h) + outer_->forward(at::gelu(inner_->forward(norm_->forward(h))));
  return y / y.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);  // [B, d]
}

std::shared_ptr<EncoderImpl> BagEncoderImpl::make_another() const {
  const torch::Tensor weights = weights_.detach().contiguous();
  return std::make_shared<BagEncoderImpl>(
      options_, std::span<const float>(weights.data_ptr<float>(), static_cast<std::size_t>(weights.numel())));
}

std::shared_ptr<EncoderImpl> open_bag(const std::map<std::string, torch::Tensor>& tensors,
                                      const Vocabulary& vocabulary) {
  const auto table = tensors.find("table"), outer = tensors.find("outer.weight");
  if (table == tensors.end() || outer == tensors.end()) throw bad_weights("no tensors of a bag of words");
  if (table->second.dim() != 2 || outer->second.dim() != 2) throw bad_weights("tensors of another rank");
  if (table->second.size(0) != static_cast<std::int64_t>(vocabulary.size()) ||
      vocabulary.idf().size() != vocabulary.size())
    throw bad_weights(
        fmt::format("vectors of {} words, a vocabulary of {}", table->second.size(0), vocabulary.size()));
  return std::make_shared<BagEncoderImpl>(EncoderOptions{.width = table->second.size(1),
                                                         .hidden = outer->second.size(1),
                                                         .dimension = outer->second.size(0)},
                                          vocabulary.idf());
}

}  // namespace tenfold::retrieval
