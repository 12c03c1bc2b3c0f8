// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/verbs/claims.h"

#include <algorithm>
#include <utility>

#include "tenfold/systems/forward_gradient/verbs/verbs.h"

namespace tenfold::forward_gradient {

using systems::Measurement;
using systems::Verdict;

Judge all_within(std::string metric, double low, double high) {
  return [metric = std::move(metric), low, high](const std::vector<Measurement>& runs) {
    const bool inside = std::all_of(runs.begin(), runs.end(), [&](const Measurement& run) {
      return run.at(metric) >= low && run.at(metric) <= high;
    });
    return inside ? Verdict::kReproduced : Verdict::kNotReproduced;
  };
}

Judge ahead_by(std::string metric, double least) {
  return [metric = std::move(metric), least](const std::vector<Measurement>& runs) {
    const auto ahead = std::count_if(
        runs.begin(), runs.end(), [&](const Measurement& run) { return run.at(metric) >= least; });
    if (ahead == static_cast<std::ptrdiff_t>(runs.size())) return Verdict::kReproduced;
    return ahead == 0 ? Verdict::kNotReproduced : Verdict::kNotSeparable;
  };
}

std::vector<systems::Claim> make_claims() {
  std::vector<systems::Claim> claims = estimator_claims();
  for (systems::Claim& claim : cost_claims()) claims.push_back(std::move(claim));
  for (systems::Claim& claim : learning_claims()) claims.push_back(std::move(claim));
  for (systems::Claim& claim : curve_claims()) claims.push_back(std::move(claim));
  return claims;
}

}  // namespace tenfold::forward_gradient
