// SPDX-License-Identifier: Apache-2.0
// The claims of the paper and of its follow-ups, in four files: on the estimators, on learning, on cost, on learning curves.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tenfold/systems/claim.h"
#include "tenfold/systems/forward_gradient/fused_options.h"
#include "tenfold/train/gradient_options.h"

namespace tenfold::forward_gradient {

std::vector<systems::Claim> estimator_claims();  // claims_estimators.cc
std::vector<systems::Claim> learning_claims();   // claims_learning.cc
std::vector<systems::Claim> cost_claims();       // claims_cost.cc
std::vector<systems::Claim> curve_claims();      // claims_curves.cc

// A way to train, for experiments that compare some, and the learning rates it is tuned over.
struct Contender {
  std::string name;
  train::GradientOptions gradient;
  FusedOptions fused;  // mode "none": `gradient` by LibTorch
  std::vector<double> rates;
};

using Judge = std::function<systems::Verdict(const std::vector<systems::Measurement>&)>;
// Reproduced when the metric of every seed lies in [low, high].
Judge all_within(std::string metric, double low, double high);
// For a metric that says by how much something is ahead, with `least` as the smallest lead that counts: reproduced when every seed is at or
// above it, not separable when only some are, not reproduced when none is.
Judge ahead_by(std::string metric, double least);

}  // namespace tenfold::forward_gradient
