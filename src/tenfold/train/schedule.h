// SPDX-License-Identifier: Apache-2.0
// Learning-rate schedules: a factor for the base rate as a function of the step, and one that looks at a metric.
//
// With step s from 0, warm-up w, t = s - w, T = steps - w, x = min(t / T, 1) and final factor f:
//   s < w         s / w
//   constant      1
//   linear        1 - (1 - f) x
//   cosine        f + (1 - f) (1 + cos(pi x)) / 2            Loshchilov & Hutter 2017, equation 5, without restarts
//   inverse_sqrt  sqrt(max(w, 1) / max(s, w, 1))             Vaswani et al. 2017, section 5.3, scaled to 1 at the end of the warm-up
//   exponential   exp(-k t)
//   plateau       times plateau_factor at the first evaluation after `plateau_patience` ones without progress
#pragma once

#include <cstdint>
#include <string>

namespace tenfold::train {

struct ScheduleOptions {
  std::string name = "constant";
  std::int64_t warmup = 0;            // steps of linear warm-up from 0, before any schedule
  std::int64_t steps = 0;             // end of linear and cosine; 0: the run's number of steps
  double final_factor = 0.0;          // factor at the end of linear and cosine
  double decay = 1e-4;                // k of exponential: exp(-k t), t counted from the end of the warm-up
  double plateau_factor = 0.5;        // reduce on plateau
  std::int64_t plateau_patience = 3;  // evaluations without progress
  double plateau_threshold = 1e-3;    // relative progress that counts
  double plateau_min_factor = 1e-3;

  void visit_fields(auto&& field) {
    field("name",
          name,
          {.help = "learning-rate schedule",
           .choices = {"constant", "linear", "cosine", "inverse_sqrt", "exponential", "plateau"}});
    field("warmup", warmup, {.help = "linear warm-up", .unit = "steps", .min = 0, .max = 1e12});
    field("steps",
          steps,
          {.help = "end of linear and cosine; 0: the run's number of steps", .min = 0, .max = 1e12});
    field("final_factor",
          final_factor,
          {.help = "factor at the end of linear and cosine", .min = 0.0, .max = 1.0});
    field("decay", decay, {.help = "k of exponential, exp(-k t)", .min = 0.0, .max = 1.0});
    field("plateau_factor",
          plateau_factor,
          {.help = "plateau multiplies the rate by this", .min = 0.0, .max = 1.0});
    field("plateau_patience",
          plateau_patience,
          {.help = "evaluations without progress before that", .min = 0, .max = 1e6});
    field("plateau_threshold",
          plateau_threshold,
          {.help = "relative progress that counts", .min = 0.0, .max = 1.0});
    field("plateau_min_factor",
          plateau_min_factor,
          {.help = "smallest factor of plateau", .min = 0.0, .max = 1.0});
  }
};

// Everything that resuming needs.
struct ScheduleState {
  double plateau = 1.0;  // current factor of "plateau"
  double best = 0.0;
  bool has_best = false;
  std::int64_t bad_evaluations = 0;
};

class Schedule {
 public:
  // `total_steps`: of the run. Throws Error(kConfig, "schedule.bad_option") when the warm-up is longer than the schedule
  // (linear, cosine: than its `steps`; else than the run) and "schedule.unknown" with the nearest name.
  Schedule(ScheduleOptions options, std::int64_t total_steps);
  double factor(std::int64_t step) const;  // step counts from 0
  // Only "plateau" reacts. `lower_is_better`: of the metric. A metric that is not finite is no progress.
  void evaluated(double metric, bool lower_is_better);
  const ScheduleState& state() const { return state_; }
  void restore(const ScheduleState& state) { state_ = state; }

 private:
  ScheduleOptions options_;
  std::int64_t total_steps_;
  ScheduleState state_;
};

}  // namespace tenfold::train
