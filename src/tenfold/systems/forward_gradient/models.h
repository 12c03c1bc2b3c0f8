// SPDX-License-Identifier: Apache-2.0
// The networks of the forward-gradient paper (Baydin et al. 2022, arXiv 2202.08587) as plain torch::nn::Sequential, and deep ones
// for memory. All end with logits for a softmax.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/sequential.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace tenfold::forward_gradient {

// Input of an example: [1, 28, 28] or [784].
torch::nn::Sequential logistic(std::int64_t inputs = 784, std::int64_t classes = 10);  // 784-10
torch::nn::Sequential mlp();  // 784-1024-1024-10, ReLU

// inputs - width x layers - classes, ReLU between: `layers` hidden layers.
torch::nn::Sequential deep_mlp(std::int64_t layers,
                               std::int64_t width,
                               std::int64_t inputs = 784,
                               std::int64_t classes = 10);

// Four 3x3 convolutions with padding 1 and ReLU, 2x2 max-pooling after the second and the fourth, then two fully connected
// layers. Input of an example: [1, 28, 28].
struct CnnOptions {
  std::vector<std::int64_t> channels = {64, 64, 64, 64};
  std::int64_t hidden = 1024;
  std::int64_t image_size = 28;
  std::int64_t image_channels = 1;
  std::int64_t classes = 10;
};
torch::nn::Sequential cnn(const CnnOptions& options);
CnnOptions small_cnn_options();
torch::nn::Sequential small_cnn();  // 16-16-32-32 channels, 1568-128-10
torch::nn::Sequential paper_cnn();  // 64 channels, 3136-1024-10

// "logistic", "mlp", "small_cnn", "paper_cnn". Throws Error(kConfig, "forward_gradient.unknown_model") with the nearest name.
torch::nn::Sequential make_model(std::string_view name);
const std::vector<std::string>& model_names();

}  // namespace tenfold::forward_gradient
