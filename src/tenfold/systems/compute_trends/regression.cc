// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/regression.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

double mean(std::span<const double> values) {
  double sum = 0.0;
  for (double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

Error too_few_rows(std::size_t seen) {
  return Error(ErrorClass::kData,
               "trends.too_few_rows",
               {.what = "a line cannot be fitted",
                .seen = std::to_string(seen) + (seen == 1 ? " row" : " rows"),
                .wanted = "at least 2 rows with different dates",
                .remedy = "widen the period or relax the filter"});
}

Error equal_dates(std::size_t rows, double year) {
  return Error(ErrorClass::kData,
               "trends.equal_dates",
               {.what = "a line cannot be fitted",
                .seen = std::to_string(rows) + " rows, all dated " + std::to_string(year),
                .wanted = "at least 2 different dates",
                .remedy = "widen the period or relax the filter"});
}

}  // namespace

std::optional<double> doubling_months(double slope_oom_per_year) {
  if (!(slope_oom_per_year > 0.0)) return std::nullopt;
  return 12.0 * kLog10Of2 / slope_oom_per_year;
}

void check_rows(std::span<const double> year, std::span<const double> log10_flop) {
  if (year.size() != log10_flop.size()) {
    throw Error(ErrorClass::kData,
                "trends.lengths_differ",
                {.what = "dates and compute values do not belong together",
                 .seen = std::to_string(year.size()) + " dates, " + std::to_string(log10_flop.size()) +
                         " compute values",
                 .wanted = "one date and one compute value per row",
                 .remedy = "pass spans of equal length"});
  }
  for (std::size_t i = 0; i < year.size(); ++i) {
    if (std::isfinite(year[i]) && std::isfinite(log10_flop[i])) continue;
    throw Error(ErrorClass::kData,
                "trends.not_finite",
                {.what = "row " + std::to_string(i) + " cannot be used in a fit",
                 .seen = "year " + std::to_string(year[i]) + ", log10 FLOP " + std::to_string(log10_flop[i]),
                 .wanted = "finite numbers",
                 .remedy = "drop the row or correct its date and compute (compute must be > 0)"});
  }
}

void check_confidence(double confidence) {
  if (confidence > 0.0 && confidence < 1.0) return;
  throw Error(ErrorClass::kUsage,
              "trends.bad_confidence",
              {.what = "the confidence level cannot be used",
               .seen = std::to_string(confidence),
               .wanted = "a share between 0 and 1, for example 0.95",
               .remedy = "give the level as a share, not in percent"});
}

void check_quantile(double tau) {
  if (tau > 0.0 && tau < 1.0) return;
  throw Error(ErrorClass::kUsage,
              "trends.bad_quantile",
              {.what = "the quantile cannot be used",
               .seen = std::to_string(tau),
               .wanted = "a share between 0 and 1, for example 0.9",
               .remedy = "give the quantile as a share, not in percent"});
}

Fit fit_line(std::span<const double> year, std::span<const double> log10_flop) {
  check_rows(year, log10_flop);
  const std::size_t n = year.size();
  if (n < 2) throw too_few_rows(n);
  const auto [first, last] = std::minmax_element(year.begin(), year.end());
  if (*first == *last) throw equal_dates(n, *first);

  // Sums of deviations from the means: no cancellation whatever the origin of x.
  const double mean_x = mean(year);
  const double mean_y = mean(log10_flop);
  double sxx = 0.0, sxy = 0.0, syy = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double dx = year[i] - mean_x;
    const double dy = log10_flop[i] - mean_y;
    sxx += dx * dx;
    sxy += dx * dy;
    syy += dy * dy;
  }
  Fit fit;
  fit.n = n;
  fit.line.b = sxy / sxx;
  fit.line.a = mean_y - fit.line.b * (mean_x - kCentreYear);
  for (std::size_t i = 0; i < n; ++i) {
    const double residual = log10_flop[i] - mean_y - fit.line.b * (year[i] - mean_x);
    fit.sse += residual * residual;
  }
  fit.r2 = syy > 0.0 ? 1.0 - fit.sse / syy : 0.0;
  fit.residual_sd = std::sqrt(fit.sse / static_cast<double>(n));
  fit.residual_sd_unbiased = n > 2 ? std::sqrt(fit.sse / static_cast<double>(n - 2)) : 0.0;
  fit.slope_standard_error = fit.residual_sd_unbiased / std::sqrt(sxx);
  fit.first_year = *first;
  fit.last_year = *last;
  fit.start_log10 = fit.line.at(*first);
  fit.end_log10 = fit.line.at(*last);
  fit.doubling_months = doubling_months(fit.line.b);
  fit.growth_per_year = std::pow(10.0, fit.line.b);
  return fit;
}

std::vector<double> residuals(std::span<const double> year,
                              std::span<const double> log10_flop,
                              const Line& line) {
  check_rows(year, log10_flop);
  std::vector<double> result(year.size());
  for (std::size_t i = 0; i < year.size(); ++i) result[i] = log10_flop[i] - line.at(year[i]);
  return result;
}

std::vector<std::size_t> rows_between(std::span<const double> year, double from, double until) {
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < year.size(); ++i) {
    if (year[i] >= from && year[i] < until) rows.push_back(i);
  }
  return rows;
}

std::vector<double> pick(std::span<const double> values, std::span<const std::size_t> rows) {
  std::vector<double> picked(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) picked[i] = values[rows[i]];
  return picked;
}

std::vector<int> pick(std::span<const int> values, std::span<const std::size_t> rows) {
  std::vector<int> picked(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) picked[i] = values[rows[i]];
  return picked;
}

double percentile_of_sorted(std::span<const double> sorted, double percent) {
  check_internal(!sorted.empty(), "percentile of no values");
  const double position = std::clamp(percent, 0.0, 100.0) / 100.0 * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const double share = position - static_cast<double>(below);
  if (share == 0.0 || below + 1 == sorted.size()) return sorted[below];
  // The difference form would give NaN between two infinities.
  if (sorted[below] == sorted[below + 1]) return sorted[below];
  return sorted[below] + share * (sorted[below + 1] - sorted[below]);
}

}  // namespace tenfold::compute_trends
