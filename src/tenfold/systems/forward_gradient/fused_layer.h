// SPDX-License-Identifier: Apache-2.0
// What a fused layer is: values and tangents through it in one pass, gradients back through it with the update of its weights,
// directions drawn from counters. Internal to FusedNet.
#pragma once

#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/kernels/activation.h"
#include "tenfold/systems/forward_gradient/fused_buffers.h"
#include "tenfold/train/directions.h"

namespace tenfold::forward_gradient {

// One example between two layers: [height, width, channels] with the channels innermost, a border of zeros around it where the
// next layer wants one, and the channels padded with zeros to a multiple of 16 (but for the input). A vector of features is one
// pixel.
struct ActivationShape {
  std::size_t height = 1;
  std::size_t width = 1;
  std::size_t channels = 0;
  std::size_t padded = 0;  // numbers a pixel
  std::size_t border = 0;
  std::size_t image_stride = 0;  // numbers from one example to the next

  std::size_t row_numbers() const { return (width + 2 * border) * padded; }
  std::size_t offset(std::size_t y) const { return (y + border) * row_numbers() + border * padded; }
  std::size_t features() const { return height * width * padded; }  // without border
};

// A batch between two layers. Tangents are floats or bfloat16, one set of examples a direction.
struct Activations {
  ActivationShape shape;
  float* values = nullptr;
  float* tangents = nullptr;
  std::uint16_t* tangents_bf16 = nullptr;
  std::size_t tangent_stride = 0;  // numbers from one direction to the next
  bool has_tangents = false;

  const float* example(std::size_t i) const { return values + i * shape.image_stride; }
};

// Scratch memory that one layer at a time uses within a pass. Shared, so that a deep network needs it once.
struct Workspace {
  Buffer<float> products;                // x B: [batch, 16 blocks]
  Buffer<float> tangent_products;        // [directions, batch, 16 blocks]
  Buffer<float> transposed;              // gradient of the output: [columns, padded batch]
  ThreadBuffer<float> sums, input_sums;  // of tangents; of the gradient of the input

  std::size_t bytes() const {
    return products.bytes() + tangent_products.bytes() + transposed.bytes() + sums.bytes() +
           input_sums.bytes();
  }
};

enum class DirectionKind : std::uint8_t { kNone, kRankOne, kDense };

// A forward pass as one layer sees it.
struct Pass {
  std::size_t batch = 0;
  DirectionKind direction = DirectionKind::kNone;  // of this layer's parameters
  std::span<const train::DirectionKey> keys;       // one a direction, also when this layer is not perturbed
  bool bf16 = false;                               // tangent products in bfloat16
  bool stochastic = true;                          // rounding to it
  bool keep = false;                               // what the backward pass needs
  Workspace* workspace = nullptr;

  bool dual(const Activations& in) const { return direction != DirectionKind::kNone || in.has_tangents; }
};

// A backward pass with W += alpha x gradient. Into the layer's gradient buffer instead when `to_gradient`.
struct BackwardPass {
  std::size_t batch = 0;
  float alpha = 0.0f;
  bool to_gradient = false;
  Workspace* workspace = nullptr;
  bool mask_input =
      false;  // the layer below ends with a ReLU: its output is above zero where the gradient passes
};

struct LayerParameters {
  std::string name;
  torch::Tensor weight, bias;                      // bias may be undefined
  std::uint64_t weight_index = 0, bias_index = 0;  // in trainable_parameters()
};

// Work of one layer and example, for the floor of a benchmark.
struct LayerWork {
  double multiply_adds = 0.0;   // of x W^T; the same for each of the two gradients
  double direction_adds = 0.0;  // of the rank-1 term
  double weights = 0.0;         // entries
  double rows = 1.0;            // outputs
};

// How the last layer's tangents are given to the loss: tangents[i, c] + row[i * stride] column[c] + bias[c].
struct OutputTangents {
  kernels::ConstRows tangents;
  const float* row = nullptr;
  std::ptrdiff_t row_stride = 1;
  const float* column = nullptr;
  const float* bias = nullptr;
};

struct LayerOptions {
  std::size_t tangents = 1;     // directions an estimate
  std::size_t apply_every = 1;  // estimates between two applications of pending updates
  bool bf16 = false;

