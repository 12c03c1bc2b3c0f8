// SPDX-License-Identifier: Apache-2.0
// A convolution with ReLU and 2x2 max-pooling over images with the channels innermost. Products, pooling and rounding of a row
// happen while it is in the cache. Internal to FusedNet.
#pragma once

#include <vector>

#include "tenfold/kernels/gemm.h"
#include "tenfold/kernels/narrow_linear.h"
#include "tenfold/systems/forward_gradient/fused_layer.h"
#include "tenfold/systems/forward_gradient/packed_weights.h"

namespace tenfold::forward_gradient {

struct ConvGeometry {
  std::size_t kernel_height = 3, kernel_width = 3;
  std::size_t stride_y = 1, stride_x = 1;
  std::size_t padding_y = 1, padding_x = 1;
  std::size_t dilation_y = 1, dilation_x = 1;
  bool pool = false;  // 2x2, stride 2

  // 3x3, stride 1, padding 1: read in place from an image with a border. Others are unfolded into rows of patches first.
  bool direct() const {
    return kernel_height == 3 && kernel_width == 3 && stride_y == 1 && stride_x == 1 && padding_y == 1 &&
           padding_x == 1 && dilation_y == 1 && dilation_x == 1;
  }
  std::size_t out_height(std::size_t height) const;  // before pooling; 0 when the kernel does not fit
  std::size_t out_width(std::size_t width) const;
};

class FusedConv final : public FusedLayer {
 public:
  // `output` is the shape after pooling. The input has a border of 1 for a direct convolution, else any.
  FusedConv(LayerParameters parameters,
            ActivationShape input,
            ActivationShape output,
            bool relu,
            const ConvGeometry& geometry);

  void configure(const LayerOptions& options) override;
  void forward(const Pass& pass, const Activations& in, Activations& out) override;
  void backward(const BackwardPass& pass,
                const Activations& in,
                float* out_gradient,
                float* in_gradient) override;
  void move(std::span<const float> scales) override;
  void apply_pending() override {}
  void load() override;
  void save_state(const std::string& prefix, StateMap& state) const override;
  void restore_state(const std::string& prefix, const StateMap& state) override;
  void store() override { weights_.store(parameters().weight, parameters().bias); }
  void take_gradient(double scale, torch::Tensor weight, torch::Tensor bias) override {
    weights_.take_gradient(scale, std::move(weight), std::move(bias));
  }
  torch::Tensor weight_direction(DirectionKind kind, const train::DirectionKey& key) const override;
  LayerWork work() const override;
  std::size_t buffer_bytes() const override;

 private:
  std::size_t columns() const { return weights_.columns(); }
  std::size_t row_numbers() const { return width_ * columns(); }  // of one row of products
  std::size_t directions(const Pass& pass) const { return pass.keys.size(); }

  // Row y of patches: in place in the image, or in the unfolded ones.
  kernels::GemmTerm patch_term(const void* image, const void* unfolded, std::size_t y, bool bf16) const;
  kernels::SegmentedRows patch_rows(const float* image, const float* unfolded, std::size_t y) const;
  template <typename T>
  void unfold(const T* image, T* to) const;
  void fold(const float* patches, float* image) const;

  void draw(const Pass& pass);
  void prepare_scratch(const Pass& pass, const Activations& in);
  std::uint8_t* winners_of(const Pass& pass, std::size_t image);
  void forward_values(const Pass& pass, const Activations& in, const Activations& out, std::size_t image);
  void forward_tangents(const Pass& pass,
                        const Activations& in,
                        const Activations& out,
                        std::size_t image,
                        std::size_t direction);
  // What row y of the tangents is made of.
  struct TangentTerms {
    kernels::GemmTerm terms[2];
    std::size_t count = 0;
  };
  TangentTerms tangent_terms(
      const Pass& pass, const Activations& in, std::size_t image, std::size_t direction, std::size_t y);
  template <typename T>
  void clear_border(T* image) const;

  struct Gradient {  // with respect to the products, of one example
    const float* data;
    std::size_t row;  // numbers from one row to the next
  };
  void flip_weights();
  Gradient product_gradient(std::size_t image, float* out_gradient);
  void backward_image(const Activations& in,
                      std::size_t image,
                      const Gradient& gradient,
                      float* weight_gradient);
  void input_gradient(const BackwardPass& pass,
                      const Activations& in,
                      std::size_t image,
                      const Gradient& gradient,
                      float* in_gradient);

  ConvGeometry geometry_;
  std::size_t height_, width_;  // before pooling
  PackedWeights weights_;
  std::size_t tangents_ = 0;
  DirectionKind drawn_ = DirectionKind::kNone;
  bool pairs_stale_ = true;
  Buffer<float> rows_, bias_signs_;  // [directions, columns]
  Buffer<float> step_signs_;         // [directions, steps]
  Buffer<float> dense_;              // [directions, weights]
  Buffer<float> column_signs_;
  Buffer<std::uint8_t> winners_;  // [batch, pooled numbers], for the backward pass
  Buffer<float> flipped_;         // weights for the gradient of the input
  Buffer<float> chunk_gradients_;
  ThreadBuffer<float> row_scratch_;  // two rows of products, then one of x.b
  ThreadBuffer<float> patch_scratch_, gradient_scratch_;
  ThreadBuffer<std::uint16_t> patch_scratch_bf16_;
  ThreadBuffer<std::uint8_t> winner_scratch_;
};

}  // namespace tenfold::forward_gradient
