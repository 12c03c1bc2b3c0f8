// SPDX-License-Identifier: Apache-2.0
// The fast text encoder: a bag of words weighted by learned idf, a linear map and a two-layer network beside it.
//
//   h = sum over words t of the text: w_t E_t;   f(text) = normalise(P h + W2 gelu(W1 LayerNorm(h) + b1) + b2)
//
// w starts as idf / largest idf. Queries and documents share all weights until stage 2 (RepCONC, section 4).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/systems/repconc/vocabulary.h"

namespace tenfold::repconc {

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

// Texts side by side, for embedding_bag: words of text i are words[offsets[i]] to words[offsets[i + 1] - 1].
struct Bag {
  torch::Tensor words;    // [n] int64
  torch::Tensor offsets;  // [texts] int64
};
Bag make_bag(const WordLists& lists, std::span<const std::int64_t> rows);
Bag make_bag(const WordLists& lists);
// words: [B, L] int64, each row ends at its first -1.
Bag make_bag(const torch::Tensor& padded);

class EncoderImpl : public torch::nn::Module {
 public:
  // idf: [V], of each word.
  EncoderImpl(const EncoderOptions& options, std::span<const float> idf);

  // [B, d], rows of length 1. A text without known words has the vector of the empty text.
  torch::Tensor forward(const Bag& bag);
  // Without gradients, in parts: [texts, d].
  torch::Tensor encode(const WordLists& lists);

 private:
  torch::Tensor table_;    // E, [V, width]
  torch::Tensor weights_;  // w, [V]
  torch::nn::Linear project_{nullptr}, inner_{nullptr}, outer_{nullptr};
  torch::nn::LayerNorm norm_{nullptr};
};
TORCH_MODULE(Encoder);

}  // namespace tenfold::repconc
