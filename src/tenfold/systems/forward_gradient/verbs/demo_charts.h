// SPDX-License-Identifier: Apache-2.0
// The parts of the demo's section on forward gradients, each a few seconds: descent, estimators, learning.
#pragma once

#include <string>

#include "tenfold/report/chart.h"
#include "tenfold/report/html.h"
#include "tenfold/systems/system.h"

namespace tenfold::forward_gradient {

struct FunctionRun {
  std::string function;  // name of a test function
  std::string title, caption;
  double learning_rate = 0.0;
  std::int64_t steps = 0;
};
// f against steps: the gradient and forward gradients from the same start with the same rate.
report::Chart function_chart(const FunctionRun& run, std::uint64_t seed);

// Mean |cosine| of the estimate with the gradient against the number of averaged directions, beside the formula.
report::Chart tangents_chart(std::uint64_t seed);

// What one step leaves of a quadratic on average, against the step size: the limit 2 / (L (n + 2)).
report::Chart step_limit_chart(std::uint64_t seed);

// The measurement of a claim of this system with the quick budget. Throws Error(kInternal) for an unknown one.
systems::Measurement measure_claim(const std::string& id, systems::Context& context);
// Unbiasedness and second moment of the laws of directions, beside the formulas.
report::Chart laws_chart(systems::Context& context);
report::Chart gap_chart(
    systems::Context& context);  // how far weight perturbation is behind, against parameters
report::Table perturbed_table(
    systems::Context& context);  // weights, activities, activities with local losses

// Time of a step, by network: over backpropagation, and over the loss alone (R_f and R_b of the paper).
std::vector<report::Block> cost_charts(systems::Context& context);

// Logistic regression, a perceptron and a small CNN, each trained three ways: loss against steps and wall time, and a table of accuracies.
std::vector<report::Block> learning_blocks(systems::Context& context);

}  // namespace tenfold::forward_gradient
