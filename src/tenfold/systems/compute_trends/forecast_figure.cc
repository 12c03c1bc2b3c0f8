// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/forecast_figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace tenfold::compute_trends {
namespace {

constexpr int kPoints = 25;  // of each line
constexpr int kSystems = 7;  // grey: the systems are the background here
constexpr int kTrend = 0;
constexpr int kFrontier = 1;
constexpr int kLevel = 6;  // black

std::vector<double> years_between(double from, double to) {
  std::vector<double> years;
  for (int i = 0; i < kPoints; ++i) years.push_back(from + (to - from) * i / (kPoints - 1));
  return years;
}

// "1e25", "2.5e+25" without the sign.
std::string level_text(double level) {
  std::string text = fmt::format("{:g}", level);
  const std::size_t plus = text.find('+');
  if (plus != std::string::npos) text.erase(plus, 1);
  return text;
}

enum class Band { kLine, kOneSystem };

report::Series line(const Forecast& forecast, std::vector<double> years, double confidence, Band band) {
  report::Series series;
  series.mark = report::Mark::kLine;
  for (const FanPoint& point : fan(forecast, years, confidence)) {
    series.y.push_back(std::pow(10.0, point.central));
    series.low.push_back(std::pow(10.0, band == Band::kLine ? point.line_low : point.prediction_low));
    series.high.push_back(std::pow(10.0, band == Band::kLine ? point.line_high : point.prediction_high));
  }
  series.x = std::move(years);
  return series;
}

report::Series points(std::span<const SystemRow> rows) {
  report::Series series;
  series.name = "systems";
  series.mark = report::Mark::kPoints;
  series.color = kSystems;
  for (const SystemRow& row : rows) {
    series.x.push_back(row.decimal_year);
    series.y.push_back(row.flop);
    series.labels.push_back(row.name);
  }
  return series;
}

}  // namespace

report::Chart forecast_chart(const ForecastChart& what) {
  const auto by_date = [](const SystemRow& a, const SystemRow& b) { return a.decimal_year < b.decimal_year; };
  const auto [first, last] = std::minmax_element(what.rows.begin(), what.rows.end(), by_date);
  const double now = last->decimal_year;
  const double end = std::max(what.last_year, now + 1.0);
  report::Chart chart;
  chart.id = "forecast";
  chart.title = fmt::format("If the trend of {} went on unchanged", what.quantity);
  chart.caption = fmt::format(
      "Right of the last system everything is extrapolation. The wide band holds {:.0f} % of single systems, "
      "the narrow "
      "ones are the sampling error of the lines; a change of the trend is in none of them.",
      100.0 * what.confidence);
  chart.x.title = "publication date";
  chart.y.title = what.quantity + (what.unit.empty() ? "" : " [" + what.unit + "]");
  chart.y.logarithmic = true;
  chart.spans.push_back({now, end, "forecast"});
  report::Series fan_series = line(what.typical, years_between(now, end), what.confidence, Band::kOneSystem);
  fan_series.name = "one system, forecast";
  fan_series.color = kTrend;
  fan_series.dashed = true;
  report::Series trend =
      line(what.typical, years_between(first->decimal_year, now), what.confidence, Band::kLine);
  trend.name = "trend";
  trend.color = kTrend;
  report::Series frontier =
      line(what.frontier, years_between(first->decimal_year, end), what.confidence, Band::kLine);
  frontier.name = "frontier";
  frontier.color = kFrontier;
  chart.series = {std::move(fan_series), points(what.rows), std::move(trend), std::move(frontier)};
  for (double level : what.levels) {
    report::Series series;  // its name stands on the line, not in the legend
    series.color = kLevel;
    series.labels = {level_text(level) + (what.unit.empty() ? "" : " " + what.unit), ""};
    series.annotate = {true, false};
    series.dashed = true;
    series.x = {first->decimal_year, end};
    series.y = {level, level};
    chart.series.push_back(std::move(series));
  }
  return chart;
}

}  // namespace tenfold::compute_trends
