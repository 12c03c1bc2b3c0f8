// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/activity_perturbation.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/train/activity_recorder.h"
#include "tenfold/train/directional_estimator.h"
#include "tenfold/train/jvp.h"
#include "tenfold/train/perturbed_set.h"

namespace tenfold::train {
namespace {

// What a forward pass with perturbed activities gave.
struct Pass {
  StepOutput output;  // detached
  std::vector<ActivityCall> calls;
  torch::Tensor slope;           // of the loss; undefined: no tangent
  torch::Tensor example_slopes;  // [B]; undefined: no tangent
};

// z is [B, ...], [T, B, ...] or [B T, ...]; else it belongs to all examples.
enum class Rows : std::uint8_t { kFirst, kSecond, kGrouped, kShared };

Rows rows_of(const torch::Tensor& z, std::int64_t examples) {
  if (z.dim() >= 1 && z.size(0) == examples) return Rows::kFirst;
  if (z.dim() >= 3 && z.size(1) == examples) return Rows::kSecond;
  if (z.dim() == 2 && z.size(0) > examples && z.size(0) % examples == 0) return Rows::kGrouped;
  return Rows::kShared;
}

// One number an example, shaped to multiply z.
torch::Tensor spread(const torch::Tensor& per_example, const torch::Tensor& z, Rows rows) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(z.dim()), 1);
  if (rows == Rows::kGrouped)
    return per_example.repeat_interleave(z.size(0) / per_example.size(0)).view({-1, 1});
  shape[rows == Rows::kFirst ? 0 : 1] = per_example.size(0);
  return per_example.view(shape);
}

torch::Tensor draw_noise(DirectionLaw law,
                         const DirectionKey& key,
                         std::size_t call,
                         const torch::Tensor& like) {
  // Beside the parameters: their indices end long before.
  constexpr std::uint64_t kCalls = std::uint64_t{1} << 40;
  return random_direction(law, key, {{kCalls + call, like}})->draw(0);
}

// p.grad() += a tensor that nobody else holds; without a copy when it is the first.
void add_gradient(const torch::Tensor& parameter, const torch::Tensor& gradient) {
  if (parameter.grad().defined()) {
    parameter.grad().add_(gradient);
  } else {
    parameter.mutable_grad() = gradient.variable_data();  // not as a view, for zero_grad()
  }
}

class ActivityPerturbation final : public GradientEstimator {
 public:
  explicit ActivityPerturbation(const GradientOptions& options);
  std::string_view name() const override { return "activity"; }
  StepOutput accumulate(const LossFunction& loss,
                        std::span<const NamedParameter> parameters,
                        const EstimateKey& key,
                        double weight) override;
  Figures figures() const override { return figures_; }

 private:
  // A pass with `noise` on the activities and directions on the parameters whose places are in `moved`.
  Pass run(const LossFunction& loss,
           const std::vector<Perturbed>& selected,
           const DirectionKey& key,
           const std::set<std::size_t>& moved,
           ActivityRecorder::Noise noise,
           bool watched) const;
  void plan(const LossFunction& loss, const std::vector<Perturbed>& selected, const DirectionKey& key);
  void check_examples(const LossFunction& loss,
                      const std::vector<Perturbed>& selected,
                      const DirectionKey& key,
                      std::int64_t examples) const;
  void add_gradients(const Pass& pass,
                     const std::vector<Perturbed>& selected,
                     const DirectionKey& key,
                     double weight);
  void add_activity(const Pass& pass,
                    std::size_t call,
                    const std::vector<Perturbed>& selected,
                    const DirectionKey& key,
                    double weight);
  torch::Tensor clipped(const torch::Tensor& slopes) const;

  GradientOptions options_;
  DirectionLaw law_;
  bool planned_ = false;
  std::set<std::size_t> direct_;  // places in the selection: perturbed themselves
  Figures figures_;
};

[[noreturn]] void refuse(std::string seen, std::string wanted) {
  throw Error(ErrorClass::kConfig,
              "gradient.bad_combination",
              {.what = "activity perturbation with an option it does not have",
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "change the option, or use gradient.name = forward"});
}

ActivityPerturbation::ActivityPerturbation(const GradientOptions& options)
    : options_(options), law_(DirectionLaw::kGaussian) {
  if (options.direction == "guess") refuse("direction = guess", "gaussian or rademacher");
  law_ = parse_direction_law(options.direction);
  if (law_ != DirectionLaw::kGaussian && law_ != DirectionLaw::kRademacher) {
    refuse("direction = " + options.direction, "gaussian or rademacher");
  }
  if (options.combine != "mean") refuse("combine = " + options.combine, "mean");
  if (options.block != "none") refuse("block = " + options.block, "none");
  if (options.stream) refuse("stream = true", "false, and any optimiser");
  if (options.tangents < 1) refuse("tangents = " + std::to_string(options.tangents), "1 or more");
}

