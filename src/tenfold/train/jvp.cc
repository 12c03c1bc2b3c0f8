// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/jvp.h"

#include <fmt/format.h>

#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/train/forward_ad.h"

namespace tenfold::train {
namespace {

TangentFinding no_tangent() {
  return {"forward_ad.tangent_cut",
          "",
          {.what = "the loss has no tangent",
           .seen = "a loss that no perturbed parameter reaches through LibTorch's operators",
           .wanted = "a loss computed from the perturbed parameters",
           .remedy = "check gradient.only, and code between parameters and loss that reads memory by "
                     "data_ptr() or item()"}};
}

}  // namespace

Jvp jvp(const LossFunction& loss,
        const Direction& direction,
        std::span<const torch::Tensor> tangents,
        const JvpOptions& options) {
  Jvp result;
  const DualScope scope;
  for (std::size_t i = 0; i < tangents.size(); ++i)
    scope.set_tangent(direction.tensors()[i].value, tangents[i]);
  std::optional<TangentWatch> watch;
  if (options.watched) watch.emplace(scope, direction.tensors(), options.allow_detach);
  StepOutput output;
  try {
    output = loss();
  } catch (const c10::Error& error) {
    if (!is_forward_ad_failure(error)) throw;
    result.problem = watch ? watch->explain(error) : explain_forward_ad_failure(error);
    return result;
  }
  check_loss(output);
  if (watch) result.problem = watch->finding(output.loss);
  const torch::Tensor tangent = scope.tangent(output.loss);
  if (!tangent.defined() && !result.problem && !options.may_be_inert) result.problem = no_tangent();
  if (tangent.defined()) result.slope = tangent.item<double>();
  result.output = detached(output);
  return result;
}

std::vector<torch::Tensor> draw_all(const Direction& direction) {
  std::vector<torch::Tensor> tensors;
  tensors.reserve(direction.tensors().size());
  for (std::size_t i = 0; i < direction.tensors().size(); ++i) tensors.push_back(direction.draw(i));
  return tensors;
}

void check_loss(const StepOutput& output) {
  const torch::Tensor& loss = output.loss;
  if (loss.defined() && loss.numel() == 1 && loss.is_floating_point()) return;
  throw Error(ErrorClass::kInternal,
              "gradient.bad_loss",
              {.what = "the loss of a batch is not one real number",
               .seen = loss.defined()
                           ? fmt::format("{} values of {}", loss.numel(), c10::toString(loss.scalar_type()))
                           : "undefined",
               .wanted = "one floating-point value",
               .remedy = "let TrainTask::run return the mean over the examples"});
}

StepOutput detached(const StepOutput& output) {
  StepOutput plain;
  plain.loss = output.loss.detach();
  if (output.example_loss.defined()) plain.example_loss = output.example_loss.detach();
  for (const auto& [name, value] : output.metrics) plain.metrics.emplace_back(name, value.detach());
  return plain;
}

}  // namespace tenfold::train
