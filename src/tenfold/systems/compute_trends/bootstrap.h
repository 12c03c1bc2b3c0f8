// SPDX-License-Identifier: Apache-2.0
// Bootstrap intervals of the slope and the doubling time (Sevilla et al. 2022, section 2; Efron and
// Tibshirani 1993, chapter 13). Resample k is a pure function of (seed, k): results are the same for any
// thread count and any SIMD width.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/stop.h"
#include "tenfold/systems/compute_trends/regression.h"

namespace tenfold::compute_trends {

enum class BootstrapKind {
  kPairs,           // draw rows with replacement: the paper's
  kWildRademacher,  // dates fixed, residuals times +-1
  kWildMammen,      // dates fixed, residuals times Mammen's two-point variable (third moment kept)
  kCluster,         // draw organisations with replacement, each with all of its rows
};
std::string_view to_string(BootstrapKind kind);  // "pairs", "wild-rademacher", "wild-mammen", "cluster"

enum class IntervalKind {
  kPercentile,  // the paper's
  kBca,         // bias-corrected and accelerated (bca.h); not of the wild kinds
};
std::string_view to_string(IntervalKind kind);  // "percentile", "bca"

struct BootstrapOptions {
  BootstrapKind kind = BootstrapKind::kPairs;
  IntervalKind interval = IntervalKind::kPercentile;
  std::size_t resamples = 1000;
  std::uint64_t seed = 0;
  double confidence = 0.95;  // percentiles 2.5 and 97.5
  std::vector<double>
      sigma;  // sd of the noise of each compute estimate in OOM: empty, one value, or one per row
  std::vector<int> organization;  // kCluster: any integer labels, one per row
  const StopToken* stop =
      nullptr;  // polled between chunks; stopping throws Error(kResource, "trends.stopped")
};

// Interval of the slope, OOM/year.
struct SlopeInterval {
  double low = 0.0;
  double median = 0.0;
  double high = 0.0;
};

// The slope interval transformed to months with its ends swapped. nullopt: the slope there is not positive,
// the doubling time is unbounded; print ">" and the other end, never a negative number (see interval_text).
struct DoublingInterval {
  std::optional<double> low;
  std::optional<double> median;
  std::optional<double> high;
};
DoublingInterval doubling_interval(const SlopeInterval& slope);

// "[15.9; 21.1; 31.0]", "[8.2; 14.1; >]" for an open end, "no doubling" when even the fastest slope is <= 0.
std::string interval_text(const DoublingInterval& interval, int decimals = 1);

struct BootstrapReport {
  BootstrapKind kind = BootstrapKind::kPairs;
  IntervalKind interval = IntervalKind::kPercentile;
  std::size_t n = 0;         // rows
  std::size_t clusters = 0;  // organisations, for kCluster
  std::size_t resamples = 0;
  std::uint64_t seed = 0;
  std::uint64_t redrawn = 0;  // resamples thrown away because all of their dates were equal
  double confidence = 0.95;
  SlopeInterval slope;
  DoublingInterval doubling;
  std::vector<Line> lines;  // [resamples], line k from resample k: for bands and forecasts
};

// Throws Error(kData) like fit_line, "trends.bad_sigma" (negative or wrong length), "trends.too_few_clusters"
// (< 2) or "trends.degenerate_resamples" (one resample needed more than 1000 draws); Error(kUsage) for
// resamples < 1 or > 1e8, confidence outside (0, 1), or "trends.bca_of_wild".
BootstrapReport bootstrap(std::span<const double> year,
                          std::span<const double> log10_flop,
                          const BootstrapOptions& options = {});

// The lines alone, without percentiles: what the benchmark times. `redrawn` receives the count when not null.
std::vector<Line> bootstrap_lines(std::span<const double> year,
                                  std::span<const double> log10_flop,
                                  const BootstrapOptions& options,
                                  std::uint64_t* redrawn = nullptr);

// Does the interval hold what it promises? Simulates tables with a known slope and counts how often the
// interval holds it.
struct CoverageOptions {
  std::size_t tables = 1000;
  std::size_t rows = 50;
  double first_year = 2010.0;  // dates uniform in [first_year, last_year)
  double last_year = 2022.0;
  double slope = 0.63;    // OOM/year
  double noise_sd = 1.5;  // OOM, Gaussian
  std::uint64_t seed = 0;
  BootstrapOptions bootstrap;  // its seed is replaced by one per table
};
struct CoverageReport {
  std::size_t tables = 0;
  std::size_t covered = 0;
  double coverage = 0.0;        // covered / tables
  double standard_error = 0.0;  // binomial
  double median_width = 0.0;    // of the slope interval, OOM/year
};
CoverageReport simulate_coverage(const CoverageOptions& options = {});

}  // namespace tenfold::compute_trends
