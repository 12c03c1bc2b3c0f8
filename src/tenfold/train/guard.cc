// SPDX-License-Identifier: Apache-2.0
// The guard against values that are not finite.
#include "tenfold/train/guard.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/isfinite.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <cmath>

#include "tenfold/base/strings.h"

namespace tenfold::train {
namespace {

bool all_finite(at::Tensor tensor) {
  if (tensor.layout() != at::kStrided) tensor = tensor.coalesce().values();
  return tensor.isfinite().all().item<bool>();
}

constexpr std::size_t kShown = 8;

template <typename Item>
std::string list(const std::vector<Item>& items) {
  if (items.empty()) return "none";
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < items.size() && i < kShown; ++i) shown.push_back(fmt::format("{}", items[i]));
  std::string text = join(shown, ", ");
  if (items.size() > kShown) text += fmt::format(" and {} more", items.size() - kShown);
  return text;
}

}  // namespace

NonFiniteGuard::NonFiniteGuard(std::int64_t limit) : limit_(limit) {
  check_internal(limit >= 1, "a run may not end after no bad step at all");
}

bool NonFiniteGuard::accept(double loss, double gradient_norm) {
  if (std::isfinite(loss) && std::isfinite(gradient_norm)) {
    state_.in_a_row = 0;
    return true;
  }
  ++state_.in_a_row;
  ++state_.skipped;
  return false;
}

std::vector<std::string> non_finite_parameters(std::span<const NamedParameter> parameters) {
  const c10::AutoGradMode no_recording(false);
  std::vector<std::string> names;
  for (const NamedParameter& parameter : parameters) {
    if (!all_finite(parameter.value)) names.push_back(parameter.name + " (value)");
    const at::Tensor& gradient = parameter.value.grad();
    if (gradient.defined() && !all_finite(gradient)) names.push_back(parameter.name + " (gradient)");
  }
  return names;
}

Error not_finite_error(const BadStep& bad, const GuardState& state) {
  return Error(ErrorClass::kData,
               "train.not_finite",
               {fmt::format("step {}: {} steps in a row without a finite loss and gradient; parameters: {}; "
                            "rows of the data: {}",
                            bad.step,
                            state.in_a_row,
                            list(bad.parameters),
                            list(bad.rows)),
                fmt::format("loss {}, gradient norm {}", bad.loss, bad.gradient_norm),
                "finite numbers",
                "look at these rows, lower the learning rate, clip the gradient, or continue from the last "
                "checkpoint, "
                "which is from before these steps"});
}

}  // namespace tenfold::train
