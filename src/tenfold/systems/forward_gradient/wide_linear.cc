// SPDX-License-Identifier: Apache-2.0
// Forward passes of the fully connected layer; the backward pass and updates are in wide_linear_update.cc.
#include "tenfold/systems/forward_gradient/wide_linear.h"

#include <algorithm>

#include "tenfold/kernels/narrow_linear.h"

namespace tenfold::forward_gradient {
namespace {

using kernels::GemmTerm;
using kernels::kPanelColumns;

constexpr std::size_t kChunk = 128;        // examples between epilogues: their sums stay in the cache
constexpr std::size_t kProductChunk = 28;  // examples of x B a thread takes at a time

}  // namespace

WideLinear::WideLinear(LayerParameters parameters,
                       ActivationShape input,
                       ActivationShape output,
                       bool relu,
                       std::vector<std::int32_t> map)
    : FusedLayer(std::move(parameters), input, output, relu), weights_(output.channels, std::move(map)) {
  configure({});
}

void WideLinear::configure(const LayerOptions& options) {
  const std::size_t capacity = options.tangents * options.apply_every;
  if (options == options_ && capacity == capacity_) return;
  if (capacity_ > 0) apply_pending();
  options_ = options;
  capacity_ = capacity;
  for (LowRank& sum : sums_) {
    sum = {};
    sum.signs.grow(blocks() * weights_.steps() * 16);
    sum.rows.grow(rank() * weights_.columns());
    if (options.bf16 && options.apply_every > 1) sum.pairs.grow(blocks() * weights_.pair_steps() * 16);
  }
  bias_signs_.grow(options.tangents * weights_.columns());
  step_signs_.grow(weights_.steps());
  column_signs_.grow(static_cast<std::size_t>(parameters().weight.numel()) / weights_.outputs());
  row_signs_.grow(weights_.columns());
}

void WideLinear::start_pass(const Pass& pass) {
  drawn_ = pass.direction;
  const std::size_t added = drawn_ == DirectionKind::kRankOne ? pass.keys.size() : 0;
  const bool dense_waits = drawn_ == DirectionKind::kDense && current().count() > 0;
  if (current().count() + added > capacity_ || dense_waits) {
    clear_unused(current());
    applying_ = &current();
    current_ = 1 - current_;
    current().moves.clear();
    std::fill_n(current().rows.data(), current().rows.size(), 0.0f);
  }
  keys_.assign(pass.keys.begin(), pass.keys.end());
  if (drawn_ == DirectionKind::kNone) return;
  for (std::size_t j = 0; j < keys_.size(); ++j) {
    draw_bias(keys_[j], {bias_signs_.data() + j * weights_.columns(), weights_.outputs()});
    if (drawn_ == DirectionKind::kRankOne) draw(keys_[j], current().count() + j);
  }
}

// Column and row `column` of the low-rank sum: b and a of this key.
void WideLinear::draw(const train::DirectionKey& key, std::size_t column) {
  draw_columns(key, {column_signs_.data(), column_signs_.size()});
  weights_.to_steps(column_signs_.data(), step_signs_.data());
  float* signs = current().signs.data() + column / 16 * weights_.steps() * 16 + column % 16;
  for (std::size_t k = 0; k < weights_.steps(); ++k) signs[k * 16] = step_signs_[k];
  if (current().pairs.size() > 0) {
    auto* halves = reinterpret_cast<std::uint16_t*>(current().pairs.data() +
                                                    column / 16 * weights_.pair_steps() * 16 + column % 16);
    for (std::size_t k = 0; k < weights_.steps(); ++k) {
      halves[k / 2 * 32 + k % 2] = kernels::plain::round_bf16(step_signs_[k], {}, 0);  // exact
    }
  }
  draw_rows(key, {row_signs_.data(), weights_.outputs()});
  for (std::size_t p = 0; p < weights_.panels(); ++p) {
    const std::size_t width = weights_.width(p);
    std::copy_n(row_signs_.data() + p * kPanelColumns, width, rows_panel(current(), p) + column * width);
  }
}

// products[first .. first + count, :] = x B.
void WideLinear::value_products(const Activations& in,
                                std::size_t first,
                                std::size_t count,
                                std::size_t used) {
  for (std::size_t block = 0; block * 16 < used; ++block) {
    const GemmTerm term{.a = in.example(first),
                        .row_stride = stride_of(in.shape.image_stride),
                        .b = current().signs.data() + block * weights_.steps() * 16,
                        .steps = weights_.steps()};
    kernels::gemm({&term, 1},
                  count,
                  16,
                  {.c = workspace_->products.data() + first * products_stride() + block * 16,
                   .row_stride = stride_of(products_stride())});
  }
}

// The same for tangents, and the direction's own column: x.b where it is perturbed.
void WideLinear::tangent_products(const Pass& pass, const Activations& in, std::size_t direction) {
  const std::size_t stride = products_stride(), pending = current().count();
  float* products = workspace_->tangent_products.data() + direction * pass.batch * stride;
  const bool bf16 = in.tangents_bf16 != nullptr;
  for (std::size_t block = 0; block * 16 < pending; ++block) {
    GemmTerm term{.row_stride = stride_of(in.shape.image_stride / (bf16 ? 2 : 1)),
                  .steps = bf16 ? weights_.pair_steps() : weights_.steps(),
                  .bf16 = bf16};
    if (bf16) {
      term.a = in.tangents_bf16 + direction * in.tangent_stride;
      term.b = current().pairs.data() + block * weights_.pair_steps() * 16;
    } else {
      term.a = in.tangents + direction * in.tangent_stride;
      term.b = current().signs.data() + block * weights_.steps() * 16;
    }
    kernels::gemm({&term, 1}, pass.batch, 16, {.c = products + block * 16, .row_stride = stride_of(stride)});
  }
  if (drawn_ != DirectionKind::kRankOne) return;
  for (std::size_t i = 0; i < pass.batch; ++i) {
    float* row = products + i * stride + pending;
    std::fill_n(row, pass.keys.size(), 0.0f);
    row[direction] = workspace_->products[i * stride + pending + direction];
  }
}

void WideLinear::multiply_signs(const Pass& pass, const Activations& in) {
  const std::size_t used = current().count() + (drawn_ == DirectionKind::kRankOne ? pass.keys.size() : 0);
  if (used == 0) return;
  workspace_->products.grow(pass.batch * products_stride());
  parallel_each((pass.batch + kProductChunk - 1) / kProductChunk, [&](std::size_t i) {
    const std::size_t first = i * kProductChunk;
    value_products(in, first, std::min(kProductChunk, pass.batch - first), used);
  });
  if (!in.has_tangents) return;
  workspace_->tangent_products.grow(keys_.size() * pass.batch * products_stride());
  parallel_each(pass.keys.size(), [&](std::size_t j) { tangent_products(pass, in, j); });
}

void WideLinear::clear_unused(LowRank& sum) {
  for (std::size_t p = 0; p < weights_.panels(); ++p) {
    const std::size_t width = weights_.width(p);
    std::fill_n(rows_panel(sum, p) + sum.count() * width, (rank() - sum.count()) * width, 0.0f);
  }
}

void WideLinear::forward(const Pass& pass, const Activations& in, Activations& out) {
  workspace_ = pass.workspace;
  start_pass(pass);
  uses_pairs_ = in.has_tangents && in.tangents_bf16 != nullptr;
  if (uses_pairs_) weights_.make_room_for_pairs();
  if (uses_pairs_ && (pairs_stale_ || applying_ != nullptr || !dense_.empty())) {
    pairs_stale_ = true;
    weights_.set_rounding(rounding(pass, 2));
  }
  multiply_signs(pass, in);
  const bool dual = pass.dual(in);
  if (dual) workspace_->sums.prepare(kChunk * kPanelColumns);
  if (drawn_ == DirectionKind::kDense || !dense_.empty()) {
    dense_scratch_.prepare(weights_.steps() * kPanelColumns);
  }
  const bool applied = applying_ != nullptr || !dense_.empty();
  parallel_each(weights_.panels(), [&](std::size_t p) { forward_panel(pass, in, out, p); });
  if (applying_ != nullptr) applying_->moves.clear();
  applying_ = nullptr;
  dense_.clear();
  pairs_stale_ = !uses_pairs_ && (pairs_stale_ || applied);
  out.has_tangents = dual;
}

// Everything that needs this panel of W, while it is in the cache.
void WideLinear::forward_panel(const Pass& pass,
                               const Activations& in,
                               const Activations& out,
                               std::size_t panel) {
  update_panel(panel);
  for (std::size_t first = 0; first < pass.batch; first += kChunk) {
    const Chunk chunk{panel, first, std::min(kChunk, pass.batch - first)};
    forward_values(in, out, chunk);
  }
  if (!pass.dual(in)) return;
  for (std::size_t j = 0; j < pass.keys.size(); ++j) {
    if (drawn_ == DirectionKind::kDense)
      weights_.draw_dense(dense_stream(keys_[j]), panel, dense_scratch_.own());
    for (std::size_t first = 0; first < pass.batch; first += kChunk) {
      forward_tangents(pass, in, out, {panel, first, std::min(kChunk, pass.batch - first)}, j);
    }
  }
}

void WideLinear::forward_values(const Activations& in, const Activations& out, const Chunk& chunk) {
  const std::size_t width = weights_.width(chunk.panel);
  const GemmTerm terms[] = {{.a = in.example(chunk.first),
                             .row_stride = stride_of(in.shape.image_stride),
                             .b = weights_.panel(chunk.panel),
                             .steps = weights_.steps()},
                            {.a = workspace_->products.data() + chunk.first * products_stride(),
                             .row_stride = stride_of(products_stride()),
                             .b = rows_panel(current(), chunk.panel),
                             .steps = current().count()}};
  float* values = out.values + chunk.first * out.shape.image_stride + chunk.panel * kPanelColumns;
  const std::ptrdiff_t stride = stride_of(out.shape.image_stride);
  kernels::gemm(std::span(terms).first(current().count() > 0 ? 2 : 1),
                chunk.rows,
                width,
                {.c = values, .row_stride = stride});
  kernels::finish_values(
      {values, stride}, {chunk.rows, width}, weights_.bias() + chunk.panel * kPanelColumns, relu());
}

void WideLinear::forward_tangents(const Pass& pass,
                                  const Activations& in,
                                  const Activations& out,
                                  const Chunk& chunk,
                                  std::size_t direction) {
  const std::size_t width = weights_.width(chunk.panel), pending = current().count();
  const std::size_t stride = products_stride();
  GemmTerm terms[2];
  std::size_t count = 0;
  if (in.has_tangents) {
    const std::size_t at = direction * in.tangent_stride + chunk.first * in.shape.image_stride;
    const bool bf16 = in.tangents_bf16 != nullptr;
    GemmTerm& term = terms[count++];
    term.row_stride = stride_of(in.shape.image_stride / (bf16 ? 2 : 1));
    term.a = bf16 ? static_cast<const void*>(in.tangents_bf16 + at) : in.tangents + at;
    term.b = bf16 ? static_cast<const void*>(weights_.pairs(chunk.panel)) : weights_.panel(chunk.panel);
    term.steps = bf16 ? weights_.pair_steps() : weights_.steps();
    term.bf16 = bf16;
  }
  const std::size_t added = drawn_ == DirectionKind::kRankOne ? pass.keys.size() : 0;
  if (drawn_ == DirectionKind::kDense) {
    terms[count++] = {.a = in.example(chunk.first),
                      .row_stride = stride_of(in.shape.image_stride),
                      .b = dense_scratch_.own(),
                      .steps = weights_.steps()};
  } else if (!in.has_tangents) {
    terms[count++] = {.a = workspace_->products.data() + chunk.first * stride + pending + direction,
                      .row_stride = stride_of(stride),
                      .b = rows_panel(current(), chunk.panel) + (pending + direction) * width,
                      .steps = 1};
  } else if (pending + added > 0) {
    terms[count++] = {
        .a = workspace_->tangent_products.data() + (direction * pass.batch + chunk.first) * stride,
        .row_stride = stride_of(stride),
        .b = rows_panel(current(), chunk.panel),
        .steps = pending + added};
  }
  float* sums = workspace_->sums.own();
  kernels::gemm(std::span(terms).first(count), chunk.rows, width, {.c = sums, .row_stride = kPanelColumns});
  const std::size_t column = chunk.panel * kPanelColumns;
  const std::size_t to = direction * out.tangent_stride + chunk.first * out.shape.image_stride + column;
  const std::ptrdiff_t out_stride = stride_of(out.shape.image_stride);
  const float* values = out.values + chunk.first * out.shape.image_stride + column;
  const bool perturbed = drawn_ != DirectionKind::kNone;
  kernels::finish_tangents({sums, kPanelColumns},
                           perturbed ? bias_signs_.data() + direction * weights_.columns() + column : nullptr,
                           {relu() ? values : nullptr, out_stride},
                           {chunk.rows, width},
                           {.data = out.tangents_bf16 == nullptr ? out.tangents + to : nullptr,
                            .bf16 = out.tangents_bf16 != nullptr ? out.tangents_bf16 + to : nullptr,
                            .stride = out_stride,
                            .rounding = rounding(pass, 1),
                            .index = static_cast<std::uint32_t>(to)});
}

}  // namespace tenfold::forward_gradient
