// SPDX-License-Identifier: Apache-2.0
// What every encoder of texts is: token numbers to vectors of length 1. bag_encoder.h is one.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <span>

#include "tenfold/config/field.h"
#include "tenfold/systems/repconc/token_lists.h"

namespace tenfold::repconc {

class Vocabulary;

struct EncoderOptions {
  std::int64_t width = 256;      // of a word's vector
  std::int64_t hidden = 512;     // units of the network
  std::int64_t dimension = 128;  // d, of a text's vector

  void visit_fields(auto&& field) {
    field("width", width, {.help = "of a word's vector", .min = 1, .max = 65536});
    field("hidden", hidden, {.help = "hidden units", .min = 1, .max = 65536});
    field("dimension", dimension, {.help = "of a text's vector", .min = 1, .max = 65536});
  }
};

// Texts side by side: tokens of text i are tokens[offsets[i]] to tokens[offsets[i + 1] - 1].
struct TokenBatch {
  torch::Tensor tokens;   // [n] int64
  torch::Tensor offsets;  // [texts] int64

  std::int64_t size() const { return offsets.size(0); }
};
TokenBatch make_tokens(const TokenLists& lists, std::span<const std::int64_t> rows);
TokenBatch make_tokens(const TokenLists& lists);
// tokens: [B, L] int64, each row ends at its first -1.
TokenBatch make_tokens(const torch::Tensor& padded);

// Queries and documents share all weights until stage 2 (RepCONC, section 4). Every kind is deterministic, in training too.
class EncoderImpl : public torch::nn::Module {
 public:
  virtual torch::Tensor forward(const TokenBatch& texts) = 0;  // [B, d], rows of length 1
  virtual std::int64_t dimension() const = 0;                  // d
  // One more of the same shape, with fresh weights.
  virtual std::shared_ptr<EncoderImpl> make_another() const = 0;

  // Without gradients, in parts: [texts, d].
  torch::Tensor encode(const TokenLists& lists);
};
TORCH_MODULE(Encoder);

// With fresh weights from LibTorch's generator.
Encoder make_encoder(const EncoderOptions& options, const Vocabulary& vocabulary);

// A copy with parameters of its own.
Encoder copy_of(const Encoder& encoder);

}  // namespace tenfold::repconc
