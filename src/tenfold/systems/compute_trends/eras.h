// SPDX-License-Identifier: Apache-2.0
// The three eras: before deep learning, deep learning, large-scale; the low-outlier rule and the split by
// z-score (Sevilla et al. 2022, sections 2 and 3.3, appendix on outliers).
#pragma once

#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tenfold/systems/compute_trends/bootstrap.h"
#include "tenfold/systems/compute_trends/regression.h"

namespace tenfold::compute_trends {

enum class WindowMode {
  kTwoSided,  // |x_j - x_i| <= w
  kPastOnly,  // 0 <= x_i - x_j <= 2 w: knows nothing of later systems
};
std::string_view to_string(WindowMode mode);  // "two-sided", "past-only"

// Which rows the mean and sd of a window are taken over. Measured on Our World in Data's April 2022 copy:
// only kAllRows gives the reference counts at every threshold (31, 28, 20, 13, 5 at z 0.54 .. 1.2); at z =
// 0.76 both agree.
enum class WindowBasis { kAllRows, kWithoutLowOutliers };

struct LargeScaleRule {
  double z = 0.76;      // large when z_i > z
  double window = 1.0;  // w, years
  WindowMode mode = WindowMode::kTwoSided;
  WindowBasis basis = WindowBasis::kAllRows;
  double start = 2015.66;  // decimal year; 1 September 2015
};

// z_i = (y_i - mean) / population sd of y over the window around i, itself included. 0 where the window holds
// fewer than 3 rows or its sd is 0. Rows in any order; O(n log n).
std::vector<double> window_z_scores(std::span<const double> year,
                                    std::span<const double> log10_flop,
                                    double window,
                                    WindowMode mode);

// Rows (numbers into the spans, ascending) with residual < -k sd of the least-squares line through the spans;
// sd = sqrt(SSE/n).
std::vector<std::size_t> low_outliers(std::span<const double> year,
                                      std::span<const double> log10_flop,
                                      double k = 2.0);

struct ErasOptions {
  double border = 2010.0;                                  // first year of deep learning
  double late_border = 2012.0;                             // the paper's other start
  double until = std::numeric_limits<double>::infinity();  // rows at or after it are left out
  double low_outlier_sd = 2.0;                             // k of the low-outlier rule; <= 0 switches it off
  LargeScaleRule large;
  std::vector<double> gap_years = {2016.0, 2019.0, 2022.0};
  std::vector<double> z_grid = {
      0.54, 0.6, 0.76, 1.0, 1.2};                     // thresholds of the sensitivity table; empty: no table
  std::vector<double> window_grid = {0.5, 1.0, 1.5};  // half widths of the sensitivity table
  BootstrapOptions bootstrap;  // resamples 0 is not allowed; organization: one per row of the whole table
};

struct EraFit {
  std::string name;               // "before", "all", ...
  std::vector<std::size_t> rows;  // row numbers of the table
  std::optional<Fit> fit;         // empty when the rows do not define a line
  std::optional<BootstrapReport> bootstrap;
  std::string reason;  // why there is no fit
};

struct Gap {
  double year = 0.0;
  double oom = 0.0;  // large-scale line minus regular line
};

struct SplitSensitivity {
  double z = 0.0;
  double window = 0.0;
  WindowMode mode = WindowMode::kTwoSided;
  std::size_t n_large = 0;
  std::size_t n_regular = 0;
  std::optional<Fit> large;
  std::optional<Fit> regular;
};

struct ErasReport {
  double border = 0.0;  // as in the options
  double late_border = 0.0;
  double large_start = 0.0;
  EraFit before;                 // year < border
  EraFit all;                    // border <= year
  EraFit without_low;            // all minus low outliers
  EraFit early;                  // border <= year < large.start, low outliers included
  EraFit regular;                // without_low minus large
  EraFit late_regular;           // regular with year >= late_border
  EraFit large;                  // z > threshold from large.start on, low outliers excluded
  std::vector<std::size_t> low;  // low outliers
  std::vector<double> z;         // one per row of the table; 0 for rows outside the basis
  std::vector<Gap> gaps;         // empty unless both lines exist
  std::vector<SplitSensitivity>
      sensitivity;  // z_grid at the chosen window, then window_grid at the chosen z, both modes
};

// Throws Error(kData) when the spans differ in length or hold non-finite values; an era too small for a line
// gets a reason.
ErasReport find_eras(std::span<const double> year,
                     std::span<const double> log10_flop,
                     const ErasOptions& options = {});

// The split alone, without intervals or tables: row numbers into the spans. Used by the null study and
// `compare`.
struct Split {
  std::vector<std::size_t> low, regular, large;  // a partition of the rows with border <= year < until
};
Split split_eras(std::span<const double> year,
                 std::span<const double> log10_flop,
                 const ErasOptions& options = {});

}  // namespace tenfold::compute_trends
