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

// Adds a low-rank sum (may be null) and the pending dense moves to the weights of one panel.
void WideLinear::add_pending(std::size_t panel, LowRank* sum, float* weights) {
  const std::size_t width = weights_.width(panel);
  if (sum != nullptr) {
    const GemmTerm term{.a = sum->signs.data(),
                        .row_stride = 16,
                        .segment_stride = stride_of(weights_.steps() * 16),
                        .b = rows_panel(*sum, panel),
                        .steps = std::min<std::size_t>(rank(), 16),
                        .segments = blocks()};
    kernels::gemm({&term, 1}, weights_.steps(), width, {.c = weights, .add = true});
  }
  for (const Move& move : dense_) {
    float* signs = dense_scratch_.own();
    weights_.draw_dense(dense_stream(move.key), panel, signs);
    const std::size_t size = weights_.steps() * width;
    kernels::narrow_rank1(&move.scale, signs, {weights, stride_of(size), 1, size});
  }
}

// Applies what is due to one panel, and brings its bfloat16 copy up to date when this pass uses it.
void WideLinear::update_panel(std::size_t panel) {
  add_pending(panel, applying_, weights_.panel(panel));
  if (uses_pairs_ && pairs_stale_) weights_.refresh_pairs(panel);
}

void WideLinear::apply_pending() {
  if (current().count() == 0 && dense_.empty()) return;
  clear_unused(current());
  applying_ = &current();
  uses_pairs_ = false;
  if (!dense_.empty()) dense_scratch_.prepare(weights_.steps() * kPanelColumns);
  parallel_each(weights_.panels(), [&](std::size_t p) { update_panel(p); });
  applying_ = nullptr;
  dense_.clear();
  current().moves.clear();
  std::fill_n(current().rows.data(), current().rows.size(), 0.0f);
  pairs_stale_ = true;
}

void WideLinear::move(std::span<const float> scales) {
  if (drawn_ == DirectionKind::kNone) return;
  const std::size_t first = current().count();
  for (std::size_t j = 0; j < scales.size(); ++j) {
    kernels::narrow_rank1(&scales[j],
                          bias_signs_.data() + j * weights_.columns(),
                          {weights_.bias(), stride_of(weights_.columns()), 1, weights_.columns()});
    if (drawn_ == DirectionKind::kDense) {
      dense_.push_back({keys_[j], scales[j]});
    } else {
      scale_row(first + j, scales[j]);
      current().moves.push_back({keys_[j], scales[j]});
    }
  }
  drawn_ = DirectionKind::kNone;
}

void WideLinear::scale_row(std::size_t row, float scale) {
  for (std::size_t p = 0; p < weights_.panels(); ++p) {
    const std::size_t width = weights_.width(p);
    float* own = rows_panel(current(), p) + row * width;
    for (std::size_t c = 0; c < width; ++c) own[c] *= scale;
  }
}

void WideLinear::load() {
  weights_.load(parameters().weight, parameters().bias);
  for (LowRank& sum : sums_) {
    sum.moves.clear();
    std::fill_n(sum.rows.data(), sum.rows.size(), 0.0f);
  }
  dense_.clear();
  pairs_stale_ = true;
}

void WideLinear::store() {
  if (current().count() == 0 && dense_.empty()) {
    weights_.store(parameters().weight, parameters().bias);
    return;
  }
  clear_unused(current());
  if (!dense_.empty()) dense_scratch_.prepare(weights_.steps() * kPanelColumns);
  Buffer<float> moved(weights_.size());
  parallel_each(weights_.panels(), [&](std::size_t p) {
    float* own = moved.data() + weights_.panel_offset(p);
    std::copy_n(weights_.panel(p), weights_.steps() * weights_.width(p), own);
    add_pending(p, &current(), own);
  });
  weights_.store_packed(moved.data(), parameters().weight, parameters().bias);
}

void WideLinear::save_state(const std::string& prefix, StateMap& state) const {
  const LowRank& sum = sums_[current_];
  if (sum.count() > 0) state[prefix + "moves"] = moves_tensor(sum.moves);
  if (!dense_.empty()) state[prefix + "dense_moves"] = moves_tensor(dense_);
  if (sum.count() > 0 || !dense_.empty()) {
    state[prefix + "weight"] = weights_.unpack(weights_.data(), parameters().weight.sizes());
  }
  if (!pairs_stale_) state[prefix + "rounding"] = weights_.rounding_state();
}

void WideLinear::restore_state(const std::string& prefix, const StateMap& state) {
  const auto weight = state.find(prefix + "weight"), moves = state.find(prefix + "moves"),
             dense = state.find(prefix + "dense_moves");
  if (weight != state.end()) {
    if (weight->second.sizes() != parameters().weight.sizes() || weight->second.scalar_type() != at::kFloat) {
      throw bad_state(prefix + "weight of another shape", "that of the layer");
    }
    weights_.load(weight->second, parameters().bias);
  }
  if (dense != state.end()) dense_ = moves_from(dense->second);
  if (moves != state.end()) {
    const std::vector<Move> saved = moves_from(moves->second);
    if (saved.size() > capacity_) {
      throw bad_state(std::to_string(saved.size()) + " pending updates",
                      "at most " + std::to_string(capacity_));
    }
    for (const Move& move : saved) {
      draw(move.key, current().count());
      scale_row(current().count(), move.scale);
      current().moves.push_back(move);
    }
  }
  pairs_stale_ = !weights_.restore_pairs(prefix + "rounding", state);
}

void WideLinear::backward(const BackwardPass& pass,
                          const Activations& in,
                          float* out_gradient,
                          float* in_gradient) {
  workspace_ = pass.workspace;
  apply_pending();
  const std::ptrdiff_t stride = stride_of(output().image_stride);
  const std::size_t padded_batch = round_up(pass.batch, 16);
  if (in_gradient != nullptr) {
    workspace_->transposed.grow(weights_.columns() * padded_batch);
    parallel_each(weights_.panels(), [&](std::size_t p) {
      kernels::transpose(
          {out_gradient + p * kPanelColumns, stride},
          {pass.batch, weights_.width(p)},
          {workspace_->transposed.data() + p * kPanelColumns * padded_batch, stride_of(padded_batch)});
    });
    workspace_->input_sums.prepare(kBackwardSteps * padded_batch);
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
                        .b = workspace_->transposed.data() + panel * kPanelColumns * padded_batch,
                        .steps = width,
                        .segments = panels,
                        .b_step = stride_of(padded_batch),
                        .b_segment = stride_of(width * padded_batch)};
    };
    if (full > 0) add_panels(0, full);
    if (rest > 0) add_panels(full, 1);
    float* sums = workspace_->input_sums.own();
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
  return {weights,
          weights / static_cast<double>(weights_.outputs()),
          weights,
          static_cast<double>(weights_.outputs())};
}

std::size_t WideLinear::buffer_bytes() const {
  std::size_t bytes = bias_signs_.bytes() + dense_scratch_.bytes();
  for (const LowRank& sum : sums_) bytes += sum.signs.bytes() + sum.pairs.bytes() + sum.rows.bytes();
  return bytes;
}

}  // namespace tenfold::forward_gradient
