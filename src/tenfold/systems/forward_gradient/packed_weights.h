// SPDX-License-Identifier: Apache-2.0
// Weights of a layer in the panels of kernels/gemm.h, with their bfloat16 copy. Internal to FusedNet.
#pragma once

#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tenfold/kernels/activation.h"
#include "tenfold/kernels/gemm.h"
#include "tenfold/kernels/random_fill.h"
#include "tenfold/systems/forward_gradient/fused_buffers.h"

namespace tenfold::forward_gradient {

// Panels of [steps, width]: step k of the layer's input order times output column n. The module's weight, seen as [outputs,
// columns], has column map[k] for step k; -1 marks padding, which stays zero.
class PackedWeights {
 public:
  PackedWeights(std::size_t outputs, std::vector<std::int32_t> map);

  std::size_t steps() const { return map_.size(); }
  std::size_t outputs() const { return outputs_; }
  std::size_t columns() const { return kernels::padded_columns(outputs_); }
  std::size_t panels() const { return kernels::panel_count(outputs_); }
  std::size_t width(std::size_t panel) const { return kernels::panel_width(outputs_, panel); }
  std::size_t size() const { return steps() * columns(); }

  float* data() { return data_.data(); }
  const float* data() const { return data_.data(); }
  float* panel(std::size_t p) { return data_.data() + panel_offset(p); }
  const std::uint32_t* pairs() const { return pairs_.data(); }
  const std::uint32_t* pairs(std::size_t p) const {
    return pairs_.data() + p * kernels::kPanelColumns * pair_steps();
  }
  std::size_t pair_steps() const { return (steps() + 1) / 2; }
  std::size_t panel_offset(std::size_t p) const { return p * kernels::kPanelColumns * steps(); }
  float* bias() { return bias_.data(); }  // [columns()]

  void load(const torch::Tensor& weight, const torch::Tensor& bias);
  void store(torch::Tensor weight, torch::Tensor bias) { store_packed(data_.data(), weight, bias); }
  // Other packed weights in place of its own.
  void store_packed(const float* packed, torch::Tensor weight, torch::Tensor bias);

  // Values in the module's order to the layer's: to[k] = from[map[k]], 0 for padding.
  void to_steps(const float* from, float* to) const;
  // Signs of a dense direction for one panel, zero at padding. `to`: [steps, width].
  void draw_dense(kernels::RandomStream stream, std::size_t panel, float* to) const;
  // The bfloat16 copy of one panel; the first call makes room for all.
  void make_room_for_pairs() { pairs_.grow(pair_steps() * columns()); }
  void set_rounding(kernels::Rounding rounding) { rounding_ = rounding; }
  void refresh_pairs(std::size_t panel);
  // The rounding of the copy, from which it can be made again. False when there was none.
  torch::Tensor rounding_state() const;
  bool restore_pairs(const std::string& name, const std::map<std::string, torch::Tensor>& state);

  // A gradient in the same panels, zero at first.
  float* gradient();
  float* bias_gradient() { return bias_gradient_.data(); }
  void take_gradient(double scale, torch::Tensor weight, torch::Tensor bias);

  // The packed numbers as a tensor of the module's shape.
  torch::Tensor unpack(const float* packed, at::IntArrayRef shape) const;

 private:
  bool identity_ = true;  // map[k] = k
  std::size_t outputs_;
  std::vector<std::int32_t> map_;
  Buffer<float> data_, bias_, gradient_, bias_gradient_;
  Buffer<std::uint32_t> pairs_;
  kernels::Rounding rounding_;
};

}  // namespace tenfold::forward_gradient
