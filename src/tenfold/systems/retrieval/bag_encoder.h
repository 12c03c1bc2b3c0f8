// SPDX-License-Identifier: Apache-2.0
// The fast text encoder: a bag of words weighted by learned idf, a linear map and a two-layer network beside it.
//
//   h = sum over words t of the text: w_t E_t;   f(text) = normalise(P h + W2 gelu(W1 LayerNorm(h) + b1) + b2)
//
// w starts as idf / largest idf.
#pragma once

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <span>

#include "tenfold/systems/retrieval/encoder.h"

namespace tenfold::retrieval {

class BagEncoderImpl final : public EncoderImpl {
 public:
  // idf: [V], of each word.
  BagEncoderImpl(const EncoderOptions& options, std::span<const float> idf);

  // A text without known words has the vector of the empty text.
  torch::Tensor forward(const TokenBatch& texts) override;
  std::int64_t dimension() const override { return options_.dimension; }
  std::shared_ptr<EncoderImpl> make_another() const override;
  torch::Tensor table() const { return table_; }  // E

 private:
  EncoderOptions options_;
  torch::Tensor table_;    // E, [V, width]
  torch::Tensor weights_;  // w, [V]
  torch::nn::Linear project_{nullptr}, inner_{nullptr}, outer_{nullptr};
  torch::nn::LayerNorm norm_{nullptr};
};

// As open_encoder(): the shapes of the tensors say what the options were.
std::shared_ptr<EncoderImpl> open_bag(const std::map<std::string, torch::Tensor>& tensors,
                                      const Vocabulary& vocabulary);

}  // namespace tenfold::retrieval
