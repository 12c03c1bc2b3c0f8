// SPDX-License-Identifier: Apache-2.0
// Reads a torch::nn::Sequential into the fused layers that will run it. Internal to FusedNet.
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include <memory>
#include <vector>

#include "tenfold/systems/forward_gradient/fused_conv.h"
#include "tenfold/systems/forward_gradient/fused_layer.h"

namespace tenfold::forward_gradient {

struct PlannedLayer {
  LayerParameters parameters;
  bool convolution = false;
  ConvGeometry geometry;         // of a convolution
  std::int64_t channels_in = 0;  // of a convolution; inputs of a fully connected layer
  std::int64_t channels_out = 0;
  bool relu = false;
  bool flattened = false;  // its input is a vector of features
};

// Linear, Conv2d (any kernel, stride, padding and dilation, one group), ReLU after one of these, MaxPool2d(2) after a convolution,
// and Flatten. Throws Error(kConfig) with the layer's name: "fused.unsupported_layer" (remedy: the generic
// estimator), "fused.unsupported_parameters" for tensors that are frozen, shared or not float32 on the CPU, "fused.bad_network" when the
// network does not end with a fully connected layer.
std::vector<PlannedLayer> plan_layers(const torch::nn::Sequential& module);

// The layers for inputs of these sizes without the batch: [features] or [channels, height, width]; and the shape in which the
// first one wants its input. Throws Error(kConfig, "fused.bad_input") when they do not fit.
struct BuiltLayers {
  ActivationShape input;
  bool copy_input = false;  // into a buffer with the channels innermost and a border
  std::vector<std::unique_ptr<FusedLayer>> layers;
};
BuiltLayers build_layers(const std::vector<PlannedLayer>& plan,
                         at::IntArrayRef sizes,
                         std::size_t directions);

}  // namespace tenfold::forward_gradient
