// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/windows.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

// Dates one window apart belong together although their decimal years are rounded; far less than a day.
constexpr double kTimeSlack = 1e-9;
constexpr std::size_t kLeastRows = 3;

}  // namespace

TimeWindows::TimeWindows(std::span<const double> year, double window, WindowMode mode)
    : order_(year.size()), sum_(year.size() + 1), square_(year.size() + 1), equal_until_(year.size()) {
  if (!(window >= 0.0) || !std::isfinite(window)) {
    throw Error(ErrorClass::kUsage,
                "trends.bad_window",
                {.what = "the window of the large-scale split cannot be used",
                 .seen = std::to_string(window),
                 .wanted = "a number of years >= 0",
                 .remedy = "give the half width of the window in years, for example 1"});
  }
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::stable_sort(
      order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) { return year[a] < year[b]; });
  const double before = (mode == WindowMode::kTwoSided ? window : 2.0 * window) + kTimeSlack;
  const double after = (mode == WindowMode::kTwoSided ? window : 0.0) + kTimeSlack;
  std::size_t begin = 0, end = 0;
  for (std::size_t row : order_) {
    while (year[row] - year[order_[begin]] > before) ++begin;
    while (end < order_.size() && year[order_[end]] - year[row] <= after) ++end;
    begin_.push_back(begin);
    end_.push_back(end);
  }
}

void TimeWindows::z_scores(std::span<const double> values, std::span<double> z) {
  const std::size_t n = order_.size();
  check_internal(values.size() == n && z.size() == n, "z-scores: lengths differ");
  // Running sums of values around one of them: windows are short against the size of the sums' rounding errors.
  const double centre = n > 0 ? values[order_[n / 2]] : 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double value = values[order_[i]] - centre;
    sum_[i + 1] = sum_[i] + value;
    square_[i + 1] = square_[i] + value * value;
  }
  for (std::size_t i = n; i-- > 0;) {
    const bool same_as_next = i + 1 < n && values[order_[i]] == values[order_[i + 1]];
    equal_until_[i] = same_as_next ? equal_until_[i + 1] : i + 1;
  }
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t count = end_[i] - begin_[i];
    double& score = z[order_[i]];
    score = 0.0;
    if (count < kLeastRows || equal_until_[begin_[i]] >= end_[i]) continue;
    const auto rows = static_cast<double>(count);
    const double mean = (sum_[end_[i]] - sum_[begin_[i]]) / rows;
    const double variance = (square_[end_[i]] - square_[begin_[i]]) / rows - mean * mean;
    if (variance > 0.0) score = (values[order_[i]] - centre - mean) / std::sqrt(variance);
  }
}

}  // namespace tenfold::compute_trends
