// SPDX-License-Identifier: Apache-2.0
// Which systems are "the frontier"? Three rules, and how much the answer depends on them.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/systems/compute_trends/regression.h"

namespace tenfold::compute_trends {

enum class FrontierRule {
  kRunningTop,        // among the `top` largest of all systems released up to that day
  kWindowPercentile,  // at or above `percentile` of the systems within +-window years, itself included
  kResidual,          // at or above `residual_sd` standard deviations over the least-squares line
};
std::string_view to_string(FrontierRule rule);  // "running-top", "window-percentile", "residual"

struct FrontierOptions {
  FrontierRule rule = FrontierRule::kRunningTop;
  std::size_t top = 10;      // kRunningTop; systems of the same day compete with each other
  double percentile = 90.0;  // kWindowPercentile, linear interpolation
  double window = 1.0;       // kWindowPercentile, years
  double residual_sd = 1.0;  // kResidual
};

// Row numbers in ascending order. Throws Error(kUsage) for a rule's parameter out of range.
std::vector<std::size_t> select_frontier(std::span<const double> year,
                                         std::span<const double> log10_flop,
                                         const FrontierOptions& options = {});

struct FrontierRow {
  FrontierOptions options;
  std::string label;  // "running top 10"
  std::vector<std::size_t> rows;
  std::optional<Fit> fit;  // empty when the rows do not define a line
};

// Top 1, 3, 5, 10; percentile 75, 90, 95; residual 0.5, 1, 1.5 sd. `from`: only rows from that year on are
// fitted; earlier rows still compete.
std::vector<FrontierRow> frontier_sensitivity(std::span<const double> year,
                                              std::span<const double> log10_flop,
                                              double from);

}  // namespace tenfold::compute_trends
