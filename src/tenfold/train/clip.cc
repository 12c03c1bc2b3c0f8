// SPDX-License-Identifier: Apache-2.0
// Clipping of gradients.
#include "tenfold/train/clip.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/clamp.h>
#include <c10/core/GradMode.h>

#include <cmath>

#include "tenfold/base/error.h"
#include "tenfold/kernels/sum_of_squares.h"

namespace tenfold::train {
namespace {

double sum_of_squares(at::Tensor gradient) {
  if (gradient.layout() != at::kStrided) gradient = gradient.coalesce().values();
  if (gradient.scalar_type() != at::kDouble) gradient = gradient.to(at::kFloat);  // bfloat16, half
  if (!gradient.is_non_overlapping_and_dense()) gradient = gradient.contiguous();
  const auto count = static_cast<std::size_t>(gradient.numel());
  if (gradient.scalar_type() == at::kDouble) {
    return kernels::sum_of_squares(std::span<const double>(gradient.data_ptr<double>(), count));
  }
  return kernels::sum_of_squares(std::span<const float>(gradient.data_ptr<float>(), count));
}

}  // namespace

double gradient_norm(std::span<const NamedParameter> parameters) {
  const c10::AutoGradMode no_recording(false);
  double sum = 0.0;
  for (const NamedParameter& parameter : parameters) {
    const at::Tensor& gradient = parameter.value.grad();
    if (gradient.defined()) sum += sum_of_squares(gradient);
  }
  return std::sqrt(sum);
}

double clip_gradient_norm(std::span<const NamedParameter> parameters, double max_norm) {
  const double norm = gradient_norm(parameters);
  scale_to_norm(parameters, norm, max_norm);
  return norm;
}

void scale_to_norm(std::span<const NamedParameter> parameters, double norm, double max_norm) {
  check_internal(max_norm > 0.0, "the largest gradient norm is positive");
  if (!std::isfinite(norm) || norm <= max_norm) return;
  const c10::AutoGradMode no_recording(false);
  for (const NamedParameter& parameter : parameters) {
    at::Tensor gradient = parameter.value.grad();
    if (gradient.defined()) gradient.mul_(max_norm / norm);
  }
}

void clip_gradient_values(std::span<const NamedParameter> parameters, double max_value) {
  check_internal(max_value > 0.0, "the largest gradient value is positive");
  const c10::AutoGradMode no_recording(false);
  for (const NamedParameter& parameter : parameters) {
    at::Tensor gradient = parameter.value.grad();
    if (!gradient.defined()) continue;
    if (gradient.layout() != at::kStrided) {
      gradient = gradient.coalesce();
      parameter.value.mutable_grad() = gradient;
      gradient = gradient.values();
    }
    gradient.clamp_(-max_value, max_value);
  }
}

}  // namespace tenfold::train
