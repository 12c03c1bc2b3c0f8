// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/packed_weights.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>

namespace tenfold::forward_gradient {
namespace {

using kernels::kPanelColumns;

}  // namespace

PackedWeights::PackedWeights(std::size_t outputs, std::vector<std::int32_t> map)
    : outputs_(outputs), map_(std::move(map)) {
  for (std::size_t k = 0; k < map_.size(); ++k)
    identity_ = identity_ && map_[k] == static_cast<std::int32_t>(k);
  data_.grow(size());
  bias_.grow(columns());
}

void PackedWeights::load(const torch::Tensor& weight, const torch::Tensor& bias) {
  const torch::Tensor from = weight.detach().contiguous();
  const auto* numbers = from.data_ptr<float>();
  const auto row = static_cast<std::size_t>(from.numel()) / outputs_;
  parallel_each(panels(), [&](std::size_t p) {
    float* to = panel(p);
    const std::size_t panel_columns = width(p);
    for (std::size_t c = 0; c < panel_columns && p * kPanelColumns + c < outputs_; ++c) {
      const float* own = numbers + (p * kPanelColumns + c) * row;
      for (std::size_t k = 0; k < steps(); ++k) to[k * panel_columns + c] = map_[k] < 0 ? 0.0f : own[map_[k]];
    }
  });
  if (bias.defined()) std::copy_n(bias.detach().contiguous().data_ptr<float>(), outputs_, bias_.data());
}

torch::Tensor PackedWeights::unpack(const float* packed, at::IntArrayRef shape) const {
  torch::Tensor weight = at::zeros(shape, at::kFloat);
  auto* numbers = weight.data_ptr<float>();
  const auto row = static_cast<std::size_t>(weight.numel()) / outputs_;
  parallel_each(panels(), [&](std::size_t p) {
    const float* from = packed + panel_offset(p);
    const std::size_t panel_columns = width(p);
    for (std::size_t c = 0; c < panel_columns && p * kPanelColumns + c < outputs_; ++c) {
      float* own = numbers + (p * kPanelColumns + c) * row;
      for (std::size_t k = 0; k < steps(); ++k) {
        if (map_[k] >= 0) own[map_[k]] = from[k * panel_columns + c];
      }
    }
  });
  return weight;
}

void PackedWeights::store_packed(const float* packed, torch::Tensor weight, torch::Tensor bias) {
  const c10::NoGradGuard no_grad;
  weight.copy_(unpack(packed, weight.sizes()));
  if (bias.defined()) bias.copy_(at::from_blob(bias_.data(), bias.sizes(), at::kFloat));
}

void PackedWeights::to_steps(const float* from, float* to) const {
  if (identity_) {
    std::copy_n(from, steps(), to);
  } else {
    for (std::size_t k = 0; k < steps(); ++k) to[k] = map_[k] < 0 ? 0.0f : from[map_[k]];
  }
}

void PackedWeights::draw_dense(kernels::RandomStream stream, std::size_t p, float* to) const {
  const std::size_t panel_columns = width(p);
  kernels::fill_signs(stream, panel_offset(p), {to, steps() * panel_columns});
  const std::size_t used = std::min(panel_columns, outputs_ - p * kPanelColumns);
  for (std::size_t k = 0; k < steps() && (used < panel_columns || !identity_); ++k) {
    float* row = to + k * panel_columns;
    std::fill(map_[k] < 0 ? row : row + used, row + panel_columns, 0.0f);
  }
}

void PackedWeights::refresh_pairs(std::size_t p) {
  kernels::round_pairs_bf16(panel(p),
                            {steps(), width(p)},
                            rounding_,
                            static_cast<std::uint32_t>(panel_offset(p)),
                            pairs_.data() + p * kPanelColumns * pair_steps());
}

torch::Tensor PackedWeights::rounding_state() const {
  return at::scalar_tensor((std::int64_t{rounding_.stochastic} << 32) | rounding_.key, at::kLong);
}

bool PackedWeights::restore_pairs(const std::string& name,
                                  const std::map<std::string, torch::Tensor>& state) {
  const auto found = state.find(name);
  if (found == state.end()) return false;
  const auto packed = found->second.item<std::int64_t>();
  set_rounding({(packed >> 32) != 0, static_cast<std::uint32_t>(packed)});
  make_room_for_pairs();
  for (std::size_t p = 0; p < panels(); ++p) refresh_pairs(p);
  return true;
}

float* PackedWeights::gradient() {
  gradient_.grow(size());
  bias_gradient_.grow(columns());
  return gradient_.data();
}

void PackedWeights::take_gradient(double scale, torch::Tensor weight, torch::Tensor bias) {
  weight.add_(unpack(gradient_.data(), weight.sizes()), scale);
  if (bias.defined()) {
    bias.add_(at::from_blob(bias_gradient_.data(), bias.sizes(), at::kFloat), scale);
  }
  std::fill_n(gradient_.data(), gradient_.size(), 0.0f);
  std::fill_n(bias_gradient_.data(), bias_gradient_.size(), 0.0f);
}

}  // namespace tenfold::forward_gradient
