// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/progress_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace tenfold::train {
namespace {

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0.0 || seconds > 1e9) return "unknown";
  const auto whole = static_cast<long long>(std::llround(seconds));
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

std::string format_progress(const ProgressState& state) {
  std::string line = fmt::format(
      "step {}/{}  loss {:.4g}  rate {:.3g}", state.step, state.total_steps, state.loss, state.learning_rate);
  if (state.seconds_per_step > 0.0) {
    const double left = static_cast<double>(state.total_steps - std::min(state.step, state.total_steps));
    line += fmt::format("  {:.4g} examples/s  left {}",
                        state.examples_per_second,
                        format_duration(left * state.seconds_per_step));
  }
  return line;
}

ProgressLine::ProgressLine(std::function<void(std::string_view)> show,
                           std::uint64_t first_step,
                           std::uint64_t total_steps)
    : show_(std::move(show)), total_steps_(total_steps), last_step_(first_step) {}

void ProgressLine::show(Clock::time_point now, std::uint64_t step, double loss, double learning_rate) {
  const double passed = std::chrono::duration<double>(now - last_).count();
  if (step > last_step_ && passed > 0.0) {
    constexpr double kSeconds = 10.0;  // of memory
    const double keep = seconds_per_step_ > 0.0 ? std::exp(-passed / kSeconds) : 0.0;
    const double steps = static_cast<double>(step - last_step_);
    seconds_per_step_ = keep * seconds_per_step_ + (1.0 - keep) * passed / steps;
    examples_per_second_ =
        keep * examples_per_second_ + (1.0 - keep) * static_cast<double>(examples_) / passed;
  }
  last_ = now;
  last_step_ = step;
  examples_ = 0;
  show_(format_progress({.step = step,
                         .total_steps = total_steps_,
                         .loss = loss,
                         .learning_rate = learning_rate,
                         .examples_per_second = examples_per_second_,
                         .seconds_per_step = seconds_per_step_}));
}

}  // namespace tenfold::train