  friend bool operator==(const LayerOptions&, const LayerOptions&) = default;
};

using StateMap = std::map<std::string, torch::Tensor>;

// An update by scale x the direction of a key.
struct Move {
  train::DirectionKey key;
  float scale = 0.0f;
};
torch::Tensor moves_tensor(std::span<const Move> moves);    // int64 [n, 5]
std::vector<Move> moves_from(const torch::Tensor& tensor);  // throws Error(kFile, "optimizer.bad_state")
Error bad_state(std::string seen, std::string wanted);

// Not thread-safe; runs on LibTorch's threads inside.
class FusedLayer {
 public:
  FusedLayer(LayerParameters parameters, ActivationShape input, ActivationShape output, bool relu)
      : parameters_(std::move(parameters)), input_(input), output_(output), relu_(relu) {}
  virtual ~FusedLayer() = default;
  FusedLayer(const FusedLayer&) = delete;
  FusedLayer& operator=(const FusedLayer&) = delete;

  const LayerParameters& parameters() const { return parameters_; }
  const ActivationShape& input() const { return input_; }
  const ActivationShape& output() const { return output_; }
  bool relu() const { return relu_; }

  // Applies pending updates when something changes.
  virtual void configure(const LayerOptions& options) = 0;
  virtual void forward(const Pass& pass, const Activations& in, Activations& out) = 0;
  // Only for the last layer, after forward().
  virtual OutputTangents output_tangents(const Activations& out, std::size_t direction) const;
  // Gradients shaped like output() and input(); in_gradient may be null. After forward() with keep.
  virtual void backward(const BackwardPass& pass,
                        const Activations& in,
                        float* out_gradient,
                        float* in_gradient) = 0;
  // Parameters += scales[j] x direction j of the last forward pass.
  virtual void move(std::span<const float> scales) = 0;
  virtual void apply_pending() = 0;

  virtual void load() = 0;   // from the module's tensors
  virtual void store() = 0;  // to them, with what is pending; later passes give the same bits as without it
  // What the next passes depend on beside the module's tensors after store(). restore_state() comes after load() and configure(),
  // and throws Error(kFile, "optimizer.bad_state") when it does not fit.
  virtual void save_state(const std::string& prefix, StateMap& state) const;
  virtual void restore_state(const std::string& prefix, const StateMap& state);
  // Adds scale x the gradient of backward(to_gradient) to tensors shaped like the parameters, and clears it.
  virtual void take_gradient(double scale, torch::Tensor weight, torch::Tensor bias) = 0;
  // Direction of the weight as a tensor of its shape.
  virtual torch::Tensor weight_direction(DirectionKind kind, const train::DirectionKey& key) const;
  torch::Tensor bias_direction(const train::DirectionKey& key) const;

  virtual LayerWork work() const = 0;
  virtual std::size_t buffer_bytes() const = 0;  // beyond weights

 protected:
  // Signs of the weight's rows and columns and of the bias, in the module's order.
  void draw_rows(const train::DirectionKey& key, std::span<float> signs) const;
  void draw_columns(const train::DirectionKey& key, std::span<float> signs) const;
  void draw_bias(const train::DirectionKey& key, std::span<float> signs) const;  // zeros without a bias
  kernels::RandomStream dense_stream(const train::DirectionKey& key) const;
  kernels::Rounding rounding(const Pass& pass, std::uint32_t what) const;

 private:
  LayerParameters parameters_;
  ActivationShape input_, output_;
  bool relu_;
};

}  // namespace tenfold::forward_gradient
