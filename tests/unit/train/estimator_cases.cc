// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/train/estimator_cases.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/functional.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/dropout.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>
#include <torch/nn/modules/pooling.h>
#include <torch/nn/modules/rnn.h>
#include <torch/nn/modules/transformerlayer.h>
#include <torch/utils.h>

#include <utility>

#include "tenfold/base/error.h"

namespace tenfold::train {

LossFunction cross_entropy(std::function<at::Tensor()> logits, at::Tensor target) {
  return [logits = std::move(logits), target = std::move(target)] {
    at::manual_seed(11);
    StepOutput output;
    output.example_loss = at::cross_entropy_loss(logits(), target, {}, at::Reduction::None);
    output.loss = output.example_loss.mean();
    return output;
  };
}

namespace {

template <typename Module>
Case make_case(std::string name, Module module, std::function<at::Tensor()> logits, at::Tensor target) {
  module->to(at::kDouble);
  Case result{std::move(name), module, cross_entropy(std::move(logits), std::move(target)), {}};
  result.parameters = trainable_parameters(*module);
  return result;
}

}  // namespace

at::Tensor class_targets(std::int64_t count, std::int64_t classes) {
  return at::arange(count).remainder(classes);
}

Case mlp_case() {
  using namespace torch::nn;  // NOLINT
  Sequential model(
      Linear(6, 8), LayerNorm(LayerNormOptions({8})), Functional(at::gelu, "none"), Linear(8, 3));
  const at::Tensor x = at::randn({5, 6}, at::kDouble);
  return make_case(
      "mlp", model.ptr(), [model, x]() mutable { return model->forward(x); }, class_targets(5, 3));
}

Case cnn_case() {
  using namespace torch::nn;  // NOLINT
  Sequential model(Conv2d(Conv2dOptions(2, 4, 3).padding(1)),
                   BatchNorm2d(4),
                   Functional(at::relu),
                   MaxPool2d(2),
                   Conv2d(Conv2dOptions(4, 4, 3).groups(2)),
                   Functional([](const at::Tensor& h) { return h.flatten(1); }),
                   Linear(16, 3));
  const at::Tensor x = at::randn({5, 2, 8, 8}, at::kDouble);
  return make_case(
      "cnn", model.ptr(), [model, x]() mutable { return model->forward(x); }, class_targets(5, 3));
}

Case lstm_case() {
  struct Net : torch::nn::Module {
    torch::nn::LSTM lstm{torch::nn::LSTMOptions(3, 5).num_layers(2).batch_first(true)};
    torch::nn::Linear head{5, 3};
    Net() {
      register_module("lstm", lstm);
      register_module("head", head);
    }
  };
  auto net = std::make_shared<Net>();
  const at::Tensor x = at::randn({4, 6, 3}, at::kDouble);
  auto logits = [net, x] { return net->head(std::get<0>(net->lstm->forward(x)).select(1, -1)); };
  return make_case("lstm", net, logits, class_targets(4, 3));
}

Case transformer_case() {
  struct Net : torch::nn::Module {
    torch::nn::TransformerEncoderLayer layer{
        torch::nn::TransformerEncoderLayerOptions(8, 2).dim_feedforward(12).dropout(0.2).activation(
            torch::kGELU)};
    torch::nn::Linear head{8, 3};
    Net() {
      register_module("layer", layer);
      register_module("head", head);
    }
  };
  auto net = std::make_shared<Net>();
  const at::Tensor x = at::randn({4, 5, 8}, at::kDouble);  // [T, B, D]
  return make_case(
      "transformer",
      net,
      [net, x] { return net->head(net->layer->forward(x).mean(0)); },
      class_targets(5, 3));
}

Case tied_embedding_case() {
  struct Net : torch::nn::Module {
    torch::nn::Embedding table{torch::nn::EmbeddingOptions(7, 4)};
    torch::nn::Linear mix{4, 4};
    Net() {
      register_module("table", table);
      register_module("mix", mix);
      register_parameter("head", table->weight);
    }
  };
  auto net = std::make_shared<Net>();
  const at::Tensor tokens = at::arange(10).remainder(7).view({5, 2});
  auto logits = [net, tokens] {
    return at::matmul(at::tanh(net->mix(net->table(tokens).mean(1))), net->table->weight.t());
  };
  return make_case("tied embedding", net, logits, class_targets(5, 7));
}

Case dropout_case() {
  using namespace torch::nn;  // NOLINT
  Sequential model(Linear(6, 16), Functional(at::relu), Dropout(0.5), Linear(16, 3));
  const at::Tensor x = at::randn({5, 6}, at::kDouble);
  return make_case(
      "dropout", model.ptr(), [model, x]() mutable { return model->forward(x); }, class_targets(5, 3));
}

std::vector<Case> all_cases() {
  at::manual_seed(5);
  return {mlp_case(), cnn_case(), lstm_case(), transformer_case(), tied_embedding_case(), dropout_case()};
}

std::vector<at::Tensor> backprop_gradients(const Case& item) {
  for (const NamedParameter& parameter : item.parameters) parameter.value.mutable_grad() = at::Tensor();
  make_backprop()->accumulate(item.loss, item.parameters, {}, 1.0);
  std::vector<at::Tensor> gradients;
  for (const NamedParameter& parameter : item.parameters) {
    gradients.push_back(parameter.value.grad());
    parameter.value.mutable_grad() = at::Tensor();
  }
  return gradients;
}

double dot(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] * b[i]).sum().item<double>();
  return sum;
}

std::vector<at::Tensor> parameter_copies(const Case& item) {
  std::vector<at::Tensor> copies;
  for (const NamedParameter& parameter : item.parameters) copies.push_back(parameter.value.detach().clone());
  return copies;
}

std::vector<Perturbed> all_perturbed(std::span<const NamedParameter> parameters) {
  std::vector<Perturbed> all;
  for (std::size_t i = 0; i < parameters.size(); ++i) all.push_back({i, parameters[i].value});
  return all;
}

std::vector<at::Tensor> drawn(const Direction& direction) {
  std::vector<at::Tensor> tensors;
  for (std::size_t i = 0; i < direction.tensors().size(); ++i) tensors.push_back(direction.draw(i));
  return tensors;
}

std::string error_code(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return "no error";
}

}  // namespace tenfold::train