Pass ActivityPerturbation::run(const LossFunction& loss,
                               const std::vector<Perturbed>& selected,
                               const DirectionKey& key,
                               const std::set<std::size_t>& moved,
                               ActivityRecorder::Noise noise,
                               bool watched) const {
  Pass pass;
  std::vector<Perturbed> moving;
  for (const std::size_t place : moved) moving.push_back(selected[place]);
  const auto direction = random_direction(law_, key, moving);
  const DualScope scope;
  for (std::size_t i = 0; i < moving.size(); ++i) scope.set_tangent(moving[i].value, direction->draw(i));
  std::optional<TangentWatch> watch;
  if (watched) watch.emplace(scope, moving, options_.allow_detach);
  StepOutput output;
  {
    ActivityRecorder recorder(scope, selected, std::move(noise));
    try {
      output = loss();
    } catch (const c10::Error& error) {
      if (!is_forward_ad_failure(error)) throw;
      throw to_error(watch ? watch->explain(error) : explain_forward_ad_failure(error));
    }
    pass.calls = recorder.calls();
  }
  check_loss(output);
  if (watch) {
    const auto finding = watch->finding(output.loss);
    if (finding) throw to_error(*finding);
  }
  pass.slope = scope.tangent(output.loss);
  pass.example_slopes = scope.tangent(output.example_loss);
  pass.output = detached(output);
  return pass;
}

// Finds the parameters that must be perturbed themselves: those that no layer applies, and those that are used otherwise as well.
void ActivityPerturbation::plan(const LossFunction& loss,
                                const std::vector<Perturbed>& selected,
                                const DirectionKey& key) {
  const Pass seen = run(loss, selected, key, {}, nullptr, /*watched=*/false);
  std::set<std::size_t> applied;
  for (const ActivityCall& call : seen.calls) {
    applied.insert(call.weight);
    if (call.bias) applied.insert(*call.bias);
  }
  direct_.clear();
  for (std::size_t place = 0; place < selected.size(); ++place) {
    if (!applied.contains(place)) direct_.insert(place);
  }
  // Inside the layers parameters have no tangent of their own: one that arrives at the loss came by another way.
  const auto reaches_loss = [&](const std::set<std::size_t>& moved) {
    const Pass pass = run(loss, selected, key, moved, nullptr, /*watched=*/false);
    return pass.slope.defined() || pass.example_slopes.defined();
  };
  if (!applied.empty() && reaches_loss(applied)) {
    for (const std::size_t place : applied) {
      if (reaches_loss({place})) direct_.insert(place);
    }
  }
  if (!options_.per_example) return;
  const torch::Tensor& example_loss = seen.output.example_loss;
  if (!example_loss.defined() || example_loss.dim() != 1) {
    throw Error(
        ErrorClass::kData,
        "activity.no_example_loss",
        {.what = "activity perturbation needs the loss of each example",
         .seen = example_loss.defined() ? fmt::format("example_loss of {} dimensions", example_loss.dim())
                                        : "no example_loss",
         .wanted = "StepOutput::example_loss of shape [B]",
         .remedy = "let TrainTask::run set it, or use gradient.per_example = false"});
  }
  if (!seen.calls.empty()) check_examples(loss, selected, key, example_loss.size(0));
}

// Moves the activities of one example only: other examples' losses must stand still, and the loss must be the mean.
void ActivityPerturbation::check_examples(const LossFunction& loss,
                                          const std::vector<Perturbed>& selected,
                                          const DirectionKey& key,
                                          std::int64_t examples) const {
  const std::int64_t chosen = examples / 2;
  const auto noise = [&](std::size_t call, const torch::Tensor& like) {
    torch::Tensor u = draw_noise(law_, key, call, like);
    const Rows rows = rows_of(like, examples);
    if (rows == Rows::kShared) return torch::Tensor();
    const torch::Tensor only = at::zeros({examples}, u.options());
    only[chosen] = 1.0;
    return u.mul_(spread(only, like, rows));
  };
  const Pass pass = run(loss, selected, key, {}, noise, /*watched=*/false);
  if (!pass.example_slopes.defined()) return;  // the watched pass that follows says why
  torch::Tensor others = pass.example_slopes.clone();
  others[chosen] = 0.0;
  if (at::count_nonzero(others).item<std::int64_t>() > 0) {
    throw Error(
        ErrorClass::kData,
        "activity.examples_interact",
        {.what = "the activities of one example change the losses of others",
         .seen = fmt::format(
             "{} of {} other examples", at::count_nonzero(others).item<std::int64_t>(), examples - 1),
         .wanted =
             "none: BatchNorm in evaluation mode, activities of shape [B, ...], [T, B, ...] or [B T, ...]",
         .remedy = "use gradient.per_example = false; or, where the length of a sequence equals the batch, "
                   "another batch size"});
  }
  const double mean = pass.example_slopes.sum().item<double>() / static_cast<double>(examples);
  const double whole = pass.slope.defined() ? pass.slope.item<double>() : 0.0;
  const double tolerance = pass.output.loss.scalar_type() == at::kDouble ? 1e-9 : 1e-3;
  if (!(std::abs(whole - mean) <= tolerance * std::max(std::abs(whole), std::abs(mean)))) {
    throw Error(
        ErrorClass::kData,
        "activity.loss_is_not_the_mean",
        {.what = "the loss changes with the activities in another way than the mean of the example losses",
         .seen = fmt::format("slope {:.6g}", whole),
         .wanted = fmt::format("{:.6g}", mean),
         .remedy = "put every term that depends on activities into example_loss, or use gradient.per_example "
                   "= false"});
  }
}

