// SPDX-License-Identifier: Apache-2.0
// Reading a fitted line forward: when a level of compute is crossed, and the fan of a forecast. Everything
// assumes that the trend goes on unchanged; the intervals hold sampling error only, never the risk of a break
// in the trend.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "tenfold/systems/compute_trends/regression.h"

namespace tenfold::compute_trends {

// A line with its uncertainty. `resampled` are the bootstrap lines (BootstrapReport::lines); may be empty,
// then there are no intervals. `offset` shifts all lines up: 0 for the typical system, frontier_offset() for
// the frontier.
struct Forecast {
  Line line;
  std::vector<Line> resampled;
  double offset = 0.0;       // OOM
  double residual_sd = 0.0;  // OOM; width of the band for one single system
};

// The tau-quantile (0 < tau < 1, linear interpolation) of the residuals: what to add to the trend to get the
// line that a share tau of the systems stays below. Throws Error(kUsage, "trends.bad_quantile") or
// Error(kData) without residuals.
double frontier_offset(std::span<const double> residuals, double tau);

struct Crossing {
  double log10_level = 0.0;
  std::optional<double> year;  // nullopt: the slope is not positive, never crossed
  std::optional<double> low;   // percentile interval over the bootstrap lines
  std::optional<double> high;  // nullopt: open end ("later than every date"), or no bootstrap lines
  double share_never = 0.0;    // share of bootstrap lines with slope <= 0
  bool has_interval = false;   // false when there were no bootstrap lines
};

// Date at which line + offset reaches log10_level (25 for 1e25 FLOP), decimal year. `confidence` in (0, 1).
// Throws Error(kUsage, "trends.bad_confidence") or Error(kData, "trends.not_finite").
Crossing crossing(const Forecast& forecast, double log10_level, double confidence = 0.95);

struct FanPoint {
  double year = 0.0;
  double central = 0.0;   // log10 FLOP of line + offset
  double line_low = 0.0;  // percentile band of the line itself; equal to central without bootstrap lines
  double line_high = 0.0;
  double prediction_low = 0.0;  // band for one system: bootstrap lines plus Gaussian noise of residual_sd
  double prediction_high = 0.0;
};

// One point per entry of `years`. Deterministic: the prediction band is the quantile of the exact mixture.
std::vector<FanPoint> fan(const Forecast& forecast, std::span<const double> years, double confidence = 0.95);

}  // namespace tenfold::compute_trends
