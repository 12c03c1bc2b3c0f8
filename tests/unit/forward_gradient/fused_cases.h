// SPDX-License-Identifier: Apache-2.0
// Networks and batches for the tests of the fused layers, and their gradients by LibTorch's autograd in float64.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/pooling.h>

#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/systems/forward_gradient/models.h"
#include "tenfold/train/gradient_estimator.h"

namespace tenfold::forward_gradient {

struct Case {
  std::string name;
  std::function<torch::nn::Sequential()> make;
  std::vector<std::int64_t> sizes;  // of one input
  std::int64_t batch;
  std::int64_t classes;
};

inline torch::nn::Sequential odd_cnn() {
  torch::nn::Sequential model;
  model->push_back("a", torch::nn::Conv2d(torch::nn::Conv2dOptions(3, 5, 3).padding(1)));
  model->push_back("a_relu", torch::nn::ReLU());
  model->push_back("b", torch::nn::Conv2d(torch::nn::Conv2dOptions(5, 20, 3).padding(1).bias(false)));
  model->push_back("b_pool", torch::nn::MaxPool2d(2));
  model->push_back("b_relu", torch::nn::ReLU());
  model->push_back("c", torch::nn::Conv2d(torch::nn::Conv2dOptions(20, 48, 3).padding(1)));
  model->push_back("flatten", torch::nn::Flatten());
  model->push_back("d", torch::nn::Linear(48 * 4 * 3, 33));
  model->push_back("d_relu", torch::nn::ReLU());
  model->push_back("e", torch::nn::Linear(33, 7));
  return model;
}

// Kernels, strides, paddings and dilations that are not read in place.
inline torch::nn::Sequential unfolded_cnn() {
  torch::nn::Sequential model;
  model->push_back("a",
                   torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 18, {5, 3}).stride({2, 1}).padding({2, 0})));
  model->push_back("a_relu", torch::nn::ReLU());
  model->push_back("b", torch::nn::Conv2d(torch::nn::Conv2dOptions(18, 17, 3).padding(2).dilation(2)));
  model->push_back("b_relu", torch::nn::ReLU());
  model->push_back("b_pool", torch::nn::MaxPool2d(2));
  model->push_back("c", torch::nn::Conv2d(torch::nn::Conv2dOptions(17, 6, 1)));
  model->push_back("c_relu", torch::nn::ReLU());
  model->push_back("flatten", torch::nn::Flatten());
  model->push_back("out", torch::nn::Linear(6 * 3 * 4, 4));
  return model;
}

// The last layer has too many outputs for the narrow kernels.
inline torch::nn::Sequential wide_head() {
  torch::nn::Sequential model;
  model->push_back("a", torch::nn::Linear(21, 70));
  model->push_back("relu", torch::nn::ReLU());
  model->push_back("b", torch::nn::Linear(70, 50));
  return model;
}

inline std::vector<Case> all_cases() {
  return {{"logistic", [] { return logistic(); }, {1, 28, 28}, 64, 10},
          {"logistic_small", [] { return logistic(5, 2); }, {5}, 1, 2},
          {"mlp", [] { return deep_mlp(2, 96); }, {784}, 17, 10},
          {"deep", [] { return deep_mlp(5, 40, 13, 3); }, {13}, 130, 3},
          {"wide_head", [] { return wide_head(); }, {21}, 9, 50},
          {"small_cnn",
           [] {
             return cnn({.channels = {16, 16, 32, 32}, .hidden = 128, .image_size = 12});
           },
           {1, 12, 12},
           5,
           10},
          {"odd_cnn", [] { return odd_cnn(); }, {3, 9, 7}, 6, 7},
          {"unfolded_cnn", [] { return unfolded_cnn(); }, {2, 12, 11}, 4, 4}};
}

struct TestBatch {
  torch::Tensor inputs, targets;
};

inline TestBatch make_batch(const Case& from, std::uint64_t seed = 1) {
  at::manual_seed(seed);
  std::vector<std::int64_t> sizes = from.sizes;
  sizes.insert(sizes.begin(), from.batch);
  return {at::randn(sizes), at::randint(from.classes, {from.batch}, at::kLong)};
}

// Loss and gradients of the module at its current parameters, in float64.
struct Reference {
  double loss = 0.0;
  std::vector<torch::Tensor> gradients;
};

inline Reference reference_of(torch::nn::Sequential& module, const TestBatch& batch) {
  const std::vector<train::NamedParameter> parameters = train::trainable_parameters(*module);
  std::vector<torch::Tensor> kept;
  for (const auto& parameter : parameters) kept.push_back(parameter.value.detach().clone());
  module->to(at::kDouble);
  module->zero_grad();
  const torch::Tensor loss =
      at::cross_entropy_loss(module->forward(batch.inputs.to(at::kDouble)), batch.targets);
  loss.backward();
  Reference reference{loss.item<double>(), {}};
  for (const auto& parameter : parameters) reference.gradients.push_back(parameter.value.grad().clone());
  module->to(at::kFloat);
  module->zero_grad();
  return reference;
}

inline double dot(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += (a[i].to(at::kDouble) * b[i].to(at::kDouble)).sum().item<double>();
  return sum;
}

inline double norm(const std::vector<torch::Tensor>& a) {
  return std::sqrt(dot(a, a));
}

}  // namespace tenfold::forward_gradient
