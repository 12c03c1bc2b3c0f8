// SPDX-License-Identifier: Apache-2.0
// Would the large-scale split find a second, slower line where there is none? Simulates tables from one
// single trend and repeats the split: selecting on the outcome changes which slopes and gaps are to be
// expected.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tenfold/base/stop.h"
#include "tenfold/systems/compute_trends/eras.h"

namespace tenfold::compute_trends {

enum class NullNoise {
  kGaussian,           // sd = sqrt(SSE / (n - 2)) of the one line
  kResampledResiduals  // residuals of the one line, drawn with replacement
};
std::string_view to_string(NullNoise noise);  // "gaussian", "resampled-residuals"

struct NullStudyOptions {
  std::size_t simulations = 10000;
  std::uint64_t seed = 0;
  NullNoise noise = NullNoise::kGaussian;
  LargeScaleRule large;  // basis is ignored: the rows given are the basis
  double gap_year = 2016.0;
  const StopToken* stop = nullptr;
};

struct NullDistribution {
  double p2_5 = 0.0, p50 = 0.0, p97_5 = 0.0;
};

// What the split finds in one table.
struct SplitFigures {
  std::size_t n_large = 0;
  double slope_large = 0.0;  // OOM/year
  double slope_regular = 0.0;
  double slope_difference = 0.0;  // large minus regular
  double gap = 0.0;               // large minus regular line at gap_year, OOM
};

struct NullStudyReport {
  std::size_t n = 0;
  Fit line;               // the one trend that is simulated
  double noise_sd = 0.0;  // OOM
  SplitFigures observed;
  std::size_t simulations = 0;
  std::size_t without_split = 0;  // simulations whose split gave no two lines; they count as "not as extreme"
  double p_slope_difference = 0.0;  // (1 + #{difference <= observed}) / (1 + simulations)
  double p_gap = 0.0;               // (1 + #{gap >= observed}) / (1 + simulations)
  double p_both = 0.0;              // both in one simulation
  double share_slower = 0.0;        // large-scale line slower than the regular one
  NullDistribution n_large, slope_difference, gap;
  std::vector<double> slope_differences, gaps;  // [simulations - without_split]: for histograms
};

// Rows: the table after the era border and without low outliers. Simulation k is a pure function of (seed,
// k). Throws Error(kData, "trends.no_split") when the rows themselves give no two lines; Error(kUsage) unless
// 1 <= simulations <= 1e8.
NullStudyReport run_null_study(std::span<const double> year,
                               std::span<const double> log10_flop,
                               const NullStudyOptions& options = {});

// How often would the split detect a true second line? Simulates two trends (the observed regular and large
// lines) with the residual sd around them and counts simulations whose slope difference is below the null's 5
// % quantile.
struct PowerReport {
  double critical_difference = 0.0;  // 5 % quantile under the null
  double power = 0.0;
  NullDistribution slope_difference, gap;
  std::size_t simulations = 0;
};
PowerReport run_power_study(std::span<const double> year,
                            std::span<const double> log10_flop,
                            const NullStudyOptions& options = {});

}  // namespace tenfold::compute_trends
