// SPDX-License-Identifier: Apache-2.0
// Ordinary least squares of log10 training compute on the decimal year, and what follows from a slope:
// doubling time, growth per year, fitted values at both ends (Sevilla et al. 2022, section 2 and table 2).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace tenfold::compute_trends {

inline constexpr double kCentreYear = 2000.0;  // x is centred here: avoids cancellation in n sxx - sx^2
inline constexpr double kLog10Of2 = 0.30102999566398119521;

// log10(FLOP) = a + b (year - 2000).
struct Line {
  double a = 0.0;  // log10 FLOP at the start of 2000
  double b = 0.0;  // orders of magnitude a year
  double at(double year) const { return a + b * (year - kCentreYear); }
};

struct Fit {
  std::size_t n = 0;
  Line line;
  double r2 = 0.0;                    // 1 - SSE/SST in log space; 0 when all compute values are equal
  double sse = 0.0;                   // OOM^2
  double residual_sd = 0.0;           // sqrt(SSE / n), OOM: the sd of the outlier rules
  double residual_sd_unbiased = 0.0;  // sqrt(SSE / (n - 2)); 0 when n == 2
  double slope_standard_error = 0.0;  // textbook OLS, equal variances; 0 when n == 2
  double first_year = 0.0;            // smallest and largest date of the rows
  double last_year = 0.0;
  double start_log10 = 0.0;  // fitted values there: "scale start -> end" of the paper's tables
  double end_log10 = 0.0;
  std::optional<double> doubling_months;  // nullopt: slope <= 0, no doubling
  double growth_per_year = 0.0;           // 10^b
};

// 12 log10(2) / slope; nullopt for slope <= 0 or not a number.
std::optional<double> doubling_months(double slope_oom_per_year);

// Throws Error(kData): "trends.lengths_differ", "trends.not_finite" with the row number.
void check_rows(std::span<const double> year, std::span<const double> log10_flop);

// `year` and `log10_flop` have one value per row, any order. Throws Error(kData): "trends.too_few_rows" (<
// 2), "trends.equal_dates", "trends.not_finite", "trends.lengths_differ".
Fit fit_line(std::span<const double> year, std::span<const double> log10_flop);

// log10_flop[i] - line.at(year[i]), OOM.
std::vector<double> residuals(std::span<const double> year,
                              std::span<const double> log10_flop,
                              const Line& line);

// Throws Error(kUsage): "trends.bad_confidence" unless 0 < confidence < 1, "trends.bad_quantile" unless 0 < tau < 1.
void check_confidence(double confidence);
void check_quantile(double tau);

// Row numbers with from <= year < until, in the rows' order.
std::vector<std::size_t> rows_between(std::span<const double> year, double from, double until);

// values[rows[0]], values[rows[1]], ...
std::vector<double> pick(std::span<const double> values, std::span<const std::size_t> rows);
std::vector<int> pick(std::span<const int> values, std::span<const std::size_t> rows);

// Percentile of ascending values by linear interpolation between order statistics (NumPy's default, Hyndman
// and Fan type 7); `percent` in [0, 100]. `sorted` must not be empty; infinite values are allowed.
double percentile_of_sorted(std::span<const double> sorted, double percent);

}  // namespace tenfold::compute_trends
