// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/narrow_layer.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "tenfold/kernels/random_fill.h"

namespace tenfold::forward_gradient {
namespace {

constexpr std::size_t kColumns = 64;       // room for outputs and their padding
constexpr double kParallelProducts = 4e6;  // multiply-adds below which a second thread does not pay
constexpr std::size_t kChunk = 32;

// body(first row, rows) over the batch.
template <typename Body>
void over_rows(std::size_t batch, double multiply_adds, const Body& body) {
  if (multiply_adds < kParallelProducts || at::get_num_threads() == 1) {
    body(std::size_t{0}, batch);
    return;
  }
  parallel_each((batch + kChunk - 1) / kChunk,
                [&](std::size_t i) { body(i * kChunk, std::min(kChunk, batch - i * kChunk)); });
}

}  // namespace

NarrowLayer::NarrowLayer(LayerParameters parameters,
                         ActivationShape input,
                         ActivationShape output,
                         std::vector<std::int32_t> map)
    : FusedLayer(std::move(parameters), input, output, false),
      map_(std::move(map)),
      row_(round_up(map_.size(), 16)) {
  for (std::size_t k = 0; k < map_.size(); ++k)
    identity_ = identity_ && map_[k] == static_cast<std::int32_t>(k);
  column_signs_.grow(row_);
  configure({});
}

void NarrowLayer::configure(const LayerOptions& options) {
  const std::size_t tangents = options.tangents;
  if (tangents == tangents_) return;
  // The weights move to a larger buffer with their rows in place.
  Buffer<float> larger((outputs() + tangents) * row_);
  if (tangents_ > 0) std::copy_n(weights_.data(), outputs() * row_, larger.data());
  weights_ = std::move(larger);
  tangents_ = tangents;
  bias_.grow(std::max(kColumns, output_numbers(outputs(), tangents)));
  rows_ = Buffer<float>(tangents * kColumns);
  bias_signs_ = Buffer<float>(tangents * kColumns);
}

void NarrowLayer::draw(const Pass& pass, std::size_t direction) {
  const train::DirectionKey& key = pass.keys[direction];
  draw_bias(key, {bias_signs_.data() + direction * kColumns, outputs()});
  if (drawn_ == DirectionKind::kDense) {
    dense_.grow(tangents_ * outputs() * row_);
    draw_dense(key, dense_.data() + direction * outputs() * row_);
    return;
  }
  draw_rows(key, {rows_.data() + direction * kColumns, outputs()});
  float* b = weights_.data() + (outputs() + direction) * row_;
  if (identity_) {
    draw_columns(key, {b, map_.size()});
    return;
  }
  column_signs_.grow(static_cast<std::size_t>(parameters().weight.numel()) / outputs());
  draw_columns(key,
               {column_signs_.data(), static_cast<std::size_t>(parameters().weight.numel()) / outputs()});
  for (std::size_t k = 0; k < map_.size(); ++k) b[k] = map_[k] < 0 ? 0.0f : column_signs_[map_[k]];
}

void NarrowLayer::draw_dense(const train::DirectionKey& key, float* to) const {
  kernels::fill_signs(dense_stream(key), 0, {to, outputs() * row_});
  for (std::size_t n = 0; n < outputs(); ++n) {
    for (std::size_t k = 0; k < row_ && (!identity_ || map_.size() < row_); ++k) {
      if (k >= map_.size() || map_[k] < 0) to[n * row_ + k] = 0.0f;
    }
  }
}

void NarrowLayer::forward(const Pass& pass, const Activations& in, Activations& out) {
  drawn_ = pass.direction;
  const std::size_t directions = pass.keys.size();
  if (drawn_ != DirectionKind::kNone) {
    for (std::size_t j = 0; j < directions; ++j) draw(pass, j);
  }
  const std::size_t rows = outputs() + (drawn_ == DirectionKind::kRankOne ? directions : 0);
  const std::ptrdiff_t in_stride = stride_of(in.shape.image_stride),
                       stride = stride_of(out.shape.image_stride);
  const double products = static_cast<double>(pass.batch * rows * map_.size());
  over_rows(pass.batch, products, [&](std::size_t first, std::size_t count) {
    const auto at = static_cast<std::ptrdiff_t>(first) * stride;
    kernels::narrow_forward({in.example(first), in_stride}, count, weights(rows), {out.values + at, stride});
    kernels::finish_values({out.values + at, stride}, {count, round_up(rows, 16)}, bias_.data(), false);
    for (std::size_t j = 0; in.has_tangents && j < directions; ++j) {
      kernels::narrow_forward(
          {in.tangents + j * in.tangent_stride + first * in.shape.image_stride, in_stride},
          count,
          weights(outputs()),
          {out.tangents + j * out.tangent_stride + static_cast<std::size_t>(at), stride});
    }
  });
  out.has_tangents = in.has_tangents || drawn_ == DirectionKind::kDense;
  if (drawn_ != DirectionKind::kDense) return;
  dense_products_.grow(pass.batch * kColumns);
  for (std::size_t j = 0; j < directions; ++j) {
    float* tangents = out.tangents + j * out.tangent_stride;
    float* sums = in.has_tangents ? dense_products_.data() : tangents;
    kernels::narrow_forward({in.values, in_stride},
                            pass.batch,
                            matrix(dense_.data() + j * outputs() * row_, outputs()),
                            {sums, in.has_tangents ? stride_of(kColumns) : stride});
    for (std::size_t i = 0; in.has_tangents && i < pass.batch; ++i) {
      for (std::size_t c = 0; c < outputs(); ++c)
        tangents[i * out.shape.image_stride + c] += sums[i * kColumns + c];
    }
  }
}

OutputTangents NarrowLayer::output_tangents(const Activations& out, std::size_t direction) const {
  OutputTangents parts = FusedLayer::output_tangents(out, direction);
  if (drawn_ != DirectionKind::kNone) parts.bias = bias_signs_.data() + direction * kColumns;
  if (drawn_ == DirectionKind::kRankOne) {
    parts.row = out.values + outputs() + direction;
    parts.row_stride = stride_of(out.shape.image_stride);
    parts.column = rows_.data() + direction * kColumns;
  }
  return parts;
}

void NarrowLayer::backward(const BackwardPass& pass,
                           const Activations& in,
                           float* out_gradient,
                           float* in_gradient) {
  const std::ptrdiff_t in_stride = stride_of(in.shape.image_stride),
                       stride = stride_of(output().image_stride);
  if (in_gradient != nullptr) {
    over_rows(pass.batch,
              static_cast<double>(pass.batch * outputs() * map_.size()),
              [&](std::size_t first, std::size_t count) {
                const auto at = static_cast<std::ptrdiff_t>(first) * in_stride;
                kernels::narrow_backward({out_gradient + static_cast<std::ptrdiff_t>(first) * stride, stride},
                                         count,
                                         weights(outputs()),
                                         {pass.mask_input ? in.values + at : nullptr, in_stride},
                                         {in_gradient + at, in_stride});
              });
  }
  float* bias = bias_.data();
  kernels::NarrowWeights to = weights(outputs());
  if (pass.to_gradient) {
    gradient_.grow(outputs() * row_);
    bias_gradient_.grow(kColumns);
    to.data = gradient_.data();
    bias = bias_gradient_.data();
  }
  kernels::narrow_update({out_gradient, stride}, {in.values, in_stride}, pass.batch, pass.alpha, to);
  if (!parameters().bias.defined()) return;
  float sums[kColumns] = {};
  kernels::add_column_sums({out_gradient, stride}, {pass.batch, round_up(outputs(), 16)}, sums);
  for (std::size_t c = 0; c < outputs(); ++c) bias[c] += pass.alpha * sums[c];
}

void NarrowLayer::move(std::span<const float> scales) {
  if (drawn_ == DirectionKind::kNone) return;
  for (std::size_t j = 0; j < scales.size(); ++j) {
    float* rows = rows_.data() + j * kColumns;
    const float* bias_signs = bias_signs_.data() + j * kColumns;
    for (std::size_t c = 0; c < outputs(); ++c) bias_[c] += scales[j] * bias_signs[c];
    if (drawn_ == DirectionKind::kDense) {
      const std::size_t size = outputs() * row_;
      kernels::narrow_rank1(
          &scales[j], dense_.data() + j * size, {weights_.data(), stride_of(size), 1, size});
    } else {
      for (std::size_t c = 0; c < outputs(); ++c) rows[c] *= scales[j];
      kernels::narrow_rank1(rows, weights_.data() + (outputs() + j) * row_, weights(outputs()));
    }
  }
  drawn_ = DirectionKind::kNone;
}

void NarrowLayer::load() {
  const torch::Tensor from = parameters().weight.detach().contiguous();
  const auto* numbers = from.data_ptr<float>();
  const std::size_t columns = static_cast<std::size_t>(from.numel()) / outputs();
  for (std::size_t n = 0; n < outputs(); ++n) {
    for (std::size_t k = 0; k < map_.size(); ++k) {
      weights_[n * row_ + k] = map_[k] < 0 ? 0.0f : numbers[n * columns + static_cast<std::size_t>(map_[k])];
    }
  }
  const torch::Tensor& bias = parameters().bias;
  if (bias.defined()) std::copy_n(bias.detach().contiguous().data_ptr<float>(), outputs(), bias_.data());
}

torch::Tensor NarrowLayer::unpack(const float* packed) const {
  torch::Tensor weight = at::zeros(parameters().weight.sizes(), at::kFloat);
  auto* numbers = weight.data_ptr<float>();
  const std::size_t columns = static_cast<std::size_t>(weight.numel()) / outputs();
  for (std::size_t n = 0; n < outputs(); ++n) {
    for (std::size_t k = 0; k < map_.size(); ++k) {
      if (map_[k] >= 0) numbers[n * columns + static_cast<std::size_t>(map_[k])] = packed[n * row_ + k];
    }
  }
  return weight;
}

void NarrowLayer::store() {
  const c10::NoGradGuard no_grad;
  torch::Tensor weight = parameters().weight, bias = parameters().bias;
  weight.copy_(unpack(weights_.data()));
  if (bias.defined()) bias.copy_(at::from_blob(bias_.data(), bias.sizes(), at::kFloat));
}

void NarrowLayer::take_gradient(double scale, torch::Tensor weight, torch::Tensor bias) {
  weight.add_(unpack(gradient_.data()), scale);
  if (bias.defined()) bias.add_(at::from_blob(bias_gradient_.data(), bias.sizes(), at::kFloat), scale);
  std::fill_n(gradient_.data(), gradient_.size(), 0.0f);
  std::fill_n(bias_gradient_.data(), bias_gradient_.size(), 0.0f);
}

torch::Tensor NarrowLayer::weight_direction(DirectionKind kind, const train::DirectionKey& key) const {
  if (kind == DirectionKind::kRankOne) return FusedLayer::weight_direction(kind, key);
  Buffer<float> signs(outputs() * row_);
  draw_dense(key, signs.data());
  return unpack(signs.data());
}

LayerWork NarrowLayer::work() const {
  const auto weights = static_cast<double>(parameters().weight.numel());
  return {weights, weights / static_cast<double>(outputs()), weights, static_cast<double>(outputs())};
}

std::size_t NarrowLayer::buffer_bytes() const {
  return rows_.bytes() + bias_signs_.bytes() + dense_.bytes() + dense_products_.bytes() +
         column_signs_.bytes();
}

}  // namespace tenfold::forward_gradient
