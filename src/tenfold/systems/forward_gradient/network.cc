// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/network.h"

#include <fmt/format.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/pooling.h>

#include <functional>
#include <numeric>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::forward_gradient {
namespace {

namespace nn = torch::nn;

std::int64_t product(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

nn::Sequential make_mlp(std::int64_t inputs, std::int64_t width, std::int64_t depth, std::int64_t classes) {
  nn::Sequential network(nn::Flatten{});
  for (std::int64_t layer = 0; layer < depth; ++layer) {
    network->push_back(nn::Linear(layer == 0 ? inputs : width, width));
    network->push_back(nn::ReLU());
  }
  network->push_back(nn::Linear(depth == 0 ? inputs : width, classes));
  return network;
}

struct CnnSizes {
  std::vector<std::int64_t> channels;  // of the four convolutions
  std::int64_t units;                  // of the hidden linear layer
};

nn::Sequential make_cnn(const std::vector<std::int64_t>& shape, const CnnSizes& sizes, std::int64_t classes) {
  if (shape.size() != 3 || shape[1] < 4 || shape[2] < 4) {
    throw Error(ErrorClass::kConfig,
                "network.too_small",
                {.what = "a convolutional network cannot take these inputs",
                 .seen = fmt::format("shape [{}]", fmt::join(shape, ", ")),
                 .wanted = "pictures [C, H, W] of at least 4 x 4",
                 .remedy = "use logistic or mlp"});
  }
  nn::Sequential network;
  std::int64_t in = shape[0];
  for (std::size_t i = 0; i < sizes.channels.size(); ++i) {
    network->push_back(nn::Conv2d(nn::Conv2dOptions(in, sizes.channels[i], 3).padding(1)));
    network->push_back(nn::ReLU());
    if (i % 2 == 1) network->push_back(nn::MaxPool2d(2));
    in = sizes.channels[i];
  }
  network->push_back(nn::Flatten());
  network->push_back(nn::Linear(in * (shape[1] / 4) * (shape[2] / 4), sizes.units));
  network->push_back(nn::ReLU());
  network->push_back(nn::Linear(sizes.units, classes));
  return network;
}

}  // namespace

torch::nn::Sequential make_network(const NetworkOptions& options,
                                   const std::vector<std::int64_t>& input_shape,
                                   std::int64_t classes) {
  if (options.model == "logistic") return make_mlp(product(input_shape), 0, 0, classes);
  if (options.model == "mlp") return make_mlp(product(input_shape), options.width, options.depth, classes);
  if (options.model == "small_cnn") return make_cnn(input_shape, {{16, 16, 32, 32}, 128}, classes);
  if (options.model == "paper_cnn") return make_cnn(input_shape, {{64, 64, 64, 64}, 1024}, classes);
  const std::vector<std::string> names = {"logistic", "mlp", "small_cnn", "paper_cnn"};
  const auto nearest = nearest_name(options.model, names);
  throw Error(ErrorClass::kConfig,
              "network.unknown",
              {.what = "there is no such network",
               .seen = printable(options.model),
               .wanted = "one of " + join(names, ", "),
               .remedy = nearest ? "did you mean " + *nearest + "?" : "take one of these"});
}

}  // namespace tenfold::forward_gradient
