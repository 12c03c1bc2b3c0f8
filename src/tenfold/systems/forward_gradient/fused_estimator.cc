// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/fused_estimator.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <cmath>
#include <numeric>
#include <utility>

#include "tenfold/base/error.h"

namespace tenfold::forward_gradient {

FusedEstimator::FusedEstimator(FusedNet& net, FusedOptions options)
    : net_(net), options_(std::move(options)), name_("fused_" + options_.mode) {
  check_options(options_);
  net_.configure(options_);
}

void FusedEstimator::check_parameters(std::span<const train::NamedParameter> parameters) const {
  const std::vector<train::NamedParameter>& own = net_.parameters();
  bool same = own.size() == parameters.size();
  for (std::size_t i = 0; same && i < own.size(); ++i) same = own[i].value.is_same(parameters[i].value);
  if (same) return;
  throw Error(ErrorClass::kConfig,
              "fused.other_parameters",
              {.what = "the fused estimator was given parameters of another module",
               .seen = fmt::format("{} parameters", parameters.size()),
               .wanted = fmt::format("the {} of its network", own.size()),
               .remedy = "train the module that the FusedNet was made from"});
}

train::StepOutput FusedEstimator::run(const train::LossFunction& loss,
                                      std::span<const train::NamedParameter> parameters,
                                      const train::EstimateKey& key) {
  check_parameters(parameters);
  const c10::NoGradGuard no_grad;
  FusedScope scope(net_, options_, key);
  train::StepOutput output = loss();
  if (scope.runs() != 1) {
    throw Error(ErrorClass::kConfig,
                "fused.not_run",
                {.what = "the loss does not use the fused network as the fused estimator needs it",
                 .seen = fmt::format("{} calls of FusedNet::run()", scope.runs()),
                 .wanted = "one",
                 .remedy = "let TrainTask::run() return FusedNet::run(inputs, targets)"});
  }
  last_ = scope.figures();
  figures_.clear();
  if (last_.slopes.empty()) return output;
  const auto directions = static_cast<double>(last_.slopes.size());
  figures_["directional_derivative"] =
      std::accumulate(last_.slopes.begin(), last_.slopes.end(), 0.0) / directions;
  figures_["perturbed"] = static_cast<double>(last_.perturbed);
  // E d^2 / p = |g|^2 over directions and blocks.
  const double squares =
      std::inner_product(last_.slopes.begin(), last_.slopes.end(), last_.slopes.begin(), 0.0);
  figures_["gradient_norm_estimate"] = std::sqrt(squares / (directions * last_.probability));
  return output;
}

train::StepOutput FusedEstimator::update(const train::LossFunction& loss,
                                         std::span<const train::NamedParameter> parameters,
                                         const train::EstimateKey& key,
                                         double learning_rate) {
  train::StepOutput output = run(loss, parameters, key);
  if (options_.mode == "backprop") {
    if (std::isfinite(last_.loss)) net_.backward(learning_rate);
    return output;
  }
  const std::vector<double> scales = update_scales(last_, learning_rate, options_.clip);
  if (!scales.empty()) net_.move(scales);
  return output;
}

train::StepOutput FusedEstimator::accumulate(const train::LossFunction& loss,
                                             std::span<const train::NamedParameter> parameters,
                                             const train::EstimateKey& key,
                                             double weight) {
  train::StepOutput output = run(loss, parameters, key);
  const c10::NoGradGuard no_grad;
  for (const train::NamedParameter& parameter : parameters) {
    torch::Tensor value = parameter.value;
    if (!value.grad().defined()) value.mutable_grad() = at::zeros_like(value);
  }
  if (options_.mode == "backprop") {
    net_.backward_to_gradients(weight);
    return output;
  }
  const std::vector<double> scales = update_scales(last_, -weight, options_.clip);
  for (std::size_t j = 0; j < scales.size(); ++j) {
    const std::vector<torch::Tensor> direction = net_.direction(options_, key, j);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      parameters[i].value.grad().add_(direction[i], scales[j]);
  }
  return output;
}

}  // namespace tenfold::forward_gradient
