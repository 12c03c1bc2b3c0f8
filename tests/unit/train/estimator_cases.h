// SPDX-License-Identifier: Apache-2.0
// Modules and losses on which the tests of gradient estimators agree with backpropagation, in float64.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tenfold/train/directions.h"
#include "tenfold/train/gradient_estimator.h"

namespace tenfold::train {

// A module with the loss of one batch; every call of the loss sees the same dropout masks.
struct Case {
  std::string name;
  std::shared_ptr<torch::nn::Module> module;
  LossFunction loss;
  std::vector<NamedParameter> parameters;
};

// Cross entropy with example losses; seeds LibTorch's generator before each call.
LossFunction cross_entropy(std::function<at::Tensor()> logits, at::Tensor target);
at::Tensor class_targets(std::int64_t count, std::int64_t classes);

Case mlp_case();             // Linear, LayerNorm, GELU
Case cnn_case();             // Conv2d, BatchNorm in training mode, max-pool, grouped convolution
Case lstm_case();            // two layers
Case transformer_case();     // TransformerEncoderLayer with dropout, [T, B, D]
Case tied_embedding_case();  // the output projection is the embedding table: one tensor, two uses
Case dropout_case();
std::vector<Case> all_cases();

// Clears gradients and returns those of backpropagation.
std::vector<at::Tensor> backprop_gradients(const Case& item);
double dot(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b);
std::vector<at::Tensor> parameter_copies(const Case& item);
std::vector<Perturbed> all_perturbed(std::span<const NamedParameter> parameters);
std::vector<at::Tensor> drawn(const Direction& direction);
// Code of the Error that `body` throws, or "no error".
std::string error_code(const std::function<void()>& body);

}  // namespace tenfold::train
