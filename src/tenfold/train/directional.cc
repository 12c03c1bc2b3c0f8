// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/directional.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/train/forward_ad.h"
#include "tenfold/train/jvp.h"
#include "tenfold/train/mezo.h"
#include "tenfold/train/parameter_shift.h"

namespace tenfold::train {
namespace {

double relative(double value, double reference) {
  const double difference = std::abs(value - reference);
  return difference == 0.0 ? 0.0 : difference / std::abs(reference);
}

// Gradient of backpropagation with respect to the direction's tensors; undefined where there is none. p.grad() stays as it is.
std::vector<torch::Tensor> backward(const torch::Tensor& loss,
                                    const Direction& direction,
                                    bool create_graph) {
  std::vector<torch::Tensor> inputs;
  for (const Perturbed& tensor : direction.tensors()) inputs.push_back(tensor.value);
  return torch::autograd::grad(
      {loss}, inputs, {}, /*retain_graph=*/create_graph, create_graph, /*allow_unused=*/true);
}

// Re <conj(a), b>: LibTorch's gradients of complex parameters are conjugate.
double real_product(const torch::Tensor& a, const torch::Tensor& b) {
  return at::real(a.conj() * b).sum().item<double>();
}

// <v, tangent of the gradient>.
double forward_over_reverse(const LossFunction& loss,
                            const Direction& direction,
                            std::span<const torch::Tensor> tangents) {
  const DualScope scope(Tape::kOn);
  for (std::size_t i = 0; i < tangents.size(); ++i)
    scope.set_tangent(direction.tensors()[i].value, tangents[i]);
  const StepOutput output = loss();
  check_loss(output);
  const std::vector<torch::Tensor> gradients = backward(output.loss, direction, /*create_graph=*/false);
  double sum = 0.0;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const torch::Tensor tangent = scope.tangent(gradients[i]);
    if (tangent.defined()) sum += real_product(tangent.detach(), tangents[i]);
  }
  return sum;
}

// <v, gradient of <gradient, v>>.
double reverse_over_reverse(const LossFunction& loss,
                            const Direction& direction,
                            std::span<const torch::Tensor> tangents) {
  const c10::AutoGradMode recording(true);
  const StepOutput output = loss();
  check_loss(output);
  const std::vector<torch::Tensor> gradients = backward(output.loss, direction, /*create_graph=*/true);
  torch::Tensor slope;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!gradients[i].defined() || !gradients[i].requires_grad()) continue;
    const torch::Tensor term = at::real(gradients[i].conj() * tangents[i]).sum();
    slope = slope.defined() ? slope + term : term;
  }
  if (!slope.defined()) return 0.0;  // linear
  const std::vector<torch::Tensor> second = backward(slope, direction, /*create_graph=*/false);
  double sum = 0.0;
  for (std::size_t i = 0; i < second.size(); ++i) {
    if (second[i].defined()) sum += real_product(second[i], tangents[i]);
  }
  return sum;
}

// Step whose move is a fixed share of the parameters' length.
double fitting_step(const Direction& direction) {
  double parameters = 0.0, length = 0.0, share = 1e-4;
  for (std::size_t i = 0; i < direction.tensors().size(); ++i) {
    const torch::Tensor value = direction.tensors()[i].value.detach();
    parameters += value.abs().square().sum(at::kDouble).item<double>();
    length += direction.draw(i).abs().square().sum(at::kDouble).item<double>();
    const at::ScalarType type = c10::toRealValueType(value.scalar_type());
    if (type != at::kDouble) share = std::max(share, type == at::kFloat ? 1e-2 : 1e-1);
  }
  if (length == 0.0) return 1.0;
  const double floor =
      1e-2 * std::sqrt(static_cast<double>(direction.numel()));  // for parameters that start at zero
  return share * std::max(std::sqrt(parameters), floor) / std::sqrt(length);
}

double unit_roundoff(const torch::Tensor& loss) {
  switch (loss.scalar_type()) {
    case at::kDouble:
      return std::numeric_limits<double>::epsilon();
    case at::kFloat:
      return std::numeric_limits<float>::epsilon();
    default:
      return 0x1p-8;
  }
}

}  // namespace

SlopeAndLoss directional(const LossFunction& loss, const Direction& direction) {
  const Jvp result = jvp(loss, direction, draw_all(direction), {.watched = true});
  if (result.problem) throw to_error(*result.problem);
  return {.loss = result.output.loss.item<double>(), .slope = result.slope};
}

double curvature(const LossFunction& loss, const Direction& direction) {
  const std::vector<torch::Tensor> tangents = draw_all(direction);
  try {
    return forward_over_reverse(loss, direction, tangents);
  } catch (const c10::Error& error) {
    if (!is_forward_ad_failure(error)) throw;
  }
  try {
    return reverse_over_reverse(loss, direction, tangents);
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    if (message.find("not implemented") == std::string::npos) throw;
    throw Error(
        ErrorClass::kData,
        "forward_ad.unsupported_operator",
        {.what = "an operator of the loss has no second derivative in this LibTorch",
         .seen = message.substr(0, message.find('\n')),
         .wanted = "forward derivatives of backward formulas, or backward formulas of backward formulas",
         .remedy =
             "compose it from other operators, or take differences of slopes: curvature_by_difference()"});
  }
}

double curvature_by_difference(const LossFunction& loss, const Direction& direction, double epsilon) {
  const std::vector<torch::Tensor> tangents = draw_all(direction);
  double slopes[2] = {};
  ParameterShift shift(direction, ParameterShift::Restore::kExact);
  for (const int side : {0, 1}) {
    shift.move_to(side == 0 ? epsilon : -epsilon);
    const Jvp result = jvp(loss, direction, tangents, {.watched = side == 0});
    if (result.problem) throw to_error(*result.problem);
    slopes[side] = result.slope;
  }
  return (slopes[0] - slopes[1]) / (2.0 * epsilon);
}

bool SlopeCheck::agrees(double tolerance) const {
  return !(std::abs(slope - difference) > tolerance * std::abs(slope) + resolution);
}

SlopeCheck check_slope(const LossFunction& loss, const Direction& direction, double slope) {
  const double step = fitting_step(direction);
  torch::Tensor value;
  const LossFunction observed = [&] {
    StepOutput output = loss();
    value = output.loss.detach();
    return output;
  };
  const double coarse = central_difference(observed, direction, step);
  const double fine = central_difference(observed, direction, step / 2);
  SlopeCheck check;
  check.slope = slope;
  check.difference = (4.0 * fine - coarse) / 3.0;
  // A loss is a sum over many roundings: sixteen units, over the smaller step.
  const double rounding = 16.0 * unit_roundoff(value) * std::abs(value.item<double>()) / step;
  check.resolution = rounding + std::abs(fine - coarse);
  check.relative_error = relative(slope, check.difference);
  return check;
}

GradientCheck check_gradient(const LossFunction& loss, const Direction& direction) {
  GradientCheck check;
  check.forward = directional(loss, direction).slope;
  {
    const c10::AutoGradMode recording(true);
    const StepOutput output = loss();
    check_loss(output);
    const std::vector<torch::Tensor> gradients = backward(output.loss, direction, /*create_graph=*/false);
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (gradients[i].defined()) check.backprop += real_product(gradients[i], direction.draw(i));
    }
  }
  check.difference = check_slope(loss, direction, check.forward).difference;
  check.forward_error = relative(check.forward, check.backprop);
  check.difference_error = relative(check.difference, check.backprop);
  return check;
}

}  // namespace tenfold::train
