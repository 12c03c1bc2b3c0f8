// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/evaluation.h"

#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/train/ema.h"
#include "tenfold/train/micro_batches.h"

namespace tenfold::train {
namespace {

// Modes of a module and its submodules, which need not be all the same (a frozen norm stays in evaluation mode).
class ModeScope {
 public:
  explicit ModeScope(torch::nn::Module& module) : module_(module), training_(module.is_training()) {
    for (const auto& child : module.modules(/*include_self=*/false))
      children_.emplace_back(child, child->is_training());
    module.eval();
  }
  ~ModeScope() {
    // Parents come before their children, whose own mode then overwrites theirs.
    module_.train(training_);
    for (const auto& [child, training] : children_) child->train(training);
  }
  ModeScope(const ModeScope&) = delete;
  ModeScope& operator=(const ModeScope&) = delete;

 private:
  torch::nn::Module& module_;
  bool training_;
  std::vector<std::pair<std::shared_ptr<torch::nn::Module>, bool>> children_;
};

}  // namespace

Figures evaluate(TrainTask& task, Ema* ema, std::uint64_t seed, std::uint64_t step) {
  const c10::NoGradGuard no_grad;
  const ModeScope evaluation(task.module());
  std::optional<EmaScope> averages;
  if (ema != nullptr) averages.emplace(*ema);
  // No micro-batch has this number.
  seed_generator({.seed = seed, .step = step, .micro_batch = std::numeric_limits<std::uint64_t>::max()});
  return task.evaluate();
}

double deciding_figure(const Figures& figures, const std::string& metric) {
  const auto found = figures.find(metric);
  if (found != figures.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [name, value] : figures) names.push_back(name);
  const std::optional<std::string> near = nearest_name(metric, names);
  throw Error(ErrorClass::kConfig,
              "train.no_metric",
              {.what = "the validation has no figure of this name",
               .seen = printable(metric),
               .wanted = names.empty() ? "a task with validation data" : join(names, ", "),
               .remedy = names.empty() ? "switch patience and the plateau schedule off"
                                       : fmt::format("set metric to {}", near.value_or(names.front()))});
}

bool judge(double figure, const Judgement& judgement, RunState& state) {
  const bool better = !state.best_metric ||
                      (judgement.lower_is_better ? figure < *state.best_metric : figure > *state.best_metric);
  if (std::isfinite(figure) && better) {
    state.best_metric = figure;
    state.best_step = state.step;
    state.evaluations_without_progress = 0;
    return true;
  }
  ++state.evaluations_without_progress;
  state.stopped_early = judgement.patience > 0 && state.evaluations_without_progress >= judgement.patience;
  return false;
}

}  // namespace tenfold::train
