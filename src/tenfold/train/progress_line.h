// SPDX-License-Identifier: Apache-2.0
// One line about a running training: steps done, loss, rate, time left. No torch header here.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace tenfold::train {

struct ProgressState {
  std::uint64_t step = 0;
  std::uint64_t total_steps = 0;
  double loss = 0.0;
  double learning_rate = 0.0;
  double examples_per_second = 0.0;
  double seconds_per_step = 0.0;
};

// "step 120/4000  loss 0.4312  rate 1e-03  1520 examples/s  left 0:02:13"
std::string format_progress(const ProgressState& state);

// Calls `show` about once a second, from update(). Rates are exponential averages over some ten seconds.
class ProgressLine {
 public:
  using Clock = std::chrono::steady_clock;

  ProgressLine(std::function<void(std::string_view)> show,
               std::uint64_t first_step,
               std::uint64_t total_steps);

  // After each step; cheap when nothing is due. `examples`: of this step.
  void update(std::uint64_t step, std::uint64_t examples, double loss, double learning_rate) {
    examples_ += examples;
    if (!show_) return;
    const Clock::time_point now = Clock::now();
    if (now - last_ >= kInterval) show(now, step, loss, learning_rate);
  }
  // Shows the last state, whatever the time.
  void finish(std::uint64_t step, double loss, double learning_rate) {
    if (show_) show(Clock::now(), step, loss, learning_rate);
  }
  // Time that passed in evaluation or saving does not count as slow steps.
  void skip_time(Clock::duration duration) { last_ += duration; }

 private:
  static constexpr std::chrono::milliseconds kInterval{1000};

  void show(Clock::time_point now, std::uint64_t step, double loss, double learning_rate);

  std::function<void(std::string_view)> show_;
  std::uint64_t total_steps_;
  std::uint64_t last_step_;
  std::uint64_t examples_ = 0;  // since the last line
  Clock::time_point last_ = Clock::now();
  double seconds_per_step_ = 0.0;  // averages
  double examples_per_second_ = 0.0;
};

}  // namespace tenfold::train
