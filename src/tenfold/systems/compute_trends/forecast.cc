// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/forecast.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

double crossing_year(const Line& line, double level) {
  return line.b > 0.0 ? kCentreYear + (level - line.a) / line.b : kNever;
}

std::optional<double> finite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

// Quantile of the mixture of normal distributions with these centres and one sd, by bisection.
double mixture_quantile(std::span<const double> centres, double sd, double share) {
  if (sd <= 0.0) return percentile_of_sorted(centres, 100.0 * share);
  double low = centres.front() - 10.0 * sd;
  double high = centres.back() + 10.0 * sd;
  for (int step = 0; step < 60; ++step) {
    const double middle = 0.5 * (low + high);
    double below = 0.0;
    for (double centre : centres) below += std::erfc((centre - middle) / (sd * std::numbers::sqrt2));
    (0.5 * below < share * static_cast<double>(centres.size()) ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

double frontier_offset(std::span<const double> residuals, double tau) {
  check_quantile(tau);
  if (residuals.empty()) {
    throw Error(ErrorClass::kData,
                "trends.too_few_rows",
                {.what = "the frontier has no residuals to be taken from",
                 .seen = "0 rows",
                 .wanted = "at least 1 row",
                 .remedy = "widen the period or relax the filter"});
  }
  std::vector<double> sorted(residuals.begin(), residuals.end());
  std::sort(sorted.begin(), sorted.end());
  return percentile_of_sorted(sorted, 100.0 * tau);
}

Crossing crossing(const Forecast& forecast, double log10_level, double confidence) {
  check_confidence(confidence);
  if (!std::isfinite(log10_level)) {
    throw Error(ErrorClass::kData,
                "trends.not_finite",
                {.what = "the level to be crossed cannot be used",
                 .seen = std::to_string(log10_level),
                 .wanted = "the log10 of a positive number of FLOP",
                 .remedy = "give a level such as 1e25"});
  }
  const double level = log10_level - forecast.offset;
  Crossing result;
  result.log10_level = log10_level;
  result.year = finite(crossing_year(forecast.line, level));
  if (forecast.resampled.empty()) return result;
  std::vector<double> years;
  years.reserve(forecast.resampled.size());
  for (const Line& line : forecast.resampled) years.push_back(crossing_year(line, level));
  std::sort(years.begin(), years.end());
  result.has_interval = true;
  result.low = finite(percentile_of_sorted(years, 50.0 * (1.0 - confidence)));
  result.high = finite(percentile_of_sorted(years, 50.0 * (1.0 + confidence)));
  const auto never = std::count(years.begin(), years.end(), kNever);
  result.share_never = static_cast<double>(never) / static_cast<double>(years.size());
  return result;
}

std::vector<FanPoint> fan(const Forecast& forecast, std::span<const double> years, double confidence) {
  check_confidence(confidence);
  const double lower = 0.5 * (1.0 - confidence);
  std::vector<FanPoint> points;
  points.reserve(years.size());
  std::vector<double> centres;
  for (double year : years) {
    FanPoint point;
    point.year = year;
    point.central = forecast.line.at(year) + forecast.offset;
    centres.clear();
    for (const Line& line : forecast.resampled) centres.push_back(line.at(year) + forecast.offset);
    if (centres.empty()) centres.push_back(point.central);
    std::sort(centres.begin(), centres.end());
    point.line_low = percentile_of_sorted(centres, 100.0 * lower);
    point.line_high = percentile_of_sorted(centres, 100.0 * (1.0 - lower));
    point.prediction_low = mixture_quantile(centres, forecast.residual_sd, lower);
    point.prediction_high = mixture_quantile(centres, forecast.residual_sd, 1.0 - lower);
    points.push_back(point);
  }
  return points;
}

}  // namespace tenfold::compute_trends
