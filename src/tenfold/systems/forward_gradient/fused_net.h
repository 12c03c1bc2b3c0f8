// SPDX-License-Identifier: Apache-2.0
// A torch::nn::Sequential with softmax cross entropy, compiled into hand-fused layers: backpropagation and forward gradients
// (Baydin et al. 2022, arXiv 2202.08587) over the same kernels, without autograd.
//
// Backpropagation: the SGD update is part of the product that makes the gradient, which is never stored. Forward gradients: value
// and tangent go through each layer together, directions are of rank one per weight (v = a b^T of signs: the tangent's own term
// is (x.b) a) and drawn from counters, updates are kept as a low-rank sum and applied every few steps during a pass.
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tenfold/systems/forward_gradient/fused_layer.h"
#include "tenfold/systems/forward_gradient/fused_options.h"
#include "tenfold/train/gradient_estimator.h"
#include "tenfold/train/task.h"

namespace tenfold::forward_gradient {

// Not thread-safe. Owns a copy of the weights in the layout of its kernels: flush() writes them to the module, and parameters that
// others changed in place are read again at the next call (what was not flushed is then lost).
class FusedNet {
 public:
  // Throws Error(kConfig): "fused.unsupported_layer", "fused.unsupported_parameters", "fused.bad_network" (fused_plan.h).
  explicit FusedNet(torch::nn::Sequential module);
  ~FusedNet();
  FusedNet(const FusedNet&) = delete;
  FusedNet& operator=(const FusedNet&) = delete;

  // inputs: float32 [B, features] or [B, channels, height, width]; targets: int64 [B], classes. B >= 1. All of the following
  // throw Error(kConfig, "fused.bad_input") for sizes that do not fit the network, Error(kData, "fused.bad_batch") for other types,
  // another batch size or a class out of range, and then change nothing.

  // Loss of each example, their mean and the accuracy (in metrics). Within a FusedScope the pass is the estimator's.
  train::StepOutput run(const torch::Tensor& inputs, const torch::Tensor& targets);
  torch::Tensor logits(const torch::Tensor& inputs);  // [B, classes]

  struct Figures {
    double loss = 0.0;
    double accuracy = 0.0;
    std::vector<double> slopes;   // derivative of the loss along each direction
    double probability = 1.0;     // of the block that was perturbed
    std::uint64_t perturbed = 0;  // entries
  };
  // Loss and slopes along the directions of `key`, which are those of train/directions.h for mode rank1 and block. Throws
  // Error(kConfig, "fused.bad_options") for mode backprop, or block with several tangents.
  Figures directional(const torch::Tensor& inputs,
                      const torch::Tensor& targets,
                      const FusedOptions& options,
                      const train::EstimateKey& key);
  // Parameters += scales[j] x direction j of the last directional(), once.
  void move(std::span<const double> scales);

  // A forward pass that keeps activations, then parameters -= learning_rate x gradient. `inputs` must live in between.
  Figures forward_keep(const torch::Tensor& inputs, const torch::Tensor& targets);
  void backward(double learning_rate);
  // Adds weight x gradient to p.grad() instead.
  void backward_to_gradients(double weight);

  // One SGD step of either kind. When loss or slope is not finite nothing is changed.
  Figures step(const torch::Tensor& inputs,
               const torch::Tensor& targets,
               const FusedOptions& options,
               const train::EstimateKey& key,
               double learning_rate);

  // Options of the passes to come; directional() and step() do it as well. Applies what is pending when they change.
  void configure(const FusedOptions& options);
  // Writes the parameters to the module, with what is pending. Later passes give the same bits as without it.
  void flush();
  // What the next passes depend on beside the parameters after flush(). load_state() throws Error(kFile, "optimizer.bad_state").
  StateMap state() const;
  void load_state(const StateMap& state);
  const std::vector<train::NamedParameter>& parameters() const;
  // Direction `tangent` of an estimate as tensors like parameters(); zeros where a block is not perturbed.
  std::vector<torch::Tensor> direction(const FusedOptions& options,
                                       const train::EstimateKey& key,
                                       std::uint64_t tangent) const;

  // Of each layer, for inputs of the last size.
  std::vector<LayerWork> work() const;
  // Memory beside the weights and the pending updates' own: activations, tangents, gradients, scratch.
  std::size_t buffer_bytes() const;
  void release_buffers();

 private:
  friend class FusedScope;
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Throws Error(kConfig, "fused.bad_options") when they do not go together or are out of range.
void check_options(const FusedOptions& options);

// Coefficients of the update -learning_rate x estimate: scales[j] = -learning_rate x slope_j / (directions x probability), with
// slopes clipped to +-clip when that is above zero. Empty when something is not finite.
std::vector<double> update_scales(const FusedNet::Figures& figures, double learning_rate, double clip);

// While it lives, FusedNet::run() makes the pass of an estimate: directional(), or forward_keep() for mode backprop.
class FusedScope {
 public:
  FusedScope(FusedNet& net, const FusedOptions& options, const train::EstimateKey& key);
  ~FusedScope();
  FusedScope(const FusedScope&) = delete;
  FusedScope& operator=(const FusedScope&) = delete;

  std::size_t runs() const { return runs_; }
  const FusedNet::Figures& figures() const { return figures_; }  // of the last run

 private:
  friend class FusedNet;
  FusedNet& net_;
  const FusedOptions& options_;
  const train::EstimateKey& key_;
  FusedNet::Figures figures_;
  std::size_t runs_ = 0;
};

}  // namespace tenfold::forward_gradient
