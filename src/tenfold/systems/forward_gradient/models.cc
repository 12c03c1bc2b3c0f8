// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/models.h"

#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/pooling.h>

#include <algorithm>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::forward_gradient {

namespace nn = torch::nn;

nn::Sequential logistic(std::int64_t inputs, std::int64_t classes) {
  nn::Sequential model;
  model->push_back("flatten", nn::Flatten());
  model->push_back("output", nn::Linear(inputs, classes));
  return model;
}

nn::Sequential mlp() {
  return deep_mlp(2, 1024);
}

nn::Sequential deep_mlp(std::int64_t layers, std::int64_t width, std::int64_t inputs, std::int64_t classes) {
  nn::Sequential model;
  model->push_back("flatten", nn::Flatten());
  for (std::int64_t layer = 1; layer <= layers; ++layer) {
    model->push_back("hidden" + std::to_string(layer), nn::Linear(layer == 1 ? inputs : width, width));
    model->push_back("relu" + std::to_string(layer), nn::ReLU());
  }
  model->push_back("output", nn::Linear(layers == 0 ? inputs : width, classes));
  return model;
}

nn::Sequential cnn(const CnnOptions& options) {
  nn::Sequential model;
  std::int64_t channels = options.image_channels, size = options.image_size;
  for (std::size_t i = 0; i < options.channels.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    model->push_back("conv" + number,
                     nn::Conv2d(nn::Conv2dOptions(channels, options.channels[i], 3).padding(1)));
    model->push_back("conv_relu" + number, nn::ReLU());
    if (i % 2 == 1) {
      model->push_back("pool" + number, nn::MaxPool2d(nn::MaxPool2dOptions(2)));
      size /= 2;
    }
    channels = options.channels[i];
  }
  model->push_back("flatten", nn::Flatten());
  model->push_back("hidden", nn::Linear(channels * size * size, options.hidden));
  model->push_back("hidden_relu", nn::ReLU());
  model->push_back("output", nn::Linear(options.hidden, options.classes));
  return model;
}

CnnOptions small_cnn_options() {
  return {.channels = {16, 16, 32, 32}, .hidden = 128};
}

nn::Sequential small_cnn() {
  return cnn(small_cnn_options());
}

nn::Sequential paper_cnn() {
  return cnn({});
}

const std::vector<std::string>& model_names() {
  static const std::vector<std::string> names = {"logistic", "mlp", "small_cnn", "paper_cnn"};
  return names;
}

nn::Sequential make_model(std::string_view name) {
  if (name == "logistic") return logistic();
  if (name == "mlp") return mlp();
  if (name == "small_cnn") return small_cnn();
  if (name == "paper_cnn") return paper_cnn();
  const auto nearest = nearest_name(name, model_names());
  throw Error(ErrorClass::kConfig,
              "forward_gradient.unknown_model",
              {.what = "there is no such model",
               .seen = printable(name),
               .wanted = join(model_names(), ", "),
               .remedy = nearest ? "did you mean '" + *nearest + "'?" : "choose one of these"});
}

}  // namespace tenfold::forward_gradient
