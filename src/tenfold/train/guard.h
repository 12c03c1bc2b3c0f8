// SPDX-License-Identifier: Apache-2.0
// Watches loss and gradient norm: a step with a value that is not finite is skipped and counted; too many in a row end the run.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/train/gradient_estimator.h"

namespace tenfold::train {

// Everything that resuming needs.
struct GuardState {
  std::int64_t in_a_row = 0;  // bad steps up to now
  std::int64_t skipped = 0;   // in all
};

class NonFiniteGuard {
 public:
  explicit NonFiniteGuard(std::int64_t limit);  // bad steps in a row that end the run, at least 1

  // Counts the step. True: apply it. False: skip it, then ask exhausted(). A norm from clip.h is finite only when all
  // gradients are.
  bool accept(double loss, double gradient_norm);
  bool exhausted() const { return state_.in_a_row >= limit_; }

  const GuardState& state() const { return state_; }
  void restore(const GuardState& state) { state_ = state; }

 private:
  std::int64_t limit_;
  GuardState state_;
};

// Names of the parameters with a value or a gradient that is not finite, in order: "encoder.weight (gradient)",
// "encoder.bias (value)". Reads everything: for reports, not for every step.
std::vector<std::string> non_finite_parameters(std::span<const NamedParameter> parameters);

// What a run that ends tells its user.
struct BadStep {
  std::uint64_t step = 0;  // optimiser step, from 0
  double loss = 0.0;
  double gradient_norm = 0.0;
  std::vector<std::uint64_t> rows;      // of the data set, of the batch
  std::vector<std::string> parameters;  // non_finite_parameters()
};

// Error(kData, "train.not_finite"), with at most 8 rows and 8 names written out.
Error not_finite_error(const BadStep& bad, const GuardState& state);

}  // namespace tenfold::train
