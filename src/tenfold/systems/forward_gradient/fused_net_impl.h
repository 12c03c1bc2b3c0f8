// SPDX-License-Identifier: Apache-2.0
// Inside of FusedNet: layers, buffers between them, the passes.
#pragma once

#include <torch/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/systems/forward_gradient/fused_buffers.h"
#include "tenfold/systems/forward_gradient/fused_net.h"
#include "tenfold/systems/forward_gradient/fused_plan.h"
#include "tenfold/train/perturbed_set.h"

namespace tenfold::forward_gradient {

class FusedNet::Impl {
 public:
  explicit Impl(torch::nn::Sequential module)
      : module_(std::move(module)),
        plan_(plan_layers(module_)),
        parameters_(train::trainable_parameters(*module_)),
        blocks_(train::make_blocks(
            parameters_, train::select_parameters(parameters_, {}), train::BlockSize::kLayer)) {
    for (const train::NamedParameter& parameter : parameters_)
      entries_ += static_cast<std::uint64_t>(parameter.value.numel());
  }

  void check(const torch::Tensor& inputs, const torch::Tensor* targets) const;
  void prepare(const torch::Tensor& inputs, std::size_t directions);
  Figures value_pass(const torch::Tensor& inputs, const torch::Tensor& targets, bool keep);
  Figures dual_pass(const torch::Tensor& inputs,
                    const torch::Tensor& targets,
                    const FusedOptions& options,
                    const train::EstimateKey& key);
  void move(std::span<const double> scales);
  void backward(float alpha, bool to_gradient);
  void flush();
  torch::Tensor logits(const torch::Tensor& inputs);
  train::StepOutput output(const Figures& figures) const;
  const train::Block* block_of(const FusedOptions& options, const train::DirectionKey& key) const;
  std::vector<torch::Tensor> direction(const FusedOptions& options, const train::DirectionKey& key) const;
  std::size_t buffer_bytes() const;
  void release_buffers();

  const std::vector<train::NamedParameter>& parameters() const { return parameters_; }
  const BuiltLayers& built() const { return built_; }
  void take_gradients(double weight);
  void configure(const FusedOptions& options);
  StateMap state() const;
  void load_state(const StateMap& state);

  FusedScope* scope = nullptr;

 private:
  bool parameters_changed() const;
  void note_versions();
  void reload();
  LayerOptions layer_options() const;
  std::string prefix_of(std::size_t layer) const;
  void restore_layers();
  Activations input_of(const torch::Tensor& inputs);
  Activations make_output(std::size_t layer, const Pass& pass, bool dual);
  void forward(const torch::Tensor& inputs, const Pass& pass, const train::Block* block, DirectionKind kind);
  Figures loss(const torch::Tensor& targets, bool gradient, std::size_t directions);

  torch::nn::Sequential module_;
  std::vector<PlannedLayer> plan_;
  std::vector<train::NamedParameter> parameters_;
  std::vector<train::Block> blocks_;
  std::uint64_t entries_ = 0;

  BuiltLayers built_;
  std::vector<std::int64_t> sizes_;  // of an input
  std::size_t directions_ = 0;
  FusedOptions options_;
  std::vector<std::pair<const void*, std::uint32_t>> versions_;

  StateMap restore_;  // waits for the first batch

  std::size_t batch_ = 0;
  std::vector<Activations> activations_;  // of the last pass: input of layer i at i
  torch::Tensor kept_inputs_;
  bool kept_ = false, drawn_ = false;
  std::vector<train::DirectionKey> keys_;
  Buffer<float> input_;
  std::vector<Buffer<float>> kept_values_;
  Buffer<float> values_[2], tangents_[2], gradients_[2];
  Workspace workspace_;
  Buffer<float> example_loss_, example_slope_;
  Buffer<std::uint8_t> correct_;
};

}  // namespace tenfold::forward_gradient
