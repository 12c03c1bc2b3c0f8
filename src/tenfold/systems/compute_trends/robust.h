// SPDX-License-Identifier: Apache-2.0
// Lines that survive outliers, errors in the dates, or that follow the frontier instead of the mean:
// Theil-Sen, Deming and York regression, quantile regression.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tenfold/systems/compute_trends/bootstrap.h"
#include "tenfold/systems/compute_trends/regression.h"

namespace tenfold::compute_trends {

struct ResampleOptions {
  std::size_t resamples = 0;  // 0: no interval
  std::uint64_t seed = 0;
  double confidence = 0.95;
  const StopToken* stop =
      nullptr;  // polled between chunks; stopping throws Error(kResource, "trends.stopped")
};

struct RobustReport {
  Line line;
  std::optional<double> doubling_months;
  std::optional<SlopeInterval> slope_interval;  // percentile bootstrap over rows, when asked for
  DoublingInterval doubling;                    // all nullopt without an interval
  std::uint64_t redrawn = 0;
};

// Theil-Sen: b = median of the slopes of all pairs with different dates, a = median of y - b x. O(n^2 log n).
// Throws Error(kData) like fit_line.
RobustReport theil_sen(std::span<const double> year,
                       std::span<const double> log10_flop,
                       const ResampleOptions& options = {});

struct QuantileReport {
  double tau = 0.0;
  Line line;
  double loss = 0.0;                         // sum of the check loss rho_tau(residual), the least possible
  std::size_t above = 0, below = 0, on = 0;  // rows relative to the line (|residual| <= 1e-9 OOM is "on")
  std::optional<double> doubling_months;
  std::optional<SlopeInterval> slope_interval;
  DoublingInterval doubling;
  std::uint64_t redrawn = 0;
};

// Quantile regression of a line (Koenker and Bassett 1978), exact: the profile loss over the slope is convex
// and piecewise linear with corners at the slopes of pairs, so a binary search over the sorted corners ends
// at the optimum. Where the optimum is not unique: the smallest slope, then the smallest intercept. O(n^2 log
// n). Throws Error(kUsage, "trends.bad_quantile") unless 0 < tau < 1.
QuantileReport quantile_line(std::span<const double> year,
                             std::span<const double> log10_flop,
                             double tau,
                             const ResampleOptions& options = {});

struct ErrorsInVariablesReport {
  Line line;
  double slope_standard_error = 0.0;      // York et al. 2004, eq. 13; assumes the given sigmas
  double intercept_standard_error = 0.0;  // of the line at year 2000
  double chi2 = 0.0;                      // sum of squared weighted residuals; n - 2 expected
  int iterations = 0;
  std::optional<double> doubling_months;
};

// Errors in both variables, one sd each for all rows (Deming 1943): only the ratio sigma_y / sigma_x moves
// the line. sigma_x in years, sigma_y in OOM, both > 0.
ErrorsInVariablesReport deming_line(std::span<const double> year,
                                    std::span<const double> log10_flop,
                                    double sigma_x,
                                    double sigma_y);

// One sd per row, uncorrelated (York et al., Am. J. Phys. 72, 367, 2004). sigma_x >= 0, sigma_y > 0. Throws
// Error(kData, "trends.bad_sigma") or, when 200 iterations do not settle, "trends.no_convergence".
ErrorsInVariablesReport york_line(std::span<const double> year,
                                  std::span<const double> log10_flop,
                                  std::span<const double> sigma_x,
                                  std::span<const double> sigma_y);

}  // namespace tenfold::compute_trends
