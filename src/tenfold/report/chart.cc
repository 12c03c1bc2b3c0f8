// SPDX-License-Identifier: Apache-2.0
// Checks of a chart, the palette and the styles that tell series apart.
#include "tenfold/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::report {
namespace {

constexpr std::array<const char*, kPaletteSize> kOkabeIto = {
    "#0072b2",  // blue
    "#d55e00",  // vermilion
    "#009e73",  // bluish green
    "#cc79a7",  // reddish purple
    "#e69f00",  // orange
    "#56b4e9",  // sky blue
    "#000000",  // black
    "#999999",  // grey
    "#f0e442",  // yellow
};

std::string place(const Chart& chart, const Series& series, std::size_t index) {
  const std::string name = series.name.empty() ? fmt::format("number {}", index + 1) : printable(series.name);
  return fmt::format("chart {}, series {}", printable(chart.id), name);
}

[[noreturn]] void fail_internal(const std::string& code, ErrorText text) {
  throw Error(ErrorClass::kInternal, code, std::move(text));
}

void check_length(const std::string& where, const char* field, std::size_t length, std::size_t wanted) {
  if (length == wanted) return;
  fail_internal("report.chart_lengths",
                {.what = fmt::format("{}: `{}` has the wrong length", where, field),
                 .seen = fmt::format("{} values", length),
                 .wanted = fmt::format("{} values, as many as `y`", wanted),
                 .remedy = "give one value a point, or leave the field empty"});
}

void check_values(const std::string& where,
                  const char* field,
                  const std::vector<double>& values,
                  bool logarithmic) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      throw Error(ErrorClass::kData,
                  "report.not_finite",
                  {.what = fmt::format("{}: `{}` at point {} cannot be drawn", where, field, i + 1),
                   .seen = fmt::format("{}", values[i]),
                   .wanted = "a finite number",
                   .remedy = "leave the point out of the chart"});
    }
    if (logarithmic && values[i] <= 0.0) {
      throw Error(ErrorClass::kData,
                  "report.not_positive",
                  {.what = fmt::format(
                       "{}: `{}` at point {} cannot stand on a logarithmic axis", where, field, i + 1),
                   .seen = fmt::format("{}", values[i]),
                   .wanted = "a number above 0",
                   .remedy = "leave the point out, or use a linear axis"});
    }
  }
}

void check_series(const Chart& chart, const Series& series, const std::string& where) {
  const std::size_t n = series.y.size();
  check_length(where, "x", series.x.size(), n);
  check_length(where, "high", series.high.size(), series.low.size());
  if (!series.low.empty()) check_length(where, "low", series.low.size(), n);
  if (!series.labels.empty()) check_length(where, "labels", series.labels.size(), n);
  if (!series.annotate.empty()) check_length(where, "annotate", series.annotate.size(), n);
  if (!series.annotate.empty()) check_length(where, "labels", series.labels.size(), n);
  check_values(where, "x", series.x, chart.x.logarithmic);
  check_values(where, "y", series.y, chart.y.logarithmic);
  check_values(where, "low", series.low, chart.y.logarithmic);
  check_values(where, "high", series.high, chart.y.logarithmic);
}

void check_categories(const Chart& chart, const Series& series, const std::string& where) {
  if (chart.categories.empty()) return;
  for (double position : series.x) {
    const bool whole = position == std::floor(position);
    if (whole && position >= 0 && position < static_cast<double>(chart.categories.size())) continue;
    fail_internal("report.chart_category",
                  {.what = fmt::format("{}: a position has no category", where),
                   .seen = fmt::format("{}", position),
                   .wanted = fmt::format("a whole number from 0 to {}", chart.categories.size() - 1),
                   .remedy = "use the index of the category as x"});
  }
}

