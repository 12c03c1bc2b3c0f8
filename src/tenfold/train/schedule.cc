// SPDX-License-Identifier: Apache-2.0
// Factors of the learning rate.
#include "tenfold/train/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::train {
namespace {

const std::array<std::string, 6> kNames = {
    "constant", "linear", "cosine", "inverse_sqrt", "exponential", "plateau"};

[[noreturn]] void bad_option(std::string what, std::string seen, std::string wanted, std::string remedy) {
  throw Error(ErrorClass::kConfig,
              "schedule.bad_option",
              {std::move(what), std::move(seen), std::move(wanted), std::move(remedy)});
}

void check_name(const std::string& name) {
  if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) return;
  const auto nearest = nearest_name(name, kNames);
  throw Error(ErrorClass::kConfig,
              "schedule.unknown",
              {"no such learning-rate schedule",
               printable(name),
               join(kNames, ", "),
               nearest ? fmt::format("did you mean '{}'?", *nearest) : "choose one of them"});
}

void check_fraction(const char* name, double value) {
  if (value >= 0.0 && value <= 1.0) return;  // also refuses NaN
  bad_option(fmt::format("schedule.{} is out of range", name), fmt::format("{}", value), "0 to 1", "");
}

bool has_end(const std::string& name) {
  return name == "linear" || name == "cosine";
}

}  // namespace

Schedule::Schedule(ScheduleOptions options, std::int64_t total_steps)
    : options_(std::move(options)), total_steps_(total_steps) {
  check_name(options_.name);
  check_fraction("final_factor", options_.final_factor);
  check_fraction("plateau_factor", options_.plateau_factor);
  check_fraction("plateau_min_factor", options_.plateau_min_factor);
  check_fraction("plateau_threshold", options_.plateau_threshold);
  if (!(options_.decay >= 0.0)) {
    bad_option("schedule.decay is out of range", fmt::format("{}", options_.decay), "at least 0", "");
  }
  if (has_end(options_.name) && options_.steps > 0) total_steps_ = options_.steps;
  if (options_.warmup < 0 || (total_steps_ > 0 && options_.warmup > total_steps_)) {
    bad_option("the warm-up is longer than the schedule",
               fmt::format("{} steps", options_.warmup),
               fmt::format("0 to {} steps", total_steps_),
               "shorten schedule.warmup or train longer");
  }
  if (has_end(options_.name) && total_steps_ <= 0) {
    bad_option(fmt::format("schedule '{}' does not know its end", options_.name),
               fmt::format("{} steps", total_steps_),
               "at least 1 step",
               "set schedule.steps or the steps of the run");
  }
}

double Schedule::factor(std::int64_t step) const {
  const std::int64_t warmup = options_.warmup;
  step = std::max<std::int64_t>(step, 0);
  if (step < warmup) return static_cast<double>(step) / static_cast<double>(warmup);
  const std::string& name = options_.name;
  const auto t = static_cast<double>(step - warmup);
  const double length = static_cast<double>(total_steps_ - warmup);
  const double x = t < length ? t / length : 1.0;
  const double range = 1.0 - options_.final_factor;
  if (name == "linear") return 1.0 - range * x;
  if (name == "cosine") return options_.final_factor + range * 0.5 * (1.0 + std::cos(std::numbers::pi * x));
  if (name == "exponential") return std::exp(-options_.decay * t);
  if (name == "plateau") return state_.plateau;
  if (name == "inverse_sqrt") {
    const std::int64_t start = std::max<std::int64_t>(warmup, 1);
    return std::sqrt(static_cast<double>(start) / static_cast<double>(std::max(step, start)));
  }
  return 1.0;
}

void Schedule::evaluated(double metric, bool lower_is_better) {
  if (options_.name != "plateau") return;
  // The wanted gain is relative to the size of the best value, whatever its sign.
  const double gain = lower_is_better ? state_.best - metric : metric - state_.best;
  const bool progress = std::isfinite(metric) &&
                        (!state_.has_best || gain > options_.plateau_threshold * std::abs(state_.best));
  if (progress) {
    state_.best = metric;
    state_.has_best = true;
    state_.bad_evaluations = 0;
    return;
  }
  if (++state_.bad_evaluations <= options_.plateau_patience) return;
  state_.bad_evaluations = 0;
  state_.plateau = std::max(state_.plateau * options_.plateau_factor, options_.plateau_min_factor);
}

}  // namespace tenfold::train
