// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/mezo.h"

#include <c10/core/GradMode.h>

#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/train/directional_estimator.h"
#include "tenfold/train/jvp.h"
#include "tenfold/train/parameter_shift.h"

namespace tenfold::train {
namespace {

struct Pair {
  StepOutput plus, minus;
};

Pair losses_at(const LossFunction& loss,
               const Direction& direction,
               double epsilon,
               ParameterShift::Restore restore) {
  const c10::AutoGradMode no_tape(false);
  ParameterShift shift(direction, restore);
  Pair pair;
  shift.move_to(epsilon);
  pair.plus = loss();
  check_loss(pair.plus);
  shift.move_to(-epsilon);
  pair.minus = loss();
  check_loss(pair.minus);
  return pair;
}

double difference(const Pair& pair, double epsilon) {
  return (pair.plus.loss.item<double>() - pair.minus.loss.item<double>()) / (2.0 * epsilon);
}

class Mezo final : public DirectionalEstimator {
 public:
  Mezo(const GradientOptions& options, GuessFunction guess)
      : DirectionalEstimator(options, std::move(guess)) {
    if (options.epsilon > 0.0) return;
    throw Error(ErrorClass::kConfig,
                "gradient.bad_epsilon",
                {.what = "the step of the central difference",
                 .seen = std::to_string(options.epsilon),
                 .wanted = "a number above 0",
                 .remedy = "start with gradient.epsilon = 1e-3"});
  }
  std::string_view name() const override { return "mezo"; }

 protected:
  Slope slope(const LossFunction& loss, const Direction& direction, bool in_place) override {
    const auto restore = in_place ? ParameterShift::Restore::kInPlace : ParameterShift::Restore::kExact;
    const double epsilon = options().epsilon;
    const Pair pair = losses_at(loss, direction, epsilon, restore);
    Slope slope;
    slope.value = difference(pair, epsilon);
    slope.output = detached(pair.plus);
    slope.output.loss = (pair.plus.loss.detach() + pair.minus.loss.detach()) / 2;
    return slope;
  }
};

}  // namespace

std::unique_ptr<GradientEstimator> make_mezo(const GradientOptions& options, GuessFunction guess) {
  return std::make_unique<Mezo>(options, std::move(guess));
}

double central_difference(const LossFunction& loss, const Direction& direction, double epsilon) {
  return difference(losses_at(loss, direction, epsilon, ParameterShift::Restore::kExact), epsilon);
}

}  // namespace tenfold::train
