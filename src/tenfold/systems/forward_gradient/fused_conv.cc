// SPDX-License-Identifier: Apache-2.0
// Forward passes of the convolution; the backward pass is in fused_conv_backward.cc.
#include "tenfold/systems/forward_gradient/fused_conv.h"

#include <ATen/Functions.h>

#include <algorithm>

namespace tenfold::forward_gradient {
namespace {

using kernels::GemmTerm;

std::size_t out_size(
    std::size_t size, std::size_t kernel, std::size_t stride, std::size_t padding, std::size_t dilation) {
  const std::size_t extent = dilation * (kernel - 1) + 1;
  return size + 2 * padding < extent ? 0 : (size + 2 * padding - extent) / stride + 1;
}

// Steps run over rows of the kernel, its columns, then channels; the module's weight is [out, channels, rows, columns].
std::vector<std::int32_t> patch_map(const ConvGeometry& geometry, const ActivationShape& input) {
  std::vector<std::int32_t> map;
  const std::size_t taps = geometry.kernel_height * geometry.kernel_width;
  for (std::size_t tap = 0; tap < taps; ++tap) {
    for (std::size_t channel = 0; channel < input.padded; ++channel) {
      map.push_back(channel < input.channels ? static_cast<std::int32_t>(channel * taps + tap) : -1);
    }
  }
  return map;
}

}  // namespace

std::size_t ConvGeometry::out_height(std::size_t height) const {
  return out_size(height, kernel_height, stride_y, padding_y, dilation_y);
}

std::size_t ConvGeometry::out_width(std::size_t width) const {
  return out_size(width, kernel_width, stride_x, padding_x, dilation_x);
}

FusedConv::FusedConv(LayerParameters parameters,
                     ActivationShape input,
                     ActivationShape output,
                     bool relu,
                     const ConvGeometry& geometry)
    : FusedLayer(std::move(parameters), input, output, relu),
      geometry_(geometry),
      height_(geometry.out_height(input.height)),
      width_(geometry.out_width(input.width)),
      weights_(output.channels, patch_map(geometry, input)) {
  column_signs_.grow(input.channels * geometry.kernel_height * geometry.kernel_width);
  configure({});
}

void FusedConv::configure(const LayerOptions& options) {
  const std::size_t tangents = options.tangents;
  if (tangents == tangents_) return;
  tangents_ = tangents;
  rows_ = Buffer<float>(tangents * columns());
  bias_signs_ = Buffer<float>(tangents * columns());
  step_signs_ = Buffer<float>(tangents * weights_.steps());
  dense_.release();
}

void FusedConv::load() {
  weights_.load(parameters().weight, parameters().bias);
  pairs_stale_ = true;
}

GemmTerm FusedConv::patch_term(const void* image, const void* unfolded, std::size_t y, bool bf16) const {
  const std::size_t unit = bf16 ? 2 : 1, padded = input().padded / unit;
  GemmTerm term{.bf16 = bf16};
  std::size_t skip = 0;
  if (geometry_.direct()) {
    term.row_stride = stride_of(padded);
    term.segment_stride = stride_of(input().row_numbers() / unit);
    term.steps = 3 * padded;
    term.segments = 3;
    skip = y * input().row_numbers() / unit;
  } else {
    term.steps = weights_.steps() / unit;
    term.row_stride = stride_of(term.steps);
    skip = y * width_ * term.steps;
  }
  const auto* base = static_cast<const float*>(geometry_.direct() ? image : unfolded);  // 4 bytes, as a pair
  term.a = base + skip;
  return term;
}

kernels::SegmentedRows FusedConv::patch_rows(const float* image, const float* unfolded, std::size_t y) const {
  const GemmTerm term = patch_term(image, unfolded, y, false);
  return {static_cast<const float*>(term.a), term.row_stride, term.segment_stride, term.segments, term.steps};
}

template <typename T>
void FusedConv::unfold(const T* image, T* to) const {
  const ActivationShape& in = input();
  for (std::size_t y = 0; y < height_; ++y) {
    for (std::size_t x = 0; x < width_; ++x) {
      for (std::size_t ky = 0; ky < geometry_.kernel_height; ++ky) {
        for (std::size_t kx = 0; kx < geometry_.kernel_width; ++kx, to += in.padded) {
          // Below zero it wraps to a large number.
          const std::size_t row = y * geometry_.stride_y + ky * geometry_.dilation_y - geometry_.padding_y;
          const std::size_t column = x * geometry_.stride_x + kx * geometry_.dilation_x - geometry_.padding_x;
          if (row < in.height && column < in.width) {
            std::copy_n(image + in.offset(row) + column * in.padded, in.padded, to);
          } else {
            std::fill_n(to, in.padded, T{});
          }
        }
      }
    }
  }
}

void FusedConv::draw(const Pass& pass) {
  drawn_ = pass.direction;
  if (drawn_ == DirectionKind::kNone) return;
  if (drawn_ == DirectionKind::kDense) dense_.grow(tangents_ * weights_.size());
  for (std::size_t j = 0; j < directions(pass); ++j) {
    const train::DirectionKey& key = pass.keys[j];
    draw_bias(key, {bias_signs_.data() + j * columns(), weights_.outputs()});
    if (drawn_ == DirectionKind::kDense) {
      float* own = dense_.data() + j * weights_.size();
      for (std::size_t p = 0; p < weights_.panels(); ++p) {
        weights_.draw_dense(dense_stream(key), p, own + weights_.panel_offset(p));
      }
    } else {
      std::fill_n(rows_.data() + j * columns(), columns(), 0.0f);
      draw_rows(key, {rows_.data() + j * columns(), weights_.outputs()});
      draw_columns(key, {column_signs_.data(), column_signs_.size()});
      weights_.to_steps(column_signs_.data(), step_signs_.data() + j * weights_.steps());
    }
  }
}

void FusedConv::prepare_scratch(const Pass& pass, const Activations& in) {
  row_scratch_.prepare(2 * row_numbers() + width_);
  if (geometry_.pool && pass.keep) {
    winners_.grow(pass.batch * output().features());
  } else if (geometry_.pool) {
    winner_scratch_.prepare(output().features());
  }
  if (geometry_.direct()) return;
  patch_scratch_.prepare(2 * height_ * width_ * weights_.steps());
  if (in.tangents_bf16 != nullptr) patch_scratch_bf16_.prepare(height_ * width_ * weights_.steps());
}

void FusedConv::forward(const Pass& pass, const Activations& in, Activations& out) {
  draw(pass);
  prepare_scratch(pass, in);
  const bool dual = pass.dual(in);
  if (in.has_tangents && in.tangents_bf16 != nullptr && pairs_stale_) {
    weights_.make_room_for_pairs();
    weights_.set_rounding(rounding(pass, 2));
    for (std::size_t p = 0; p < weights_.panels(); ++p) weights_.refresh_pairs(p);
    pairs_stale_ = false;
  }
  parallel_each(pass.batch, [&](std::size_t image) {
    forward_values(pass, in, out, image);
    for (std::size_t j = 0; dual && j < directions(pass); ++j) forward_tangents(pass, in, out, image, j);
  });
  out.has_tangents = dual;
}

std::uint8_t* FusedConv::winners_of(const Pass& pass, std::size_t image) {
  return pass.keep ? winners_.data() + image * output().features() : winner_scratch_.own();
}

template <typename T>
void FusedConv::clear_border(T* image) const {
  const ActivationShape& shape = output();
  const std::size_t row = shape.row_numbers(), side = shape.border * shape.padded;
  if (side == 0) return;
  std::fill_n(image, shape.border * row, T{});
  for (std::size_t y = 0; y < shape.height; ++y) {
    T* own = image + (y + shape.border) * row;
    std::fill_n(own, side, T{});
    std::fill_n(own + row - side, side, T{});
  }
  std::fill_n(image + (shape.height + shape.border) * row, shape.border * row, T{});
}

void FusedConv::forward_values(const Pass& pass,
                               const Activations& in,
                               const Activations& out,
                               std::size_t image) {
  const float* values = in.example(image);
  float* patches = nullptr;
  if (!geometry_.direct()) {
    patches = patch_scratch_.own();
    unfold(values, patches);
  }
  float* to = out.values + image * out.shape.image_stride;
  clear_border(to);
  const auto multiply = [&](std::size_t y, float* row) {
    GemmTerm term = patch_term(values, patches, y, false);
    term.b = weights_.data();
    kernels::gemm({&term, 1}, width_, columns(), {.c = row, .row_stride = stride_of(columns())});
  };
  for (std::size_t y = 0; y < out.shape.height; ++y) {
    float* row = to + out.shape.offset(y);
    if (geometry_.pool) {
      float* products = row_scratch_.own();
      multiply(2 * y, products);
      multiply(2 * y + 1, products + row_numbers());
      kernels::pool_values({products, products + row_numbers()},
                           {out.shape.width, columns()},
                           weights_.bias(),
                           relu(),
                           row,
                           winners_of(pass, image) + y * out.shape.width * columns());
    } else {
      multiply(y, row);
      kernels::finish_values({row, stride_of(columns())}, {width_, columns()}, weights_.bias(), relu());
    }
  }
}

FusedConv::TangentTerms FusedConv::tangent_terms(
    const Pass& pass, const Activations& in, std::size_t image, std::size_t direction, std::size_t y) {
  TangentTerms made;
  const std::size_t at = direction * in.tangent_stride + image * in.shape.image_stride;
  const std::size_t patches = height_ * width_ * weights_.steps();
  if (in.has_tangents) {
    const bool bf16 = in.tangents_bf16 != nullptr;
    const void* tangents = bf16 ? static_cast<const void*>(in.tangents_bf16 + at) : in.tangents + at;
    const void* unfolded = nullptr;
    if (!geometry_.direct()) {
      unfolded = bf16 ? static_cast<const void*>(patch_scratch_bf16_.own()) : patch_scratch_.own() + patches;
    }
    GemmTerm& term = made.terms[made.count++];
    term = patch_term(tangents, unfolded, y, bf16);
    term.b = bf16 ? static_cast<const void*>(weights_.pairs()) : weights_.data();
  }
  if (pass.direction == DirectionKind::kNone) return made;
  const float* own_patches = geometry_.direct() ? nullptr : patch_scratch_.own();
  GemmTerm& term = made.terms[made.count++];
  if (pass.direction == DirectionKind::kDense) {
    term = patch_term(in.example(image), own_patches, y, false);
    term.b = dense_.data() + direction * weights_.size();
  } else {
    float* dots = row_scratch_.own() + 2 * row_numbers();
    kernels::row_dots(patch_rows(in.example(image), own_patches, y),
                      width_,
                      step_signs_.data() + direction * weights_.steps(),
                      0.0f,
                      dots);
    term = {.a = dots, .row_stride = 1, .b = rows_.data() + direction * columns(), .steps = 1};
  }
  return made;
}

void FusedConv::forward_tangents(const Pass& pass,
                                 const Activations& in,
                                 const Activations& out,
                                 std::size_t image,
                                 std::size_t direction) {
  if (!geometry_.direct() && in.has_tangents) {
    const std::size_t at = direction * in.tangent_stride + image * in.shape.image_stride;
    if (in.tangents_bf16 != nullptr) {
      unfold(in.tangents_bf16 + at, patch_scratch_bf16_.own());
    } else {
      unfold(in.tangents + at, patch_scratch_.own() + height_ * width_ * weights_.steps());
    }
  }
  const bool bf16 = out.tangents_bf16 != nullptr;
  const std::size_t base = direction * out.tangent_stride + image * out.shape.image_stride;
  bf16 ? clear_border(out.tangents_bf16 + base) : clear_border(out.tangents + base);
  const float* bias = drawn_ == DirectionKind::kNone ? nullptr : bias_signs_.data() + direction * columns();
  float* products = row_scratch_.own();
  const auto multiply = [&](std::size_t y, float* row) {
    const TangentTerms made = tangent_terms(pass, in, image, direction, y);
    kernels::gemm(std::span(made.terms).first(made.count),
                  width_,
                  columns(),
                  {.c = row, .row_stride = stride_of(columns())});
  };
  for (std::size_t y = 0; y < out.shape.height; ++y) {
    const std::size_t to = base + out.shape.offset(y);
    const float* values = out.example(image) + out.shape.offset(y);
    const kernels::TangentRows rows{.data = bf16 ? nullptr : out.tangents + to,
                                    .bf16 = bf16 ? out.tangents_bf16 + to : nullptr,
                                    .stride = stride_of(columns()),
                                    .rounding = rounding(pass, 1),
                                    .index = static_cast<std::uint32_t>(to)};
    if (geometry_.pool) {
      multiply(2 * y, products);
      multiply(2 * y + 1, products + row_numbers());
      kernels::pool_tangents({{products, products + row_numbers()},
                              bias,
                              winners_of(pass, image) + y * out.shape.width * columns(),
                              relu() ? values : nullptr},
                             {out.shape.width, columns()},
                             rows);
    } else {
      multiply(y, products);
      kernels::finish_tangents({products, stride_of(columns())},
                               bias,
                               {relu() ? values : nullptr, stride_of(columns())},
                               {width_, columns()},
                               rows);
    }
  }
}

void FusedConv::move(std::span<const float> scales) {
  if (drawn_ == DirectionKind::kNone) return;
  const std::size_t size = weights_.size();
  for (std::size_t j = 0; j < scales.size(); ++j) {
    kernels::narrow_rank1(&scales[j],
                          bias_signs_.data() + j * columns(),
                          {weights_.bias(), stride_of(columns()), 1, columns()});
    if (drawn_ == DirectionKind::kDense) {
      kernels::narrow_rank1(
          &scales[j], dense_.data() + j * size, {weights_.data(), stride_of(size), 1, size});
      continue;
    }
    const GemmTerm term{.a = step_signs_.data() + j * weights_.steps(),
                        .row_stride = 1,
                        .b = rows_.data() + j * columns(),
                        .steps = 1};
    kernels::gemm(
        {&term, 1}, weights_.steps(), columns(), {.c = weights_.data(), .add = true, .alpha = scales[j]});
  }
  pairs_stale_ = true;
  drawn_ = DirectionKind::kNone;
}

void FusedConv::save_state(const std::string& prefix, StateMap& state) const {
  if (!pairs_stale_) state[prefix + "rounding"] = weights_.rounding_state();
}

void FusedConv::restore_state(const std::string& prefix, const StateMap& state) {
  pairs_stale_ = !weights_.restore_pairs(prefix + "rounding", state);
}

torch::Tensor FusedConv::weight_direction(DirectionKind kind, const train::DirectionKey& key) const {
  if (kind == DirectionKind::kRankOne) return FusedLayer::weight_direction(kind, key);
  Buffer<float> signs(weights_.size());
  for (std::size_t p = 0; p < weights_.panels(); ++p) {
    weights_.draw_dense(dense_stream(key), p, signs.data() + weights_.panel_offset(p));
  }
  return weights_.unpack(signs.data(), parameters().weight.sizes());
}

LayerWork FusedConv::work() const {
  const auto weights = static_cast<double>(parameters().weight.numel());
  const auto pixels = static_cast<double>(height_ * width_);
  return {weights * pixels,
          weights * pixels / static_cast<double>(weights_.outputs()),
          weights,
          static_cast<double>(weights_.outputs())};
}

std::size_t FusedConv::buffer_bytes() const {
  return rows_.bytes() + bias_signs_.bytes() + step_signs_.bytes() + dense_.bytes() + winners_.bytes() +
         flipped_.bytes() + chunk_gradients_.bytes() + row_scratch_.bytes() + patch_scratch_.bytes() +
         gradient_scratch_.bytes() + patch_scratch_bf16_.bytes() + winner_scratch_.bytes();
}

}  // namespace tenfold::forward_gradient
