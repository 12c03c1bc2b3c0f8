// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/sharpness.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/train/jvp.h"

namespace tenfold::train {
namespace {

// While it lives, parameters are theta + scale x gradient; they come back to the bit.
class Excursion {
 public:
  Excursion(std::span<const NamedParameter> parameters,
            const std::vector<torch::Tensor>& gradients,
            double scale) {
    const c10::NoGradGuard no_grad;
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      if (!gradients[i].defined()) continue;
      torch::Tensor value = parameters[i].value;
      saved_.emplace_back(value, value.clone());
      value.add_(gradients[i], scale);
    }
  }
  ~Excursion() {
    const c10::NoGradGuard no_grad;
    for (auto& [value, before] : saved_) value.copy_(before);
  }
  Excursion(const Excursion&) = delete;
  Excursion& operator=(const Excursion&) = delete;

 private:
  std::vector<std::pair<torch::Tensor, torch::Tensor>> saved_;
};

double norm_of(const std::vector<torch::Tensor>& tensors) {
  double squares = 0;
  for (const torch::Tensor& tensor : tensors)
    if (tensor.defined()) squares += tensor.to(at::kDouble).square().sum().item<double>();
  return std::sqrt(squares);
}

class SharpnessAware final : public GradientEstimator {
 public:
  explicit SharpnessAware(double rho) : rho_(rho), backprop_(make_backprop()) {
    if (rho > 0.0 && std::isfinite(rho)) return;
    throw Error(ErrorClass::kConfig,
                "gradient.bad_rho",
                {.what = "how far sharpness-aware minimisation looks",
                 .seen = std::to_string(rho),
                 .wanted = "a number above 0",
                 .remedy = "start with gradient.rho = 0.05"});
  }
  std::string_view name() const override { return "sam"; }

  StepOutput accumulate(const LossFunction& loss,
                        std::span<const NamedParameter> parameters,
                        const EstimateKey& key,
                        double weight) override {
    StepOutput here;
    const std::vector<torch::Tensor> gradients = gradients_at(loss, parameters, here);
    const double norm = norm_of(gradients);
    // Nowhere to go; or backpropagation says what is wrong with the loss, and the trainer's guard what with the gradient.
    const double scale = norm > 0.0 && std::isfinite(norm) ? rho_ / norm : 0.0;
    sharpness_ = 0.0;
    if (scale == 0.0) return backprop_->accumulate(loss, parameters, key, weight);
    const Excursion excursion(parameters, gradients, scale);
    const StepOutput there = backprop_->accumulate(loss, parameters, key, weight);
    sharpness_ = there.loss.item<double>() - here.loss.item<double>();
    return here;
  }

  Figures figures() const override { return {{"sharpness", sharpness_}}; }

 private:
  // By autograd::grad(), which leaves the gradients of the parameters and the hooks on them alone. None for a loss without a gradient.
  static std::vector<torch::Tensor> gradients_at(const LossFunction& loss,
                                                 std::span<const NamedParameter> parameters,
                                                 StepOutput& output) {
    const c10::AutoGradMode recording(true);
    output = loss();
    if (!output.loss.defined() || output.loss.numel() != 1 || !output.loss.requires_grad()) return {};
    std::vector<torch::Tensor> values;
    for (const NamedParameter& parameter : parameters) values.push_back(parameter.value);
    auto gradients = torch::autograd::grad({output.loss}, values, {}, {}, false, /*allow_unused=*/true);
    output = detached(output);
    return gradients;
  }

  double rho_;
  std::unique_ptr<GradientEstimator> backprop_;
  double sharpness_ = 0.0;
};

}  // namespace

std::unique_ptr<GradientEstimator> make_sharpness_aware(const GradientOptions& options) {
  return std::make_unique<SharpnessAware>(options.rho);
}

}  // namespace tenfold::train
