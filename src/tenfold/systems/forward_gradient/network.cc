// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/network.h"

#include <fmt/format.h>

#include <functional>
#include <numeric>

#include "tenfold/base/error.h"
#include "tenfold/systems/forward_gradient/models.h"

namespace tenfold::forward_gradient {
namespace {

std::int64_t product(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

// The convolutional networks take square pictures that two halvings leave something of.
CnnOptions for_pictures(CnnOptions options, const std::vector<std::int64_t>& shape, std::int64_t classes) {
  if (shape.size() != 3 || shape[1] != shape[2] || shape[1] < 4) {
    throw Error(ErrorClass::kConfig,
                "network.bad_shape",
                {.what = "a convolutional network cannot take these inputs",
                 .seen = fmt::format("shape [{}]", fmt::join(shape, ", ")),
                 .wanted = "square pictures [C, H, W] of at least 4 x 4",
                 .remedy = "use logistic or mlp, or resize the pictures"});
  }
  options.image_channels = shape[0];
  options.image_size = shape[1];
  options.classes = classes;
  return options;
}

}  // namespace

torch::nn::Sequential make_network(const NetworkOptions& options,
                                   const std::vector<std::int64_t>& input_shape,
                                   std::int64_t classes) {
  const std::int64_t inputs = product(input_shape);
  if (options.model == "logistic") return logistic(inputs, classes);
  if (options.model == "mlp") return deep_mlp(options.depth, options.width, inputs, classes);
  if (options.model == "small_cnn") return cnn(for_pictures(small_cnn_options(), input_shape, classes));
  if (options.model == "paper_cnn") return cnn(for_pictures({}, input_shape, classes));
  return make_model(options.model);  // throws with the nearest name
}

}  // namespace tenfold::forward_gradient
