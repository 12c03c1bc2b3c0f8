// SPDX-License-Identifier: Apache-2.0
// The decoder of T5 over docid tokens for inference: one new position for many hypotheses of many queries at once, with cached keys
// and values, without LibTorch, autograd or allocations between begin() and the last step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tenfold/base/aligned_vector.h"
#include "tenfold/kernels/activation.h"
#include "tenfold/systems/dsi/runtime/t5_weights.h"

namespace tenfold::dsi {

// What the decoder attends to: [rows, d], the encoder's output or slots of a bag of words; rows `stride` apart.
struct QueryMemory {
  const float* data = nullptr;
  std::ptrdiff_t stride = 0;
  std::size_t rows = 0;
};

// Immutable, thread-safe.
class DocidDecoder {
 public:
  // Reads decoder.* and docid.{embedding,position,head}.weight; docid.position.weight may be missing. Throws Error(kFile,
  // "dsi.weights").
  static DocidDecoder open(const io::SafetensorsReader& file, const T5Options& options);

  std::size_t dimension() const { return stack_.dimension; }
  std::uint32_t tokens() const { return tokens_; }          // T, the end token too
  std::uint32_t start_token() const { return tokens_; }     // what every hypothesis begins with
  std::size_t max_positions() const { return positions_; }  // tokens of a docid, the end token too
  std::size_t layers() const { return stack_.layers.size(); }
  std::size_t weight_bytes() const;
  // Multiply-adds times two of the linear maps: for one position of one hypothesis, the head included, and for one row of memory.
  double flop_per_row() const;
  double flop_per_memory_row() const;

 private:
  friend class DecoderSession;

  T5Stack stack_;
  AlignedVector<float> embedding_;  // [T + 1, padded]
  AlignedVector<float> position_;   // [positions, padded] or empty
  PackedLinear head_;
  AlignedVector<float> head_rows_;  // [T, padded] again, row by row, for large vocabularies
  std::uint32_t tokens_ = 0;
  std::size_t positions_ = 0;
  std::vector<float>
      bias_;  // [heads, positions]: by position of the key before that of the query, the nearest last
};

// One new position of hypotheses. Rows of a query lie together, queries ascending.
struct StepRows {
  std::span<const std::uint32_t>
      tokens;  // [rows] the token before the new position; start_token() at position 0
  std::span<const std::uint32_t> queries;    // [rows] of begin()
  std::span<const std::uint32_t> positions;  // [rows], below max_positions()
  // [rows, path_stride] where the cache holds positions 0, 1, ... of each hypothesis. step() stores the slot of the new position.
  std::span<std::uint32_t> paths;
  std::size_t path_stride = 0;
};

// The cache and all buffers of one thread. Rows depend on their own query and hypothesis alone: any batch gives the same bits.
class DecoderSession {
 public:
  explicit DecoderSession(const DocidDecoder& decoder) : decoder_(decoder) {}

  // Computes the keys and values of the memories and makes room for steps of up to `rows` rows with `slots` rows altogether. Grows
  // its buffers when they are too small and never shrinks them.
  void begin(std::span<const QueryMemory> queries, std::size_t rows, std::size_t slots);

  // Room for `slots` rows altogether, keeping what is cached.
  void reserve_slots(std::size_t slots);
  std::size_t used_slots() const { return used_; }
  std::size_t slots() const { return slots_; }

  // Hidden state of the new position behind the final norm, kept for logits(). The rows take the next slots, which must be there.
  void step(const StepRows& rows);

  // [d] of a row of the last step, behind the final norm.
  const float* hidden(std::size_t row) const { return normed_.data() + row * decoder_.stack_.padded; }

  // Whether single logits are cheap: vocabularies of which a prefix allows few.
  bool has_single_logits() const { return !decoder_.head_rows_.empty(); }
  // The logit of one token of one row of the last step, only then. In float32 whatever the format.
  void compute_logit(std::size_t row, std::uint32_t token);

  // Logits of tokens [begin, end) for the rows of the last step: row r is `row(r)`, token t its number t; others are undefined.
  void compute_logits(std::uint32_t begin, std::uint32_t end);
  const float* logits(std::size_t row) const {
    return logits_.data() + row * decoder_.head_.padded_outputs();
  }

 private:
  void embed(const StepRows& rows);
  void self_attention(std::size_t layer, const StepRows& rows);
  void cross_attention(std::size_t layer, const StepRows& rows);
  void feed_forward(const FeedForwardWeights& weights, std::size_t rows);
  void attend_memory(std::size_t layer, std::size_t query, std::size_t first, std::size_t count);

  const DocidDecoder& decoder_;
  struct Memory {
    std::size_t first = 0;  // row of the pools, a multiple of 16
    std::size_t rows = 0;
  };
  std::vector<Memory> memories_;
  std::size_t memory_rows_ = 0;         // of the pools
  AlignedVector<float> memory_keys_;    // [layers, memory_rows, inner]; of one memory: [inner, padded rows]
  AlignedVector<float> memory_values_;  // [layers, memory_rows, inner]
  std::vector<AlignedVector<float>> cache_;  // [layers][slots, 3 inner]: query, key, value
  std::size_t slots_ = 0, used_ = 0, last_rows_ = 0;
  AlignedVector<float> x_, normed_, queries_, attended_, inner_, scores_, logits_, projected_;
};

}  // namespace tenfold::dsi
