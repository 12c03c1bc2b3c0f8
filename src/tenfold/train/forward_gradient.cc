// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/forward_gradient.h"

#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/train/directional_estimator.h"
#include "tenfold/train/forward_ad.h"

namespace tenfold::train {
namespace {

class ForwardGradient final : public DirectionalEstimator {
 public:
  using DirectionalEstimator::DirectionalEstimator;
  std::string_view name() const override { return "forward"; }

 protected:
  Slope slope(const LossFunction& loss, const Direction& direction, bool) override {
    Slope slope;
    slope.drawn.reserve(direction.tensors().size());
    for (std::size_t i = 0; i < direction.tensors().size(); ++i) slope.drawn.push_back(direction.draw(i));
    const DualScope scope;
    for (std::size_t i = 0; i < slope.drawn.size(); ++i)
      scope.set_tangent(direction.tensors()[i].value, slope.drawn[i]);
    const StepOutput output = loss();
    check_loss(output);
    const torch::Tensor tangent = scope.tangent(output.loss);
    if (!tangent.defined()) {
      throw Error(ErrorClass::kData,
                  "forward_ad.tangent_cut",
                  {.what = "the loss has no tangent",
                   .seen = "none",
                   .wanted = "a loss computed from the perturbed parameters",
                   .remedy = "a detach(), InferenceMode or an operator without forward derivative cut it"});
    }
    slope.value = tangent.item<double>();
    slope.output = detached(output);
    return slope;
  }
};

}  // namespace

std::unique_ptr<GradientEstimator> make_forward_gradient(const GradientOptions& options,
                                                         GuessFunction guess) {
  return std::make_unique<ForwardGradient>(options, std::move(guess));
}

}  // namespace tenfold::train
