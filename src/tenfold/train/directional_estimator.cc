// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/directional_estimator.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::train {
namespace {

[[noreturn]] void throw_config(std::string code, ErrorText text) {
  throw Error(ErrorClass::kConfig, std::move(code), std::move(text));
}

void check_options(const GradientOptions& options) {
  if (options.tangents < 1) {
    throw_config("gradient.bad_tangents",
                 {.what = "an estimate without a direction",
                  .seen = std::to_string(options.tangents),
                  .wanted = "gradient.tangents of 1 or more",
                  .remedy = "leave it at 1"});
  }
  if (options.combine != "mean" && options.combine != "orthogonal") {
    const std::vector<std::string> names = {"mean", "orthogonal"};
    const auto nearest = nearest_name(options.combine, names);
    throw_config("gradient.unknown_combine",
                 {.what = "directions cannot be combined like this",
                  .seen = printable(options.combine),
                  .wanted = "mean or orthogonal",
                  .remedy = nearest ? fmt::format("did you mean '{}'?", *nearest) : "choose one of these"});
  }
  const auto refuse = [](std::string seen, std::string why) {
    throw_config("gradient.bad_combination",
                 {.what = "gradient options that do not go together",
                  .seen = std::move(seen),
                  .wanted = std::move(why),
                  .remedy = "change one of the two"});
  };
  if (options.combine == "orthogonal" && options.block != "none") {
    refuse("combine = orthogonal with block = " + options.block,
           "directions over all parameters: block = none");
  }
  if (options.direction == "guess" && options.block != "none") {
    refuse("direction = guess with block = " + options.block,
           "a guess names its own parameters: block = none");
  }
}

}  // namespace

torch::Tensor gradient_of(const torch::Tensor& parameter) {
  if (!parameter.grad().defined()) parameter.mutable_grad() = at::zeros_like(parameter);
  return parameter.grad();
}

DirectionalEstimator::DirectionalEstimator(const GradientOptions& options, GuessFunction guess)
    : options_(options), guess_(std::move(guess)), guesses_(options.direction == "guess") {
  if (!guesses_) law_ = parse_direction_law(options.direction);
  block_ = parse_block_size(options.block);
  check_options(options);
  if (guesses_ && !guess_) {
    throw_config("gradient.no_guess",
                 {.what = "direction 'guess' without a function that returns it",
                  .seen = "no GradientHooks::guess",
                  .wanted = "a function from parameters to directions",
                  .remedy = "pass the hook to make_gradient_estimator, or choose a random direction"});
  }
}

std::unique_ptr<Direction> DirectionalEstimator::make_direction(std::span<const NamedParameter> parameters,
                                                                const DirectionKey& key,
                                                                const std::vector<Perturbed>& tensors) const {
  if (!guesses_) return random_direction(law_, key, tensors);
  std::vector<torch::Tensor> guess = guess_(parameters, key);
  if (guess.size() == parameters.size()) {  // else given_direction() says what is wrong
    std::vector<torch::Tensor> chosen;
    for (const Perturbed& tensor : tensors) chosen.push_back(guess[tensor.index]);
    guess = std::move(chosen);
  }
  return given_direction(tensors, std::move(guess));
}

DirectionalEstimator::Estimate DirectionalEstimator::estimate(const LossFunction& loss,
                                                              std::span<const NamedParameter> parameters,
                                                              const EstimateKey& key,
                                                              bool in_place) {
  extra_.clear();
  const std::vector<Perturbed> selected = select_parameters(parameters, options_.only);
  const std::vector<Block> blocks = make_blocks(parameters, selected, block_);
  Estimate estimate;
  std::vector<double> slopes, scales;
  std::uint64_t perturbed = 0;
  const auto tangents = static_cast<std::uint64_t>(options_.tangents);
  for (std::uint64_t tangent = 0; tangent < tangents; ++tangent) {
    key_ = {key, tangent};
    const Block& block = blocks.size() == 1 ? blocks[0] : choose_block(blocks, key_);
    auto direction = make_direction(parameters, key_, block.tensors);
    Slope slope = this->slope(loss, *direction, in_place);
    if (tangent == 0) {
      estimate.output = std::move(slope.output);
      perturbed = direction->numel();
      if (tangents == 1) estimate.drawn = std::move(slope.drawn);
    }
    slopes.push_back(slope.value);
    scales.push_back(1.0 / block.probability);
    estimate.directions.push_back(std::move(direction));
  }
  note(slopes, perturbed);
  if (options_.clip > 0.0) {
    for (double& value : slopes) value = std::clamp(value, -options_.clip, options_.clip);
  }
  if (options_.combine == "orthogonal") {
    Projection projection = orthogonal_projection(estimate.directions, slopes);
    estimate.coefficients = std::move(projection.coefficients);
    figures_["dropped_tangents"] = static_cast<double>(projection.dropped);
  } else {
    estimate.coefficients = mean_coefficients(slopes);
    for (std::size_t j = 0; j < scales.size(); ++j) estimate.coefficients[j] *= scales[j];
  }
  return estimate;
}

