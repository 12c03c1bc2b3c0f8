// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/fused_layer.h"

#include <ATen/Functions.h>

#include <algorithm>

#include "tenfold/kernels/random_fill.h"

namespace tenfold::forward_gradient {

using train::StreamUse;

OutputTangents FusedLayer::output_tangents(const Activations& out, std::size_t direction) const {
  OutputTangents parts;
  if (out.has_tangents) {
    parts.tangents = {out.tangents + direction * out.tangent_stride,
                      static_cast<std::ptrdiff_t>(out.shape.image_stride)};
  }
  return parts;
}

void FusedLayer::draw_rows(const train::DirectionKey& key, std::span<float> signs) const {
  kernels::fill_signs(train::direction_stream(key, parameters_.weight_index, StreamUse::kRows), 0, signs);
}

void FusedLayer::draw_columns(const train::DirectionKey& key, std::span<float> signs) const {
  kernels::fill_signs(train::direction_stream(key, parameters_.weight_index, StreamUse::kColumns), 0, signs);
}

void FusedLayer::draw_bias(const train::DirectionKey& key, std::span<float> signs) const {
  if (parameters_.bias.defined()) {
    kernels::fill_signs(train::direction_stream(key, parameters_.bias_index, StreamUse::kEntries), 0, signs);
  } else {
    std::fill(signs.begin(), signs.end(), 0.0f);
  }
}

kernels::RandomStream FusedLayer::dense_stream(const train::DirectionKey& key) const {
  return train::direction_stream(key, parameters_.weight_index, StreamUse::kEntries);
}

kernels::Rounding FusedLayer::rounding(const Pass& pass, std::uint32_t what) const {
  const kernels::RandomStream stream = dense_stream(pass.keys.front());
  const auto key = static_cast<std::uint32_t>((stream.seed ^ stream.stream) >> 17);
  return {pass.stochastic, key ^ (what * 0x9E3779B9u)};
}

torch::Tensor FusedLayer::weight_direction(DirectionKind, const train::DirectionKey& key) const {
  const torch::Tensor& weight = parameters_.weight;
  const std::int64_t rows = weight.size(0);
  torch::Tensor a = at::empty({rows}, at::kFloat), b = at::empty({weight.numel() / rows}, at::kFloat);
  draw_rows(key, {a.data_ptr<float>(), static_cast<std::size_t>(a.numel())});
  draw_columns(key, {b.data_ptr<float>(), static_cast<std::size_t>(b.numel())});
  return at::outer(a, b).view(weight.sizes());
}

torch::Tensor FusedLayer::bias_direction(const train::DirectionKey& key) const {
  torch::Tensor direction = at::empty_like(parameters_.bias);
  draw_bias(key, {direction.data_ptr<float>(), static_cast<std::size_t>(direction.numel())});
  return direction;
}

}  // namespace tenfold::forward_gradient
