// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/text_encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/kernels/gemm.h"
#include "tenfold/kernels/transformer_ops.h"
#include "tenfold/systems/dsi/runtime/float_rows.h"

namespace tenfold::dsi {
TextEncoder TextEncoder::open(const io::SafetensorsReader& file, const T5Options& options) {
  const WeightFile weights(file);
  TextEncoder out;
  const auto shared = weights.matrix("shared.weight");
  out.vocabulary_ = shared.rows;
  const WeightFormat format = parse_weight_format(options.weights);
  out.stack_ = read_t5_stack(weights,
                             "encoder",
                             shared.columns,
                             options,
                             format == WeightFormat::kInt8 ? WeightFormat::kFloat32 : format);
  out.embedding_ = padded_rows(shared, out.stack_.padded);
  const auto far = static_cast<std::ptrdiff_t>(options.max_distance);
  out.far_ = static_cast<std::size_t>(far);
  for (std::size_t head = 0; head < out.stack_.heads; ++head) {
    for (std::ptrdiff_t relative = -far; relative <= far; ++relative) {
      const std::size_t bucket = relative_bucket(relative, true, out.stack_.buckets, options.max_distance);
      out.bias_.push_back(out.stack_.position_bias[bucket * out.stack_.heads + head]);
    }
  }
  return out;
}

double TextEncoder::flop_per_token() const {
  double total = 0;
  for (const T5Layer& layer : stack_.layers) {
    for (const PackedLinear* map : {&layer.self.query_key_value,
                                    &layer.self.output,
                                    &layer.feed_forward.inner,
                                    &layer.feed_forward.outer})
      total += 2.0 * static_cast<double>(map->inputs() * map->outputs());
  }
  return total;
}

void TextEncoder::prepare(std::span<const TokenList> texts, EncoderBuffers& buffers) const {
  buffers.padded_ = stack_.padded;
  buffers.starts_.assign(1, 0);
  std::size_t longest = 0;
  for (const TokenList& text : texts) {
    if (text.empty())
      throw Error(ErrorClass::kData,
                  "dsi.empty_query",
                  {.what = "a text has no tokens",
                   .seen = "0",
                   .wanted = "at least 1",
                   .remedy = "end every text with the end token, or leave empty ones out"});
    for (const std::uint32_t token : text) {
      if (token >= vocabulary_)
        throw Error(ErrorClass::kData,
                    "dsi.token_out_of_vocabulary",
                    {.what = "a text has a token that the encoder does not know",
                     .seen = fmt::format("{}", token),
                     .wanted = fmt::format("below {}", vocabulary_),
                     .remedy = "use the tokenizer of this model"});
    }
    longest = std::max(longest, text.size());
    buffers.starts_.push_back(buffers.starts_.back() + text.size());
  }
  const std::size_t rows = buffers.starts_.back(), columns = padded_to_16(longest);
  grow(buffers.x_, rows * stack_.padded);
  grow(buffers.normed_, rows * stack_.padded);
  grow(buffers.projected_, rows * 3 * stack_.inner());
  grow(buffers.attended_, rows * stack_.inner());
  grow(buffers.inner_, rows * 2 * stack_.largest_feed_forward());
  grow(buffers.keys_, stack_.inner() * columns);
  grow(buffers.scores_, longest * columns);
  grow(buffers.bias_, stack_.heads * (2 * longest - 1));
  for (std::size_t head = 0; head < stack_.heads; ++head) {
    const float* by_distance = bias_.data() + head * (2 * far_ + 1) + far_;
    for (std::size_t i = 0; i < 2 * longest - 1; ++i) {
      const std::ptrdiff_t relative = signed_of(i) - signed_of(longest) + 1, far = signed_of(far_);
      buffers.bias_[head * (2 * longest - 1) + i] = by_distance[std::clamp(relative, -far, far)];
    }
  }
  buffers.longest_ = longest;
  std::size_t row = 0;
  for (const TokenList& text : texts) {
    for (const std::uint32_t token : text)
      std::copy_n(embedding_.data() + token * stack_.padded,
                  stack_.padded,
                  buffers.x_.data() + row++ * stack_.padded);
  }
}

void TextEncoder::attend(std::size_t text, EncoderBuffers& buffers) const {
  const std::size_t inner = stack_.inner(), length = buffers.tokens(text), columns = padded_to_16(length);
  const std::size_t stride = 3 * inner, first = buffers.starts_[text];
  const float* queries = buffers.projected_.data() + first * stride;
  // [inner, columns]: the keys of a head are the right side of a product.
  kernels::transpose(
      {queries + inner, signed_of(stride)}, {length, inner}, {buffers.keys_.data(), signed_of(columns)});
  for (std::size_t head = 0; head < stack_.heads; ++head) {
    const std::size_t at = head * stack_.width;
    const kernels::GemmTerm scores{.a = queries + at,
                                   .row_stride = signed_of(stride),
                                   .b = buffers.keys_.data() + at * columns,
                                   .steps = stack_.width,
                                   .b_step = signed_of(columns)};
    kernels::gemm(
        {&scores, 1}, length, columns, {.c = buffers.scores_.data(), .row_stride = signed_of(columns)});
    // Row i begins at relative position -i.
    const float* bias = buffers.bias_.data() + head * (2 * buffers.longest_ - 1) + buffers.longest_ - 1;
    kernels::softmax_rows({buffers.scores_.data(), signed_of(columns)}, {length, length}, {bias, -1});
    const kernels::GemmTerm values{.a = buffers.scores_.data(),
                                   .row_stride = signed_of(columns),
                                   .b = queries + 2 * inner + at,
                                   .steps = length,
                                   .b_step = signed_of(stride)};
    kernels::gemm({&values, 1},
                  length,
                  stack_.width,
                  {.c = buffers.attended_.data() + first * inner + at, .row_stride = signed_of(inner)});
  }
}

void TextEncoder::encode(std::span<const TokenList> texts, EncoderBuffers& buffers) const {
  prepare(texts, buffers);
  const std::size_t rows = buffers.starts_.back();
  const auto padded = signed_of(stack_.padded), inner = signed_of(stack_.inner());
  const kernels::FloatRows x{buffers.x_.data(), padded}, normed{buffers.normed_.data(), padded};
  const kernels::FloatRows projected{buffers.projected_.data(), 3 * inner};
  const kernels::FloatRows attended{buffers.attended_.data(), inner};
  for (const T5Layer& layer : stack_.layers) {
    kernels::rms_norm(read_only(x), rows, layer.self.norm.view(), normed);
    layer.self.query_key_value.apply(read_only(normed), rows, projected);
    for (std::size_t text = 0; text < texts.size(); ++text) attend(text, buffers);
    layer.self.output.apply(read_only(attended), rows, x, true);
    const FeedForwardWeights& feed_forward = layer.feed_forward;
    const kernels::FloatRows wide{buffers.inner_.data(), signed_of(2 * feed_forward.width)};
    kernels::rms_norm(read_only(x), rows, feed_forward.norm.view(), normed);
    feed_forward.inner.apply(read_only(normed), rows, wide);
    kernels::gated_gelu(wide, {rows, feed_forward.width});
    feed_forward.outer.apply(read_only(wide), rows, x, true);
  }
  kernels::rms_norm(read_only(x), rows, stack_.final_norm.view(), normed);
}

}  // namespace tenfold::dsi
