// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/vector_encoder.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <utility>

namespace tenfold::repconc {

VectorEncoderImpl::VectorEncoderImpl(torch::Tensor table, std::int64_t documents, std::int64_t hidden)
    : table_(std::move(table)), documents_(documents), hidden_(hidden) {
  const std::int64_t d = table_.size(1);
  inner_ = register_module("inner", torch::nn::Linear(d, hidden));
  outer_ = register_module("outer", torch::nn::Linear(torch::nn::LinearOptions(hidden, d).bias(false)));
  const c10::NoGradGuard no_grad;
  outer_->weight.zero_();
}

torch::Tensor VectorEncoderImpl::map_queries(const torch::Tensor& queries) {
  return queries + outer_->forward(at::gelu(inner_->forward(queries)));
}

torch::Tensor VectorEncoderImpl::forward(const retrieval::TokenBatch& texts) {
  const torch::Tensor x = table_.index_select(0, texts.tokens);  // [B, d]
  const torch::Tensor is_query = texts.tokens.ge(documents_).unsqueeze(1);
  return is_query.any().item<bool>() ? at::where(is_query, map_queries(x), x) : x;
}

std::shared_ptr<retrieval::EncoderImpl> VectorEncoderImpl::make_another() const {
  return std::make_shared<VectorEncoderImpl>(table_, documents_, hidden_);
}

}  // namespace tenfold::repconc
