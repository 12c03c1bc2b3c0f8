// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/docid_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/kernels/dot.h"
#include "tenfold/kernels/gemm.h"
#include "tenfold/kernels/transformer_ops.h"
#include "tenfold/systems/dsi/runtime/float_rows.h"

namespace tenfold::dsi {
namespace {

constexpr std::uint32_t kLargeVocabulary = 2048;
constexpr std::size_t kMostPositions = 1024;  // of models without learned positions

double flop_of(const PackedLinear& map) {
  return 2.0 * static_cast<double>(map.inputs() * map.outputs());
}

// All linear maps that a new position goes through.
std::vector<const PackedLinear*> maps_of_a_row(const T5Stack& stack, const PackedLinear& head) {
  std::vector<const PackedLinear*> maps{&head};
  for (const T5Layer& layer : stack.layers) {
    maps.insert(maps.end(),
                {&layer.self.query_key_value,
                 &layer.self.output,
                 &layer.cross.query_key_value,
                 &layer.cross.output,
                 &layer.feed_forward.inner,
                 &layer.feed_forward.outer});
  }
  return maps;
}

}  // namespace

DocidDecoder DocidDecoder::open(const io::SafetensorsReader& file, const T5Options& options) {
  const WeightFile weights(file);
  const WeightFormat format = parse_weight_format(options.weights);
  DocidDecoder out;
  const auto embedding = weights.matrix("docid.embedding.weight");
  const std::size_t d = embedding.columns;
  const auto head = weights.matrix("docid.head.weight", 0, d);
  if (embedding.rows != head.rows + 1 || head.rows >= std::numeric_limits<std::uint32_t>::max())
    fail_weights("docid.embedding.weight needs one row more than docid.head.weight, for the start token",
                 fmt::format("{} and {} rows", embedding.rows, head.rows),
                 fmt::format("{} rows", head.rows + 1));
  out.tokens_ = static_cast<std::uint32_t>(head.rows);
  out.stack_ = read_t5_stack(weights, "decoder", d, options, format);
  if (out.stack_.layers.front().cross.output.outputs() == 0)
    fail_weights("the decoder does not attend to the text", "no EncDecAttention", "EncDecAttention");
  out.embedding_ = padded_rows(embedding, out.stack_.padded);
  out.positions_ = kMostPositions;
  if (weights.has("docid.position.weight")) {
    const auto position = weights.matrix("docid.position.weight", 0, d);
    out.position_ = padded_rows(position, out.stack_.padded);
    out.positions_ = position.rows;
  }
  out.head_ = PackedLinear(head.values, head.rows, d, format);
  if (out.tokens_ >= kLargeVocabulary) out.head_rows_ = padded_rows(head, out.stack_.padded);
  out.bias_.resize(out.stack_.heads * out.positions_);
  for (std::size_t h = 0; h < out.stack_.heads; ++h) {
    for (std::size_t distance = 0; distance < out.positions_; ++distance) {
      const std::size_t bucket =
          relative_bucket(-signed_of(distance), false, out.stack_.buckets, options.max_distance);
      out.bias_[h * out.positions_ + out.positions_ - 1 - distance] =
          out.stack_.position_bias[bucket * out.stack_.heads + h];
    }
  }
  return out;
}

std::size_t DocidDecoder::weight_bytes() const {
  std::size_t total = 0;
  for (const PackedLinear* map : maps_of_a_row(stack_, head_)) total += map->bytes();
  return total;
}

double DocidDecoder::flop_per_row() const {
  double total = 0;
  for (const PackedLinear* map : maps_of_a_row(stack_, head_)) total += flop_of(*map);
  return total;
}

double DocidDecoder::flop_per_memory_row() const {
  double total = 0;
  for (const T5Layer& layer : stack_.layers) total += flop_of(layer.cross.key) + flop_of(layer.cross.value);
  return total;
}

void DecoderSession::begin(std::span<const QueryMemory> queries, std::size_t rows, std::size_t slots) {
  const T5Stack& stack = decoder_.stack_;
  const std::size_t inner = stack.inner(), layers = stack.layers.size();
  memories_.clear();
  memory_rows_ = 0;
  std::size_t longest = 0;
  for (const QueryMemory& query : queries) {
    if (query.rows == 0)
      throw Error(ErrorClass::kData,
                  "dsi.empty_query",
                  {.what = "a query has no memory to attend to",
                   .seen = "0 rows",
                   .wanted = "at least 1",
                   .remedy = "leave empty queries out"});
    memories_.push_back({memory_rows_, query.rows});
    memory_rows_ += padded_to_16(query.rows);
    longest = std::max(longest, padded_to_16(query.rows));
  }
  grow(memory_keys_, layers * memory_rows_ * inner);
  grow(memory_values_, layers * memory_rows_ * inner);
  grow(projected_, longest * inner);
  grow(x_, rows * stack.padded);
  grow(normed_, rows * stack.padded);
  grow(queries_, rows * inner);
  grow(attended_, rows * inner);
  grow(inner_, rows * 2 * stack.largest_feed_forward());
  grow(scores_, std::max(rows * longest, stack.heads * padded_to_16(decoder_.positions_)));
  grow(logits_, rows * decoder_.head_.padded_outputs());
  cache_.resize(layers);
  used_ = 0;
  reserve_slots(slots);
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const AttentionWeights& cross = stack.layers[layer].cross;
    for (std::size_t i = 0; i < queries.size(); ++i) {
      const kernels::ConstRows from{queries[i].data, queries[i].stride};
      const std::size_t first = (layer * memory_rows_ + memories_[i].first) * inner;
      cross.value.apply(from, queries[i].rows, {memory_values_.data() + first, signed_of(inner)});
      cross.key.apply(from, queries[i].rows, {projected_.data(), signed_of(inner)});
      kernels::transpose({projected_.data(), signed_of(inner)},
                         {queries[i].rows, inner},
                         {memory_keys_.data() + first, signed_of(padded_to_16(queries[i].rows))});
    }
  }
}