void check_axis(const Chart& chart, const Axis& axis, const char* name) {
  const std::string where = fmt::format("chart {}, {} axis", printable(chart.id), name);
  std::vector<double> limits;
  if (axis.min) limits.push_back(*axis.min);
  if (axis.max) limits.push_back(*axis.max);
  check_values(where, "min, max", limits, axis.logarithmic);
  if (limits.size() < 2 || limits[0] < limits[1]) return;
  fail_internal("report.chart_range",
                {.what = where + ": the range is empty",
                 .seen = fmt::format("{} to {}", limits[0], limits[1]),
                 .wanted = "a minimum below the maximum",
                 .remedy = "swap them, or leave them empty"});
}

bool is_line(const Series& series) {
  return series.mark == Mark::kLine;
}

bool uses_shape(const Series& series) {
  return series.mark == Mark::kPoints;
}

}  // namespace

void check(const Chart& chart) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  if (chart.id.empty() || !std::all_of(chart.id.begin(), chart.id.end(), allowed)) {
    fail_internal("report.chart_id",
                  {.what = "a chart's identifier cannot name a file and an element",
                   .seen = printable(chart.id),
                   .wanted = "one or more of a-z 0-9 _ -",
                   .remedy = "give the chart another identifier"});
  }
  check_axis(chart, chart.x, "x");
  check_axis(chart, chart.y, "y");
  if (chart.x.logarithmic && !chart.categories.empty()) {
    fail_internal("report.chart_category",
                  {.what = fmt::format("chart {}: categories stand on a linear x axis", chart.id),
                   .seen = "a logarithmic x axis with categories",
                   .wanted = "x.logarithmic = false",
                   .remedy = "drop the categories or the logarithm"});
  }
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const std::string where = place(chart, chart.series[i], i);
    check_series(chart, chart.series[i], where);
    check_categories(chart, chart.series[i], where);
  }
  for (const Span& span : chart.spans) {
    check_values(fmt::format("chart {}, span {}", chart.id, printable(span.label)),
                 "x0, x1",
                 {span.x0, span.x1},
                 chart.x.logarithmic);
  }
}

std::string palette_color(int index) {
  const int wrapped = ((index % kPaletteSize) + kPaletteSize) % kPaletteSize;
  return kOkabeIto[static_cast<std::size_t>(wrapped)];
}

std::vector<SeriesStyle> series_styles(const Chart& chart) {
  std::vector<SeriesStyle> styles(chart.series.size());
  std::vector<bool> taken(kPaletteSize, false);
  for (const Series& series : chart.series) {
    if (series.color >= 0) taken[static_cast<std::size_t>(series.color % kPaletteSize)] = true;
  }
  const bool lines_only = std::all_of(chart.series.begin(), chart.series.end(), [](const Series& series) {
    return is_line(series) && series.low.empty();
  });
  int next_color = 0, next_shape = 0, next_solid = 0, next_dashed = 0;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const Series& series = chart.series[i];
    SeriesStyle& style = styles[i];
    if (series.color >= 0) {
      style.color = series.color % kPaletteSize;
    } else {
      for (int tries = 0; tries < kPaletteSize && taken[static_cast<std::size_t>(next_color)]; ++tries) {
        next_color = (next_color + 1) % kPaletteSize;
      }
      style.color = next_color;
      next_color = (next_color + 1) % kPaletteSize;
    }
    style.line_markers = lines_only && chart.series.size() > 1;
    if (uses_shape(series) || style.line_markers) style.shape = next_shape++ % kShapeCount;
    if (!is_line(series)) continue;
    if (series.dashed) {
      style.dash = 1 + 2 * (next_dashed++ % 2);  // 1, 3
    } else if (!style.line_markers) {
      style.dash = 2 * (next_solid++ % 4);  // 0, 2, 4, 6
    }
  }
  return styles;
}

std::vector<int> dash_lengths(int dash) {
  switch (dash) {
    case 1:
      return {7, 4};
    case 2:
      return {16, 4, 3, 4};
    case 3:
      return {3, 3};
    case 4:
      return {22, 6};
    case 6:
      return {10, 3, 2, 3, 2, 3};
    default:
      return {};
  }
}

}  // namespace tenfold::report
