// SPDX-License-Identifier: Apache-2.0
// Tick placement for linear and logarithmic axes.
#include "tenfold/report/axis_scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "tenfold/report/text.h"

namespace tenfold::report {
namespace {

constexpr double kPadding = 0.03;    // of the range, on each side that the caller left open
constexpr double kTolerance = 1e-9;  // of the range: a tick that misses the border by rounding still counts

double nice_step(double span, int max_ticks) {
  const double raw = span / std::max(1, max_ticks - 1);
  const double decade = std::pow(10.0, std::floor(std::log10(raw)));
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * decade >= raw * (1.0 - kTolerance)) return factor * decade;
  }
  return 10.0 * decade;
}

std::string linear_text(double value, double step, double largest) {
  if (std::abs(value) < step * kTolerance) return "0";
  if (largest >= 1e6 || largest < 1e-3) {
    const int exponent = static_cast<int>(std::floor(std::log10(std::abs(value)) + kTolerance));
    const double mantissa = value / std::pow(10.0, exponent);
    return fmt::format("{:.3g}\u00D7{}", mantissa, power_of_ten(exponent));
  }
  const int decimals = std::clamp(static_cast<int>(-std::floor(std::log10(step) + kTolerance)), 0, 9);
  return fmt::format("{:.{}f}", value, decimals);
}

void add_linear_ticks(AxisScale& scale, int max_ticks) {
  const double span = scale.max - scale.min;
  const double step = nice_step(span, max_ticks);
  const double largest = std::max(std::abs(scale.min), std::abs(scale.max));
  const double first = std::ceil(scale.min / step - kTolerance);
  const double last = std::floor(scale.max / step + kTolerance);
  for (double k = first; k <= last; ++k) {
    scale.ticks.push_back({k * step, linear_text(k * step, step, largest)});
  }
}

int decade_stride(int decades, int max_ticks) {
  for (int stride : {1, 2, 3, 5, 10, 20, 50}) {
    if (decades / stride + 1 <= max_ticks) return stride;
  }
  return 100;
}

void add_log_ticks(AxisScale& scale, int max_ticks) {
  const double low = std::log10(scale.min), high = std::log10(scale.max);
  const int first = static_cast<int>(std::ceil(low - kTolerance));
  const int last = static_cast<int>(std::floor(high + kTolerance));
  const bool narrow = high - low < 2.0;
  const int stride = decade_stride(std::max(0, last - first), max_ticks);
  for (int decade = first; decade <= last; ++decade) {
    const bool major = decade % stride == 0 || narrow;
    if (!narrow || major) {
      scale.ticks.push_back({std::pow(10.0, decade), major ? power_of_ten(decade) : std::string()});
    }
  }
  if (stride > 1 || high - low > 8.0) return;
  for (int decade = first - 1; decade <= last; ++decade) {
    for (int digit = 2; digit <= 9; ++digit) {
      const double value = digit * std::pow(10.0, decade);
      if (value < scale.min * (1 - kTolerance) || value > scale.max * (1 + kTolerance)) continue;
      const bool named = narrow && (digit == 2 || digit == 5);
      const bool plain = decade >= -3 && decade < 6;
      const std::string text =
          plain ? fmt::format("{:g}", value) : fmt::format("{}\u00D7{}", digit, power_of_ten(decade));
      scale.ticks.push_back({value, named ? text : std::string()});
    }
  }
  if (!narrow) return;
  // Between 1 and 5 a power of ten reads as an ordinary number.
  for (Tick& tick : scale.ticks) {
    if (!tick.text.empty() && tick.value >= 1e-3 && tick.value < 1e6)
      tick.text = fmt::format("{:g}", tick.value);
  }
}

AxisScale log_scale(const Axis& axis, const DataRange& range, int max_ticks) {
  AxisScale scale{.logarithmic = true};
  double low = std::log10(axis.min.value_or(range.empty ? 1.0 : range.low));
  double high = std::log10(axis.max.value_or(range.empty ? 10.0 : range.high));
  if (high - low < 0.05) {  // one value: show the decade around it
    if (!axis.min) low = low - 0.5;
    if (!axis.max) high = high + 0.5;
  }
  const double padding = kPadding * (high - low);
  if (!axis.min) low -= padding;
  if (!axis.max) high += padding;
  if (high - low >= 5.0) {  // whole decades cost little room here
    if (!axis.min) low = std::floor(low + kTolerance);
    if (!axis.max) high = std::ceil(high - kTolerance);
  }
  scale.min = axis.min.value_or(std::pow(10.0, std::max(low, -307.0)));
  scale.max = axis.max.value_or(std::pow(10.0, std::min(high, 308.0)));
  add_log_ticks(scale, max_ticks);
  return scale;
}

