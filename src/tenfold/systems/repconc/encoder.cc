// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/encoder.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>
#include <tuple>

namespace tenfold::repconc {
namespace {

constexpr std::size_t kEncodeBatch = 1024;

torch::Tensor integers(const std::vector<std::int64_t>& values) {
  torch::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.data_ptr<std::int64_t>());
  return tensor;
}

}  // namespace

Bag make_bag(const WordLists& lists, std::span<const std::int64_t> rows) {
  std::vector<std::int64_t> words, offsets;
  for (const std::int64_t row : rows) {
    const std::span<const std::int64_t> text = lists[static_cast<std::size_t>(row)];
    offsets.push_back(static_cast<std::int64_t>(words.size()));
    words.insert(words.end(), text.begin(), text.end());
  }
  return {integers(words), integers(offsets)};
}

Bag make_bag(const WordLists& lists) {
  std::vector<std::int64_t> rows(lists.size());
  std::iota(rows.begin(), rows.end(), 0);
  return make_bag(lists, rows);
}

Bag make_bag(const torch::Tensor& padded) {
  const auto values = padded.accessor<std::int64_t, 2>();
  std::vector<std::int64_t> words, offsets;
  for (std::int64_t i = 0; i < values.size(0); ++i) {
    offsets.push_back(static_cast<std::int64_t>(words.size()));
    for (std::int64_t j = 0; j < values.size(1) && values[i][j] >= 0; ++j) words.push_back(values[i][j]);
  }
  return {integers(words), integers(offsets)};
}

EncoderImpl::EncoderImpl(const EncoderOptions& options, std::span<const float> idf) {
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

torch::Tensor EncoderImpl::forward(const Bag& bag) {
  const torch::Tensor weights = weights_.index_select(0, bag.words);
  const torch::Tensor h = std::get<0>(at::embedding_bag(
      table_, bag.words, bag.offsets, /*scale_grad_by_freq=*/false, /*mode=*/0, /*sparse=*/false, weights));
  const torch::Tensor y =
      project_->forward(h) + outer_->forward(at::gelu(inner_->forward(norm_->forward(h))));
  return y / y.norm(2, {1}, /*keepdim=*/true).clamp_min(1e-12);  // [B, d]
}

torch::Tensor EncoderImpl::encode(const WordLists& lists) {
  const c10::NoGradGuard no_grad;
  std::vector<torch::Tensor> parts;
  std::vector<std::int64_t> rows;
  for (std::size_t begin = 0; begin < lists.size(); begin += kEncodeBatch) {
    rows.resize(std::min(kEncodeBatch, lists.size() - begin));
    std::iota(rows.begin(), rows.end(), static_cast<std::int64_t>(begin));
    parts.push_back(forward(make_bag(lists, rows)));
  }
  return at::cat(parts);
}

}  // namespace tenfold::repconc