void DirectionalEstimator::note(std::span<const double> slopes, std::uint64_t perturbed) {
  const auto k = static_cast<double>(slopes.size());
  figures_ = extra_;
  figures_["perturbed"] = static_cast<double>(perturbed);
  figures_["directional_derivative"] = std::accumulate(slopes.begin(), slopes.end(), 0.0) / k;
  // E d^2 = |g|^2 for directions of covariance I: the gradient's norm for free.
  figures_["gradient_norm_estimate"] =
      std::sqrt(std::inner_product(slopes.begin(), slopes.end(), slopes.begin(), 0.0) / k);
  if (options_.clip > 0.0) {
    figures_["clipped"] = static_cast<double>(
        std::count_if(slopes.begin(), slopes.end(), [&](double d) { return std::abs(d) > options_.clip; }));
  }
}

StepOutput DirectionalEstimator::accumulate(const LossFunction& loss,
                                            std::span<const NamedParameter> parameters,
                                            const EstimateKey& key,
                                            double weight) {
  Estimate found = estimate(loss, parameters, key, /*in_place=*/false);
  const c10::AutoGradMode no_tape(false);
  for (std::size_t i = 0; i < found.drawn.size(); ++i) {
    const torch::Tensor& parameter = found.directions[0]->tensors()[i].value;
    torch::Tensor& drawn = found.drawn[i];
    if (parameter.grad().defined()) {
      parameter.grad().add_(drawn, weight * found.coefficients[0]);
    } else {
      // Not as the view that it may be: LibTorch's zero_grad() cannot detach one.
      parameter.mutable_grad() = drawn.mul_(weight * found.coefficients[0]).variable_data();
    }
    drawn = torch::Tensor();
  }
  const bool done = !found.drawn.empty();
  for (std::size_t j = 0; j < found.directions.size() && !done; ++j) {
    const Direction& direction = *found.directions[j];
    for (std::size_t i = 0; i < direction.tensors().size(); ++i) {
      direction.add_to(i, gradient_of(direction.tensors()[i].value), weight * found.coefficients[j]);
    }
  }
  for (const Perturbed& tensor : select_parameters(parameters, options_.only)) gradient_of(tensor.value);
  return std::move(found.output);
}

StepOutput DirectionalEstimator::update(const LossFunction& loss,
                                        std::span<const NamedParameter> parameters,
                                        const EstimateKey& key,
                                        double learning_rate) {
  if (!options_.stream) return GradientEstimator::update(loss, parameters, key, learning_rate);
  Estimate found = estimate(loss, parameters, key, /*in_place=*/true);
  // The parameters stay as they are, and the trainer skips and counts the step, which it knows by the loss.
  const auto finite = [](double value) { return std::isfinite(value); };
  if (!std::all_of(found.coefficients.begin(), found.coefficients.end(), finite)) {
    found.output.loss = at::full_like(found.output.loss, std::numeric_limits<double>::quiet_NaN());
  }
  if (!finite(found.output.loss.item<double>())) return std::move(found.output);
  const c10::AutoGradMode no_tape(false);
  for (std::size_t j = 0; j < found.directions.size(); ++j) {
    const Direction& direction = *found.directions[j];
    for (std::size_t i = 0; i < direction.tensors().size(); ++i) {
      torch::Tensor parameter = direction.tensors()[i].value;
      const double scale = -learning_rate * found.coefficients[j];
      if (found.drawn.empty()) {
        direction.add_to(i, parameter, scale);
      } else {
        parameter.add_(found.drawn[i], scale);
      }
    }
  }
  return std::move(found.output);
}

}  // namespace tenfold::train