AxisScale linear_scale(const Axis& axis, const DataRange& range, int max_ticks) {
  AxisScale scale;
  double low = range.empty ? 0.0 : range.low;
  double high = range.empty ? 1.0 : range.high;
  if (low == high) {
    const double half = low == 0.0 ? 1.0 : 0.1 * std::abs(low);
    low -= half;
    high += half;
  }
  const double padding = kPadding * (high - low);
  // A range that nearly reaches zero is shown from zero: a cut-off axis exaggerates.
  const bool from_zero = range.from_zero || (low > 0.0 && low <= 0.25 * high);
  const bool to_zero = range.from_zero && high <= 0.0;
  scale.min = axis.min.value_or(from_zero && low >= 0.0 ? 0.0 : low - padding);
  scale.max = axis.max.value_or(to_zero ? 0.0 : high + padding);
  if (!(scale.min < scale.max))
    (axis.max ? scale.min : scale.max) = axis.max ? scale.max - 1.0 : scale.min + 1.0;
  add_linear_ticks(scale, max_ticks);
  return scale;
}

void include_series(const Series& series, DataRange& x, DataRange& y) {
  for (double value : series.x) x.include(value);
  for (const auto* values : {&series.y, &series.low, &series.high}) {
    for (double value : *values) y.include(value);
  }
  if (series.mark == Mark::kBars) y.from_zero = true;
}

}  // namespace

double AxisScale::fraction(double value) const {
  if (!logarithmic) return (value - min) / (max - min);
  return std::log(value / min) / std::log(max / min);
}

void DataRange::include(double value) {
  low = empty ? value : std::min(low, value);
  high = empty ? value : std::max(high, value);
  empty = false;
}

AxisScale make_scale(const Axis& axis, const DataRange& range, int max_ticks) {
  const int ticks = std::max(2, max_ticks);
  return axis.logarithmic ? log_scale(axis, range, ticks) : linear_scale(axis, range, ticks);
}

double BarGeometry::offset(int ordinal) const {
  return (ordinal - 0.5 * (series_count - 1)) * width;
}

BarGeometry bar_geometry(const Chart& chart) {
  BarGeometry bars;
  std::vector<double> positions;
  for (const Series& series : chart.series) {
    if (series.mark != Mark::kBars) continue;
    ++bars.series_count;
    positions.insert(positions.end(), series.x.begin(), series.x.end());
  }
  double gap = 1.0;
  if (chart.categories.empty()) {
    std::sort(positions.begin(), positions.end());
    positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
    for (std::size_t i = 1; i < positions.size(); ++i) {
      const double between = positions[i] - positions[i - 1];
      gap = i == 1 ? between : std::min(gap, between);
    }
  }
  bars.width = 0.8 * gap / std::max(1, bars.series_count);
  return bars;
}

ChartScales make_scales(const Chart& chart, int max_x_ticks, int max_y_ticks) {
  DataRange x, y;
  for (const Series& series : chart.series) include_series(series, x, y);
  if (y.from_zero && !chart.y.logarithmic && !y.empty) y.include(0.0);
  ChartScales scales;
  scales.y = make_scale(chart.y, y, max_y_ticks);
  if (!chart.categories.empty()) {
    scales.x.min = -0.5;
    scales.x.max = static_cast<double>(chart.categories.size()) - 0.5;
    for (std::size_t i = 0; i < chart.categories.size(); ++i) {
      scales.x.ticks.push_back({static_cast<double>(i), one_line(chart.categories[i])});
    }
    return scales;
  }
  const BarGeometry bars = bar_geometry(chart);
  if (bars.series_count > 0 && !chart.x.logarithmic && !x.empty) {
    const double half = 0.5 * bars.width * bars.series_count;
    x.include(x.low - half);
    x.include(x.high + half);
  }
  for (const Span& span : chart.spans) {
    // Only spans make a range when there is nothing else to see.
    if (chart.series.empty()) {
      x.include(span.x0);
      x.include(span.x1);
    }
  }
  scales.x = make_scale(chart.x, x, max_x_ticks);
  return scales;
}

}  // namespace tenfold::report
