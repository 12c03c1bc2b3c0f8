// SPDX-License-Identifier: Apache-2.0
// Parameters of a module, and backpropagation as a gradient estimator.
#include "tenfold/train/gradient_estimator.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <unordered_set>
#include <utility>

#include "tenfold/base/error.h"

namespace tenfold::train {
namespace {

void check_loss(const torch::Tensor& loss) {
  if (!loss.defined() || loss.numel() != 1) {
    throw Error(ErrorClass::kInternal,
                "gradient.bad_loss",
                {"the loss of a batch is not a scalar",
                 loss.defined() ? fmt::format("{} values", loss.numel()) : "undefined",
                 "one value",
                 "let TrainTask::run return the mean over the examples"});
  }
  if (!loss.requires_grad()) {
    throw Error(ErrorClass::kInternal,
                "gradient.detached_loss",
                {"the loss does not depend on a parameter that is trained",
                 "no autograd graph",
                 "a loss computed from the module's parameters",
                 "do not detach it, and leave requires_grad on"});
  }
}

class Backprop : public GradientEstimator {
 public:
  std::string_view name() const override { return "backprop"; }

  StepOutput accumulate(const LossFunction& loss,
                        std::span<const NamedParameter> parameters,
                        const EstimateKey&,
                        double weight) override {
    StepOutput output;
    {
      const c10::AutoGradMode recording(true);
      output = loss();
      check_loss(output.loss);
      output.loss.backward(torch::full_like(output.loss, weight));
    }
    for (const NamedParameter& parameter : parameters) {
      at::Tensor value = parameter.value;
      if (!value.grad().defined()) value.mutable_grad() = at::zeros_like(value);
    }
    output.loss = output.loss.detach();
    if (output.example_loss.defined()) output.example_loss = output.example_loss.detach();
    for (auto& [name, metric] : output.metrics) metric = metric.detach();
    return output;
  }
};

}  // namespace

std::vector<NamedParameter> trainable_parameters(const torch::nn::Module& module) {
  std::vector<NamedParameter> parameters;
  std::unordered_set<const void*> seen;
  for (const auto& item : module.named_parameters()) {
    const torch::Tensor& value = item.value();
    if (!value.defined() || !value.requires_grad()) continue;
    if (seen.insert(value.unsafeGetTensorImpl()).second) parameters.push_back({item.key(), value});
  }
  return parameters;
}

StepOutput GradientEstimator::update(const LossFunction&,
                                     std::span<const NamedParameter>,
                                     const EstimateKey&,
                                     double) {
  throw Error(ErrorClass::kInternal,
              "gradient.no_streaming_update",
              {"this gradient estimator does not update parameters itself",
               std::string(name()),
               "an estimator whose streams_update() is true",
               "call accumulate() and an optimiser"});
}

void GradientEstimator::load_state(const std::map<std::string, torch::Tensor>& state) {
  if (state.empty()) return;
  throw Error(ErrorClass::kFile,
              "optimizer.bad_state",
              {"the checkpoint holds a state of the gradient estimator, which has none",
               fmt::format("{} and {} more for {}", state.begin()->first, state.size() - 1, name()),
               "no tensors",
               "train with the estimator that wrote the checkpoint"});
}

std::unique_ptr<GradientEstimator> make_backprop() {
  return std::make_unique<Backprop>();
}

}  // namespace tenfold::train
