// SPDX-License-Identifier: Apache-2.0
// A fully connected layer over packed panels. Updates of rank one are kept as a low-rank sum and applied when the layer next
// walks over its weights. Internal to FusedNet.
#pragma once

#include <array>
#include <vector>

#include "tenfold/systems/forward_gradient/fused_layer.h"
#include "tenfold/systems/forward_gradient/packed_weights.h"

namespace tenfold::forward_gradient {

// y = x (W + sum_k a_k b_k^T)^T + bias, in one pass over W for values and tangents. With P = x B, the pending sum costs as much as
// its rank in inputs, and so does the direction itself: its tangent is (x.b) a.
class WideLinear final : public FusedLayer {
 public:
  // `map`: column of the module's weight for each input number (packed_weights.h).
  WideLinear(LayerParameters parameters,
             ActivationShape input,
             ActivationShape output,
             bool relu,
             std::vector<std::int32_t> map);

  void configure(const LayerOptions& options) override;
  void forward(const Pass& pass, const Activations& in, Activations& out) override;
  void backward(const BackwardPass& pass,
                const Activations& in,
                float* out_gradient,
                float* in_gradient) override;
  void move(std::span<const float> scales) override;
  void apply_pending() override;
  void load() override;
  void store() override;
  void save_state(const std::string& prefix, StateMap& state) const override;
  void restore_state(const std::string& prefix, const StateMap& state) override;
  void take_gradient(double scale, torch::Tensor weight, torch::Tensor bias) override {
    weights_.take_gradient(scale, std::move(weight), std::move(bias));
  }
  torch::Tensor weight_direction(DirectionKind kind, const train::DirectionKey& key) const override;
  LayerWork work() const override;
  std::size_t buffer_bytes() const override;

 private:
  // A low-rank sum: column j of `signs` and row j of `rows` are b_j and (scaled) a_j.
  struct LowRank {
    Buffer<float> signs;          // [blocks of 16 columns, steps, 16]
    Buffer<std::uint32_t> pairs;  // the same as bfloat16: [blocks, pair steps, 16]
    Buffer<float> rows;  // [panels, rank, width]; rows from count() on are zero or of the current directions
    std::vector<Move> moves;
    std::size_t count() const { return moves.size(); }
  };

  std::size_t blocks() const { return (capacity_ + 15) / 16; }
  std::size_t rank() const { return capacity_ < 16 ? capacity_ : blocks() * 16; }
  std::size_t products_stride() const { return blocks() * 16; }
  LowRank& current() { return sums_[current_]; }
  float* rows_panel(LowRank& sum, std::size_t panel) {
    return sum.rows.data() + panel * kernels::kPanelColumns * rank();
  }

  void start_pass(const Pass& pass);
  void clear_unused(LowRank& sum);
  void scale_row(std::size_t row, float scale);
  void draw(const train::DirectionKey& key, std::size_t column);
  void multiply_signs(const Pass& pass, const Activations& in);
  void value_products(const Activations& in, std::size_t first, std::size_t count, std::size_t used);
  void tangent_products(const Pass& pass, const Activations& in, std::size_t direction);
  void add_pending(std::size_t panel, LowRank* sum, float* weights);
  void update_panel(std::size_t panel);
  void forward_panel(const Pass& pass, const Activations& in, const Activations& out, std::size_t panel);
  struct Chunk {
    std::size_t panel, first, rows;
  };
  void forward_values(const Activations& in, const Activations& out, const Chunk& chunk);
  void forward_tangents(const Pass& pass,
                        const Activations& in,
                        const Activations& out,
                        const Chunk& chunk,
                        std::size_t direction);
  void backward_rows(const BackwardPass& pass,
                     const Activations& in,
                     const float* out_gradient,
                     float* in_gradient,
                     std::size_t first);

  PackedWeights weights_;
  LayerOptions options_;
  std::size_t capacity_ = 0;
  std::array<LowRank, 2> sums_;  // the current one, and the one that is being applied
  std::size_t current_ = 0;
  LowRank* applying_ = nullptr;
  std::vector<Move> dense_;  // pending
  bool pairs_stale_ = true;
  bool uses_pairs_ = false;  // this pass

  // Of the last pass.
  DirectionKind drawn_ = DirectionKind::kNone;
  std::vector<train::DirectionKey> keys_;
  Buffer<float> bias_signs_;  // [directions, columns]
  Buffer<float> column_signs_, step_signs_, row_signs_;
  ThreadBuffer<float> dense_scratch_;
  Workspace* workspace_ = nullptr;  // of the pass that runs
};

}  // namespace tenfold::forward_gradient
