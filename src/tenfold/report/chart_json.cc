// SPDX-License-Identifier: Apache-2.0
// The page's view of a chart. Ticks and styles come from the same functions as for the still picture.
#include "tenfold/report/chart_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>

#include "tenfold/report/axis_scale.h"
#include "tenfold/report/text.h"

namespace tenfold::report {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMostXTicks = 10, kMostYTicks = 9;

const char* mark_name(Mark mark) {
  switch (mark) {
    case Mark::kLine:
      return "line";
    case Mark::kPoints:
      return "points";
    case Mark::kRings:
      return "rings";
    case Mark::kStars:
      return "stars";
    case Mark::kBars:
      return "bars";
  }
  return "points";
}

Json axis_json(const Axis& axis, const AxisScale& scale) {
  Json ticks = Json::array();
  for (const Tick& tick : scale.ticks) {
    if (!tick.text.empty()) ticks.push_back({tick.value, tick.text});
  }
  return {{"title", one_line(axis.title)},
          {"log", scale.logarithmic},
          {"min", scale.min},
          {"max", scale.max},
          {"ticks", ticks}};
}

Json series_json(const Series& series, const SeriesStyle& style) {
  Json labels = Json::array(), annotate = Json::array();
  for (const std::string& label : series.labels) labels.push_back(one_line(label));
  for (bool flag : series.annotate) annotate.push_back(flag);
  return {{"name", one_line(series.name)},
          {"mark", mark_name(series.mark)},
          {"color", palette_color(style.color)},
          {"shape", style.shape},
          {"dash", dash_lengths(style.dash)},
          {"markers", style.line_markers},
          {"x", series.x},
          {"y", series.y},
          {"low", series.low},
          {"high", series.high},
          {"labels", labels},
          {"annotate", annotate}};
}

std::string escape_for_script(const std::string& json) {
  std::string result;
  result.reserve(json.size());
  for (char c : json) {
    if (c == '<' || c == '>' || c == '&') {
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

std::string chart_json(const Chart& chart) {
  check(chart);
  const ChartScales scales = make_scales(chart, kMostXTicks, kMostYTicks);
  const std::vector<SeriesStyle> styles = series_styles(chart);
  Json series = Json::array(), spans = Json::array(), categories = Json::array();
  for (std::size_t i = 0; i < chart.series.size(); ++i)
    series.push_back(series_json(chart.series[i], styles[i]));
  for (const Span& span : chart.spans) {
    spans.push_back({{"x0", span.x0}, {"x1", span.x1}, {"label", one_line(span.label)}});
  }
  for (const std::string& category : chart.categories) categories.push_back(one_line(category));
  const Json json = {{"id", chart.id},
                     {"title", one_line(chart.title)},
                     {"caption", one_line(chart.caption)},
                     {"x", axis_json(chart.x, scales.x)},
                     {"y", axis_json(chart.y, scales.y)},
                     {"categories", categories},
                     {"spans", spans},
                     {"series", series}};
  return escape_for_script(json.dump());
}

Table chart_table(const Chart& chart) {
  check(chart);
  const auto any = [&chart](auto member) {
    return std::any_of(
        chart.series.begin(), chart.series.end(), [member](const Series& s) { return !(s.*member).empty(); });
  };
  const bool labels = any(&Series::labels), bands = any(&Series::low);
  Table table;
  table.columns = {"series"};
  if (labels) table.columns.emplace_back("name");
  table.columns.push_back(chart.x.title.empty() ? "x" : one_line(chart.x.title));
  table.columns.push_back(chart.y.title.empty() ? "y" : one_line(chart.y.title));
  if (bands) table.columns.insert(table.columns.end(), {"low", "high"});
  for (const Series& series : chart.series) {
    for (std::size_t i = 0; i < series.y.size(); ++i) {
      std::vector<std::string> row = {one_line(series.name)};
      if (labels) row.push_back(series.labels.empty() ? "" : one_line(series.labels[i]));
      const bool named = !chart.categories.empty();
      row.push_back(named ? one_line(chart.categories[static_cast<std::size_t>(series.x[i])])
                          : fmt::format("{}", series.x[i]));
      row.push_back(fmt::format("{}", series.y[i]));
      if (bands) row.push_back(series.low.empty() ? "" : fmt::format("{}", series.low[i]));
      if (bands) row.push_back(series.high.empty() ? "" : fmt::format("{}", series.high[i]));
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

}  // namespace tenfold::report