void DecoderSession::reserve_slots(std::size_t slots) {
  for (AlignedVector<float>& cache : cache_) grow(cache, slots * 3 * decoder_.stack_.inner());
  slots_ = std::max(slots, slots_);
}

void DecoderSession::embed(const StepRows& rows) {
  const std::size_t padded = decoder_.stack_.padded;
  for (std::size_t row = 0; row < rows.tokens.size(); ++row) {
    const float* token = decoder_.embedding_.data() + rows.tokens[row] * padded;
    float* x = x_.data() + row * padded;
    if (decoder_.position_.empty()) {
      std::copy_n(token, padded, x);
      continue;
    }
    const float* position = decoder_.position_.data() + rows.positions[row] * padded;
    for (std::size_t j = 0; j < padded; ++j) x[j] = token[j] + position[j];
  }
}

void DecoderSession::self_attention(std::size_t layer, const StepRows& rows) {
  const T5Stack& stack = decoder_.stack_;
  const AttentionWeights& weights = stack.layers[layer].self;
  const std::size_t count = rows.tokens.size(), inner = stack.inner();
  const kernels::FloatRows x{x_.data(), signed_of(stack.padded)},
      normed{normed_.data(), signed_of(stack.padded)};
  float* cache = cache_[layer].data();
  float* fresh =
      cache + used_ * 3 * inner;  // the rows' slots are the next ones: the product lands in the cache
  kernels::rms_norm(read_only(x), count, weights.norm.view(), normed);
  weights.query_key_value.apply(read_only(normed), count, {fresh, signed_of(3 * inner)});
  kernels::PathAttention attention{.keys = cache + inner,
                                   .values = cache + 2 * inner,
                                   .stride = signed_of(3 * inner),
                                   .heads = stack.heads,
                                   .width = stack.width,
                                   .bias_stride = signed_of(decoder_.positions_)};
  for (std::size_t row = 0; row < count; ++row) {
    attention.path = rows.paths.data() + row * rows.path_stride;
    attention.positions = rows.positions[row] + 1;
    attention.bias = decoder_.bias_.data() + decoder_.positions_ - attention.positions;
    kernels::attend_path(fresh + row * 3 * inner, attention, scores_.data(), attended_.data() + row * inner);
  }
  weights.output.apply({attended_.data(), signed_of(inner)}, count, x, true);
}

