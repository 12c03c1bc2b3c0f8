// SPDX-License-Identifier: Apache-2.0
// The last fully connected layer of a classifier, with few outputs: weights stay in the module's order. Internal to FusedNet.
#pragma once

#include <vector>

#include "tenfold/kernels/narrow_linear.h"
#include "tenfold/systems/forward_gradient/fused_buffers.h"
#include "tenfold/systems/forward_gradient/fused_layer.h"

namespace tenfold::forward_gradient {

inline constexpr std::size_t kMaxNarrowOutputs = 32;

// Rows of the weight matrix are followed by the columns b of the directions, so that x W^T and x.b are one pass over x. Column
// outputs + j of the output holds x.b_j.
class NarrowLayer final : public FusedLayer {
 public:
  // `map`: column of the module's weight for each input number, -1 for padding. output.padded has room for `directions` more
  // columns: output_numbers().
  NarrowLayer(LayerParameters parameters,
              ActivationShape input,
              ActivationShape output,
              std::vector<std::int32_t> map);

  static std::size_t output_numbers(std::size_t outputs, std::size_t directions) {
    return round_up(outputs + directions, 16);
  }

  void configure(const LayerOptions& options) override;
  void forward(const Pass& pass, const Activations& in, Activations& out) override;
  OutputTangents output_tangents(const Activations& out, std::size_t direction) const override;
  void backward(const BackwardPass& pass,
                const Activations& in,
                float* out_gradient,
                float* in_gradient) override;
  void move(std::span<const float> scales) override;
  void apply_pending() override {}
  void load() override;
  void store() override;
  void take_gradient(double scale, torch::Tensor weight, torch::Tensor bias) override;
  torch::Tensor weight_direction(DirectionKind kind, const train::DirectionKey& key) const override;
  LayerWork work() const override;
  std::size_t buffer_bytes() const override;

 private:
  std::size_t outputs() const { return output().channels; }
  kernels::NarrowWeights matrix(float* data, std::size_t rows) const {
    return {data, stride_of(row_), rows, map_.size()};
  }
  kernels::NarrowWeights weights(std::size_t rows) { return matrix(weights_.data(), rows); }
  void draw(const Pass& pass, std::size_t direction);
  void draw_dense(const train::DirectionKey& key, float* to) const;
  torch::Tensor unpack(const float* packed) const;

  std::vector<std::int32_t> map_;
  bool identity_ = true;
  std::size_t row_;  // numbers from one row of the weights to the next
  std::size_t tangents_ = 0;
  Buffer<float> weights_, bias_;  // [outputs + directions, row_], [16 x n]: zeros after the outputs
  Buffer<float> gradient_, bias_gradient_;
  Buffer<float> rows_, bias_signs_;  // [directions, columns of the output]
  Buffer<float> dense_, dense_products_;
  Buffer<float> column_signs_;
  DirectionKind drawn_ = DirectionKind::kNone;
};

}  // namespace tenfold::forward_gradient
