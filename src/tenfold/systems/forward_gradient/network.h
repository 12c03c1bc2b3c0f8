// SPDX-License-Identifier: Apache-2.0
// The paper's networks (section 5 of arXiv 2202.08587) chosen by options, for data of any shape.
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

// models.h's network for these inputs: [B, ...] -> [B, classes], logits. Initial weights are LibTorch's own: uniform in
// +-1/sqrt(fan in). Throws Error(kConfig, "network.bad_shape") for a convolutional network and anything but square pictures, and what
// make_model() throws for an unknown name.
torch::nn::Sequential make_network(const NetworkOptions& options,
                                   const std::vector<std::int64_t>& input_shape,
                                   std::int64_t classes);

}  // namespace tenfold::forward_gradient
