// SPDX-License-Identifier: Apache-2.0
// The encoder of T5 for inference: token numbers of texts to one vector a token, without LibTorch and without padding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tenfold/base/aligned_vector.h"
#include "tenfold/kernels/activation.h"
#include "tenfold/systems/dsi/runtime/t5_weights.h"

namespace tenfold::dsi {

using TokenList = std::span<const std::uint32_t>;

// Buffers of one caller: grow when a larger batch comes, then stay.
class EncoderBuffers {
 public:
  // Vectors of text i of the last batch: [tokens, d], rows padded.
  kernels::ConstRows memory(std::size_t text) const {
    return {normed_.data() + starts_[text] * padded_, static_cast<std::ptrdiff_t>(padded_)};
  }
  std::size_t tokens(std::size_t text) const { return starts_[text + 1] - starts_[text]; }

 private:
  friend class TextEncoder;
  AlignedVector<float> x_, normed_, projected_, attended_, inner_, keys_, scores_;
  AlignedVector<float> bias_;  // [heads, 2 longest - 1] by key minus query
  std::vector<std::size_t> starts_;
  std::size_t padded_ = 0, longest_ = 0;
};

// Immutable, thread-safe.
class TextEncoder {
 public:
  // Reads shared.weight and encoder.*. Throws Error(kFile, "dsi.weights").
  static TextEncoder open(const io::SafetensorsReader& file, const T5Options& options);

  std::size_t dimension() const { return stack_.dimension; }
  std::size_t vocabulary() const { return vocabulary_; }
  std::size_t layers() const { return stack_.layers.size(); }
  // Multiply-adds times two of the linear maps for one token.
  double flop_per_token() const;

  // h = encoder(tokens) for each text, into buffers.memory(). A text has the same bits in any batch. Throws Error(kData): "dsi.empty_query"
  // for a text without tokens, "dsi.token_out_of_vocabulary".
  void encode(std::span<const TokenList> texts, EncoderBuffers& buffers) const;

 private:
  void prepare(std::span<const TokenList> texts, EncoderBuffers& buffers) const;
  void attend(std::size_t text, EncoderBuffers& buffers) const;

  T5Stack stack_;
  AlignedVector<float> embedding_;  // [vocabulary, padded]
  std::size_t vocabulary_ = 0;
  std::size_t far_ = 0;      // max_distance: further positions have its bias
  std::vector<float> bias_;  // [heads, 2 far + 1] by key minus query
};

}  // namespace tenfold::dsi
