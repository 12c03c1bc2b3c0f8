// SPDX-License-Identifier: Apache-2.0
// Updates of the fully connected layer: pending sums of forward gradients, and the backward pass with its update.
#include <ATen/Functions.h>

#include <algorithm>

#include "tenfold/kernels/narrow_linear.h"
#include "tenfold/systems/forward_gradient/wide_linear.h"

namespace tenfold::forward_gradient {
namespace {

using kernels::GemmTerm;
using kernels::kPanelColumns;

// Input numbers a thread takes at a time in the backward pass: their weights, read for the gradient of the input and then
// updated, stay in the second-level cache.
constexpr std::size_t kBackwardSteps = 56;

}  // namespace

// Applies what is pending to one panel, and brings its bfloat16 copy up to date when this pass uses it.
void WideLinear::update_panel(const Pass& pass, std::size_t panel) {
  const std::size_t width = weights_.width(panel);
  if (applying_ != nullptr) {
    const std::size_t block_steps = std::min<std::size_t>(rank(), 16);
    const GemmTerm term{.a = applying_->signs.data(),
                        .row_stride = 16,
                        .segment_stride = stride_of(weights_.steps() * 16),
                        .b = rows_panel(*applying_, panel),
                        .steps = block_steps,
                        .segments = blocks()};
    kernels::gemm({&term, 1}, weights_.steps(), width, {.c = weights_.panel(panel), .add = true});
  }
  for (const DenseMove& move : dense_) {
    float* signs = dense_scratch_.own();
    weights_.draw_dense(move.stream, panel, signs);
    const std::size_t size = weights_.steps() * width;
    kernels::narrow_rank1(&move.scale, signs, {weights_.panel(panel), stride_of(size), 1, size});
  }
  const bool changed = applying_ != nullptr || !dense_.empty() || pairs_stale_;
  if (uses_pairs_ && changed) weights_.refresh_pairs(panel, rounding(pass, 2));
}

void WideLinear::apply_pending() {
  if (current().count == 0 && dense_.empty()) return;
  clear_unused(current());
  applying_ = &current();
  uses_pairs_ = false;
  if (!dense_.empty()) dense_scratch_.prepare(weights_.steps() * kPanelColumns);
  parallel_each(weights_.panels(), [&](std::size_t p) { update_panel({}, p); });
  applying_ = nullptr;
  dense_.clear();
  current().count = 0;
  std::fill_n(current().rows.data(), current().rows.size(), 0.0f);
  pairs_stale_ = true;
}

void WideLinear::move(std::span<const float> scales) {
  if (drawn_ == DirectionKind::kNone) return;
  for (std::size_t j = 0; j < scales.size(); ++j) {
    const kernels::NarrowWeights bias{weights_.bias(), stride_of(weights_.columns()), 1, weights_.columns()};
    kernels::narrow_rank1(&scales[j], bias_signs_.data() + j * weights_.columns(), bias);
    if (drawn_ == DirectionKind::kDense) {
      dense_.push_back({dense_streams_[j], scales[j]});
      continue;
    }
    for (std::size_t p = 0; p < weights_.panels(); ++p) {
      const std::size_t width = weights_.width(p);
      float* row = rows_panel(current(), p) + (current().count + j) * width;
      for (std::size_t c = 0; c < width; ++c) row[c] *= scales[j];
    }
  }
  if (drawn_ == DirectionKind::kRankOne) current().count += scales.size();
  drawn_ = DirectionKind::kNone;
}

void WideLinear::load() {
  weights_.load(parameters().weight, parameters().bias);
  for (LowRank& sum : sums_) {
    sum.count = 0;
    std::fill_n(sum.rows.data(), sum.rows.size(), 0.0f);
  }
  dense_.clear();
  pairs_stale_ = true;
}

void WideLinear::backward(const BackwardPass& pass,
                          const Activations& in,
                          float* out_gradient,
                          float* in_gradient) {
  apply_pending();
  const std::ptrdiff_t stride = stride_of(output().image_stride);
  const std::size_t padded_batch = round_up(pass.batch, 16);
  if (in_gradient != nullptr) {
    transposed_.grow(weights_.columns() * padded_batch);
    parallel_each(weights_.panels(), [&](std::size_t p) {
      kernels::transpose({out_gradient + p * kPanelColumns, stride},
                         {pass.batch, weights_.width(p)},
                         {transposed_.data() + p * kPanelColumns * padded_batch, stride_of(padded_batch)});
    });
    gradient_scratch_.prepare(kBackwardSteps * padded_batch);
  }
  if (pass.to_gradient) weights_.gradient();
  parallel_each((weights_.steps() + kBackwardSteps - 1) / kBackwardSteps, [&](std::size_t i) {
    backward_rows(pass, in, out_gradient, in_gradient, i * kBackwardSteps);
  });
  Buffer<float> sums(weights_.columns());
  kernels::add_column_sums({out_gradient, stride}, {pass.batch, weights_.columns()}, sums.data());
  float* bias = pass.to_gradient ? weights_.bias_gradient() : weights_.bias();
  if (parameters().bias.defined()) {
    kernels::narrow_rank1(
        &pass.alpha, sums.data(), {bias, stride_of(weights_.columns()), 1, weights_.columns()});
  }
  pairs_stale_ = true;
}

// Input numbers [first, first + kBackwardSteps): the gradient with respect to them by the old weights, then their update.
void WideLinear::backward_rows(const BackwardPass& pass,
                               const Activations& in,
                               const float* out_gradient,
                               float* in_gradient,
                               std::size_t first) {
  const std::size_t rows = std::min(kBackwardSteps, weights_.steps() - first);
  const std::ptrdiff_t in_stride = stride_of(in.shape.image_stride);
  if (in_gradient != nullptr) {
    const std::size_t padded_batch = round_up(pass.batch, 16);
    const std::size_t full = weights_.columns() / kPanelColumns, rest = weights_.columns() % kPanelColumns;
    GemmTerm terms[2];
    std::size_t count = 0;
    const auto add_panels = [&](std::size_t panel, std::size_t panels) {
      const std::size_t width = weights_.width(panel);
      terms[count++] = {.a = weights_.panel(panel) + first * width,
                        .row_stride = stride_of(width),
                        .segment_stride = stride_of(weights_.steps() * width),
                        .b = transposed_.data() + panel * kPanelColumns * padded_batch,
                        .steps = width,
                        .segments = panels,
                        .b_step = stride_of(padded_batch),
                        .b_segment = stride_of(width * padded_batch)};
    };
    if (full > 0) add_panels(0, full);
    if (rest > 0) add_panels(full, 1);
    float* sums = gradient_scratch_.own();
    kernels::gemm(std::span(terms).first(count),
                  rows,
                  padded_batch,
                  {.c = sums, .row_stride = stride_of(padded_batch)});
    kernels::transpose({sums, stride_of(padded_batch)},
                       {rows, pass.batch},
                       {in_gradient + first, in_stride},
                       {pass.mask_input ? in.values + first : nullptr, in_stride});
  }
  float* to = pass.to_gradient ? weights_.gradient() : weights_.data();
  const GemmTerm term{.a = in.values + first,
                      .row_stride = 1,
                      .step_stride = in_stride,
                      .b = out_gradient,
                      .steps = pass.batch,
                      .b_step = stride_of(output().image_stride)};
  for (std::size_t p = 0; p < weights_.panels(); ++p) {
    const std::size_t width = weights_.width(p);
    GemmTerm own = term;
    own.b = out_gradient + p * kPanelColumns;
    kernels::gemm({&own, 1},
                  rows,
                  width,
                  {.c = to + weights_.panel_offset(p) + first * width,
                   .row_stride = stride_of(width),
                   .add = true,
                   .alpha = pass.alpha});
  }
}

torch::Tensor WideLinear::weight_direction(DirectionKind kind, const train::DirectionKey& key) const {
  if (kind == DirectionKind::kRankOne) return FusedLayer::weight_direction(kind, key);
  Buffer<float> signs(weights_.size());
  for (std::size_t p = 0; p < weights_.panels(); ++p) {
    weights_.draw_dense(dense_stream(key), p, signs.data() + weights_.panel_offset(p));
  }
  return weights_.unpack(signs.data(), parameters().weight.sizes());
}

LayerWork WideLinear::work() const {
  const auto weights = static_cast<double>(parameters().weight.numel());
  return {weights, weights / static_cast<double>(weights_.outputs()), weights};
}

std::size_t WideLinear::buffer_bytes() const {
  std::size_t bytes = bias_signs_.bytes() + products_.bytes() + tangent_products_.bytes() +
                      transposed_.bytes() + sums_scratch_.bytes() + dense_scratch_.bytes() +
                      gradient_scratch_.bytes();
  for (const LowRank& sum : sums_) bytes += sum.signs.bytes() + sum.pairs.bytes() + sum.rows.bytes();
  return bytes;
}

}  // namespace tenfold::forward_gradient
