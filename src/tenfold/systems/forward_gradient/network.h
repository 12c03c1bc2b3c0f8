// SPDX-License-Identifier: Apache-2.0
// The paper's networks (section 5 of arXiv 2202.08587) for pictures of any size, as ordinary torch::nn::Sequential.
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include <cstdint>
#include <string>
#include <vector>

namespace tenfold::forward_gradient {

struct NetworkOptions {
  std::string model = "mlp";
  std::int64_t width = 1024;  // hidden units of mlp
  std::int64_t depth = 2;     // hidden layers of mlp

  void visit_fields(auto&& field) {
    field("model",
          model,
          {.help = "network", .choices = {"logistic", "mlp", "small_cnn", "paper_cnn"}, .positional = true});
    field("width", width, {.help = "hidden units of mlp", .min = 1, .max = 65536});
    field("depth", depth, {.help = "hidden layers of mlp", .min = 1, .max = 1024});
  }
};

// [B, C, H, W] -> [B, classes], logits.
//   logistic   flatten, one linear layer
//   mlp        flatten, `depth` hidden layers of `width` units with ReLU, one linear layer
//   small_cnn  3x3 convolutions to 16, 16, 32, 32 channels with ReLU, 2x2 max-pooling after the second and the fourth, 128 units
//   paper_cnn  the same with 64 channels and 1024 units
// Weights and biases are LibTorch's own initial ones: uniform in +-1/sqrt(fan in). Throws Error(kConfig, "network.unknown") with the
// nearest name, "network.too_small" for pictures below 4 x 4 and a convolutional network.
torch::nn::Sequential make_network(const NetworkOptions& options,
                                   const std::vector<std::int64_t>& input_shape,
                                   std::int64_t classes);

}  // namespace tenfold::forward_gradient