torch::Tensor ActivityPerturbation::clipped(const torch::Tensor& slopes) const {
  return options_.clip > 0.0 ? slopes.clamp(-options_.clip, options_.clip) : slopes;
}

// weight x (1/B sum_b d_b u_b x_b^T), or weight x d u x^T for activities of all examples.
void ActivityPerturbation::add_activity(const Pass& pass,
                                        std::size_t number,
                                        const std::vector<Perturbed>& selected,
                                        const DirectionKey& key,
                                        double weight) {
  const ActivityCall& call = pass.calls[number];
  torch::Tensor g = draw_noise(law_, key, number, call.like);
  const std::int64_t examples = options_.per_example ? pass.example_slopes.size(0) : 0;
  const Rows rows = examples > 0 ? rows_of(call.like, examples) : Rows::kShared;
  if (rows == Rows::kShared) {
    g.mul_(clipped(pass.slope)).mul_(weight);
  } else {
    g.mul_(spread(clipped(pass.example_slopes), call.like, rows))
        .mul_(weight / static_cast<double>(examples));
  }
  const torch::Tensor& value = selected[call.weight].value;
  const ActivityCall::Gradients gradients = call.gradients(g, value);
  add_gradient(value, gradients.weight);
  if (call.bias) add_gradient(selected[*call.bias].value, gradients.bias);
}

void ActivityPerturbation::add_gradients(const Pass& pass,
                                         const std::vector<Perturbed>& selected,
                                         const DirectionKey& key,
                                         double weight) {
  const at::NoGradGuard no_tape;
  double activities = 0.0, weights = 0.0;
  for (std::size_t call = 0; call < pass.calls.size(); ++call) {
    activities += static_cast<double>(real_numel(pass.calls[call].like));
    add_activity(pass, call, selected, key, weight);
  }
  std::vector<Perturbed> moving;
  for (const std::size_t place : direct_) moving.push_back(selected[place]);
  const auto direction = random_direction(law_, key, moving);
  for (std::size_t i = 0; i < moving.size(); ++i) {
    direction->add_to(i, gradient_of(moving[i].value), weight * clipped(pass.slope).item<double>());
    weights += static_cast<double>(real_numel(moving[i].value));
  }
  const double examples = options_.per_example ? static_cast<double>(pass.example_slopes.size(0)) : 1.0;
  figures_["perturbed_activities"] = activities;
  figures_["perturbed_weights"] = weights;
  figures_["perturbed"] =
      activities / examples + weights;  // by which the variance of an example's estimate grows
}

StepOutput ActivityPerturbation::accumulate(const LossFunction& loss,
                                            std::span<const NamedParameter> parameters,
                                            const EstimateKey& key,
                                            double weight) {
  const std::vector<Perturbed> selected = select_parameters(parameters, options_.only);
  const bool first = !planned_;
  if (first) plan(loss, selected, {key, 0});
  StepOutput output;
  const auto tangents = static_cast<std::uint64_t>(options_.tangents);
  double slopes = 0.0;
  for (std::uint64_t tangent = 0; tangent < tangents; ++tangent) {
    const DirectionKey direction_key{key, tangent};
    const auto noise = [&](std::size_t call, const torch::Tensor& like) {
      return draw_noise(law_, direction_key, call, like);
    };
    Pass pass = run(loss, selected, direction_key, direct_, noise, first && tangent == 0);
    const bool complete = pass.slope.defined() && (!options_.per_example || pass.example_slopes.defined());
    if (!complete) {
      throw Error(
          ErrorClass::kData,
          "forward_ad.tangent_cut",
          {.what = "the loss has no tangent",
           .seen = "a loss that no perturbed activity reaches through LibTorch's operators",
           .wanted = "a loss, and example losses, computed from the parameters",
           .remedy =
               "check gradient.only, and look for detach(), item() and data_ptr() between layers and loss"});
    }
    slopes += pass.slope.item<double>();
    add_gradients(pass, selected, direction_key, weight / static_cast<double>(tangents));
    if (tangent == 0) output = std::move(pass.output);
  }
  planned_ = true;
  for (const Perturbed& tensor : selected) gradient_of(tensor.value);
  figures_["directional_derivative"] = slopes / static_cast<double>(tangents);
  return output;
}

}  // namespace

std::unique_ptr<GradientEstimator> make_activity_perturbation(const GradientOptions& options) {
  return std::make_unique<ActivityPerturbation>(options);
}

}  // namespace tenfold::train
