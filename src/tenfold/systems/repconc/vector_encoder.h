// SPDX-License-Identifier: Apache-2.0
// Vectors from outside in the place of an encoder: a "text" is one token, the row of its vector. Documents stay as they are; queries get
// a small map beside them, which stage 2 trains:
//
//   f(document) = x;   f(query) = q + B gelu(A q + a)
//
// B starts as 0.
#pragma once

#include <torch/nn/modules/linear.h>

#include "tenfold/systems/retrieval/encoder.h"

namespace tenfold::repconc {

class VectorEncoderImpl final : public retrieval::EncoderImpl {
 public:
  // table: [documents + queries, d], which stands in no checkpoint; tokens from `documents` on are queries.
  VectorEncoderImpl(torch::Tensor table, std::int64_t documents, std::int64_t hidden);

  // Not of length 1: the vectors have the lengths they have.
  torch::Tensor forward(const retrieval::TokenBatch& texts) override;
  std::int64_t dimension() const override { return table_.size(1); }
  std::shared_ptr<retrieval::EncoderImpl> make_another() const override;

  torch::Tensor map_queries(const torch::Tensor& queries);  // [B, d] -> [B, d]

 private:
  torch::Tensor table_;
  std::int64_t documents_, hidden_;
  torch::nn::Linear inner_{nullptr}, outer_{nullptr};  // A and a, B
};

}  // namespace tenfold::repconc
