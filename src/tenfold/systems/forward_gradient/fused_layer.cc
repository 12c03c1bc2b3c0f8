// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/fused_layer.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "tenfold/kernels/random_fill.h"

namespace tenfold::forward_gradient {

using train::StreamUse;

Error bad_state(std::string seen, std::string wanted) {
  return Error(ErrorClass::kFile,
               "optimizer.bad_state",
               {.what = "the checkpoint holds another state of the fused network",
                .seen = std::move(seen),
                .wanted = std::move(wanted),
                .remedy = "resume with the configuration that wrote it"});
}

torch::Tensor moves_tensor(std::span<const Move> moves) {
  torch::Tensor tensor = at::empty({static_cast<std::int64_t>(moves.size()), 5}, at::kLong);
  auto* numbers = tensor.data_ptr<std::int64_t>();
  for (const Move& move : moves) {
    *numbers++ = static_cast<std::int64_t>(move.key.estimate.seed);
    *numbers++ = static_cast<std::int64_t>(move.key.estimate.step);
    *numbers++ = static_cast<std::int64_t>(move.key.estimate.micro_batch);
    *numbers++ = static_cast<std::int64_t>(move.key.tangent);
    *numbers++ = std::bit_cast<std::int32_t>(move.scale);
  }
  return tensor;
}

std::vector<Move> moves_from(const torch::Tensor& tensor) {
  if (tensor.scalar_type() != at::kLong || tensor.dim() != 2 || tensor.size(1) != 5) {
    throw bad_state("moves of another shape", "int64 [n, 5]");
  }
  const torch::Tensor own = tensor.contiguous();
  const auto* numbers = own.data_ptr<std::int64_t>();
  std::vector<Move> moves;
  for (std::int64_t i = 0; i < own.size(0); ++i, numbers += 5) {
    const auto at = [&](int k) { return static_cast<std::uint64_t>(numbers[k]); };
    moves.push_back(
        {{{at(0), at(1), at(2)}, at(3)}, std::bit_cast<float>(static_cast<std::int32_t>(numbers[4]))});
  }
  return moves;
}

void FusedLayer::save_state(const std::string&, StateMap&) const {}
void FusedLayer::restore_state(const std::string&, const StateMap&) {}

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