// Rows [first, first + count) are hypotheses of `query`.
void DecoderSession::attend_memory(std::size_t layer,
                                   std::size_t query,
                                   std::size_t first,
                                   std::size_t count) {
  const T5Stack& stack = decoder_.stack_;
  const std::size_t inner = stack.inner(), rows = memories_[query].rows, columns = padded_to_16(rows);
  const std::size_t begin = (layer * memory_rows_ + memories_[query].first) * inner;
  for (std::size_t head = 0; head < stack.heads; ++head) {
    const std::size_t at = head * stack.width;
    const kernels::GemmTerm scores{.a = queries_.data() + first * inner + at,
                                   .row_stride = signed_of(inner),
                                   .b = memory_keys_.data() + begin + at * columns,
                                   .steps = stack.width,
                                   .b_step = signed_of(columns)};
    kernels::gemm({&scores, 1}, count, columns, {.c = scores_.data(), .row_stride = signed_of(columns)});
    kernels::softmax_rows({scores_.data(), signed_of(columns)}, {count, rows});
    const kernels::GemmTerm values{.a = scores_.data(),
                                   .row_stride = signed_of(columns),
                                   .b = memory_values_.data() + begin + at,
                                   .steps = rows,
                                   .b_step = signed_of(inner)};
    kernels::gemm({&values, 1},
                  count,
                  stack.width,
                  {.c = attended_.data() + first * inner + at, .row_stride = signed_of(inner)});
  }
}

void DecoderSession::cross_attention(std::size_t layer, const StepRows& rows) {
  const T5Stack& stack = decoder_.stack_;
  const AttentionWeights& weights = stack.layers[layer].cross;
  const std::size_t count = rows.tokens.size(), inner = stack.inner();
  const kernels::FloatRows x{x_.data(), signed_of(stack.padded)},
      normed{normed_.data(), signed_of(stack.padded)};
  kernels::rms_norm(read_only(x), count, weights.norm.view(), normed);
  weights.query_key_value.apply(read_only(normed), count, {queries_.data(), signed_of(inner)});
  for (std::size_t first = 0, end = 0; first < count; first = end) {
    while (end < count && rows.queries[end] == rows.queries[first]) ++end;
    attend_memory(layer, rows.queries[first], first, end - first);
  }
  weights.output.apply({attended_.data(), signed_of(inner)}, count, x, true);
}

void DecoderSession::feed_forward(const FeedForwardWeights& weights, std::size_t rows) {
  const auto padded = signed_of(decoder_.stack_.padded);
  const kernels::FloatRows x{x_.data(), padded}, normed{normed_.data(), padded};
  const kernels::FloatRows wide{inner_.data(), signed_of(2 * weights.width)};
  kernels::rms_norm(read_only(x), rows, weights.norm.view(), normed);
  weights.inner.apply(read_only(normed), rows, wide);
  kernels::gated_gelu(wide, {rows, weights.width});
  weights.outer.apply(read_only(wide), rows, x, true);
}

void DecoderSession::step(const StepRows& rows) {
  const std::size_t count = rows.tokens.size();
  check_internal(used_ + count <= slots_ && count * decoder_.stack_.padded <= x_.size(),
                 "DecoderSession: more rows than begin() was told");
  for (std::size_t row = 0; row < count; ++row)
    rows.paths[row * rows.path_stride + rows.positions[row]] = static_cast<std::uint32_t>(used_ + row);
  embed(rows);
  const T5Stack& stack = decoder_.stack_;
  for (std::size_t layer = 0; layer < stack.layers.size(); ++layer) {
    self_attention(layer, rows);
    cross_attention(layer, rows);
    feed_forward(stack.layers[layer].feed_forward, count);
  }
  const auto padded = signed_of(stack.padded);
  kernels::rms_norm({x_.data(), padded}, count, stack.final_norm.view(), {normed_.data(), padded});
  used_ += count;
  last_rows_ = count;
}

void DecoderSession::compute_logit(std::size_t row, std::uint32_t token) {
  const std::size_t padded = decoder_.stack_.padded;
  logits_[row * decoder_.head_.padded_outputs() + token] =
      kernels::dot(normed_.data() + row * padded, decoder_.head_rows_.data() + token * padded, padded);
}

void DecoderSession::compute_logits(std::uint32_t begin, std::uint32_t end) {
  check_internal(begin < end && end <= decoder_.tokens_, "DecoderSession: no such tokens");
  decoder_.head_.apply_range({normed_.data(), signed_of(decoder_.stack_.padded)},
                             last_rows_,
                             begin,
                             end,
                             {logits_.data(), signed_of(decoder_.head_.padded_outputs())});
}

}  // namespace tenfold::dsi
