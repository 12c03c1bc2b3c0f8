// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/forward_gradient.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/train/directional.h"
#include "tenfold/train/directional_estimator.h"
#include "tenfold/train/jvp.h"

namespace tenfold::train {
namespace {

class ForwardGradient final : public DirectionalEstimator {
 public:
  using DirectionalEstimator::DirectionalEstimator;
  std::string_view name() const override { return "forward"; }

 protected:
  Slope slope(const LossFunction& loss, const Direction& direction, bool) override {
    JvpOptions jvp_options{.watched = !looked_, .allow_detach = options().allow_detach};
    std::vector<torch::Tensor> tangents = draw_all(direction);
    Jvp pass = jvp(loss, direction, tangents, jvp_options);
    if (pass.problem) {
      // Once more under the watch, to learn the operator's name. One block of several may have no influence on the loss; all
      // parameters together must have some.
      jvp_options.watched = true;
      jvp_options.may_be_inert = options().block != "none";
      pass = jvp(loss, direction, tangents, jvp_options);
    }
    if (pass.problem) throw to_error(*pass.problem);
    looked_ = true;
    if (is_check_due()) check(loss, direction, pass.slope);
    return {.output = std::move(pass.output), .value = pass.slope, .drawn = std::move(tangents)};
  }

 private:
  // By the step, not by a count of calls, so that a resumed run makes the same passes.
  bool is_check_due() const {
    const auto every = static_cast<std::uint64_t>(options().check_every);
    const EstimateKey& estimate = key().estimate;
    return every != 0 && estimate.step % every == 0 && estimate.micro_batch == 0 && key().tangent == 0;
  }

  // A kink close by (ReLU) can set a right slope apart from the difference in one direction; a wrong derivative is wrong in all.
  void check(const LossFunction& loss, const Direction& direction, double slope) {
    constexpr std::uint64_t kOtherDirections = 3, kBesideTangents = std::uint64_t{1} << 32;
    SlopeCheck check = check_slope(loss, direction, slope);
    const SlopeCheck first = check;
    for (std::uint64_t other = 0; other < kOtherDirections && !check.agrees(options().check_tolerance);
         ++other) {
      const auto again = random_direction(
          DirectionLaw::kRademacher, {key().estimate, kBesideTangents + other}, direction.tensors());
      check = check_slope(loss, *again, jvp(loss, *again, draw_all(*again), {.may_be_inert = true}).slope);
    }
    extra_figures()["check_error"] = check.relative_error;
    extra_figures()["check_resolution"] = check.resolution;
    if (check.agrees(options().check_tolerance)) return;
    throw Error(
        ErrorClass::kData,
        "forward_ad.wrong_derivative",
        {.what = fmt::format(
             "forward-mode derivatives of the loss disagree with finite differences in {} directions",
             1 + kOtherDirections),
         .seen = fmt::format("{:.6g}", first.slope),
         .wanted = fmt::format("{:.6g} +- {:.2g}", first.difference, first.resolution),
         .remedy = "an operator has a wrong forward derivative, or the loss draws new random numbers in each "
                   "call: compare parts of the model with check_gradient(), or use gradient.name = mezo"});
  }

  bool looked_ = false;  // at every operator, in the first pass
};

}  // namespace

std::unique_ptr<GradientEstimator> make_forward_gradient(const GradientOptions& options,
                                                         GuessFunction guess) {
  return std::make_unique<ForwardGradient>(options, std::move(guess));
}

}  // namespace tenfold::train
