// SPDX-License-Identifier: Apache-2.0
// Charts that the tests of the report draw: each uses other features, none holds data of anyone else.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "tenfold/report/chart.h"
#include "tenfold/report/html.h"

namespace tenfold::report::samples {

inline Series growth_line(const std::string& name, double from, double to, double start, double slope) {
  Series line{.name = name};
  for (int i = 0; i <= 40; ++i) {
    const double x = from + (to - from) * i / 40.0;
    const double y = start + slope * (x - from);
    line.x.push_back(x);
    line.y.push_back(std::pow(10.0, y));
    line.low.push_back(std::pow(10.0, y - 0.5));
    line.high.push_back(std::pow(10.0, y + 0.5));
  }
  return line;
}

// Scatter over 25 decades in seven groups, fitted lines with bands, rings, stars, names and overlapping spans.
inline Chart growth_chart() {
  Chart chart;
  chart.id = "growth";
  chart.title = "Growth of a made-up quantity in three eras";
  chart.caption = "Points are drawn from a fixed pattern around two lines.";
  chart.x.title = "date";
  chart.y = {.title = "size [units]", .logarithmic = true};
  chart.series.push_back(growth_line("early: slope 0.17", 1952, 2010, 4.0, 0.17));
  chart.series.push_back(growth_line("late: slope 0.63", 2010, 2022, 14.5, 0.63));
  chart.series.back().dashed = true;
  const std::vector<std::string> groups = {"red", "green", "blue", "cyan", "amber", "grey", "rose"};
  for (std::size_t g = 0; g < groups.size(); ++g) {
    Series points{.name = groups[g], .mark = Mark::kPoints};
    for (int i = 0; i < 18; ++i) {
      const double step = static_cast<double>(i * 7 + static_cast<int>(g));
      const double x = i < 4 ? 1952 + step * 0.46 * (i + 1) : 2010 + std::fmod(step * 0.37, 12.0);
      const double center = x < 2010 ? 4.0 + 0.17 * (x - 1952) : 14.5 + 0.63 * (x - 2010);
      points.x.push_back(x);
      points.y.push_back(std::pow(10.0, center + 2.5 * std::sin(step)));
      points.labels.push_back(groups[g] + " system " + std::to_string(i));
      points.annotate.push_back(i % 9 == 0);
    }
    chart.series.push_back(points);
  }
  Series rings{.name = "largest", .mark = Mark::kRings};
  Series stars{.name = "own runs", .mark = Mark::kStars};
  rings.x = {2018.2, 2021.0};
  rings.y = {1e23, 3e24};
  stars.x = {2021.5, 2022.0};
  stars.y = {1e13, 4e14};
  stars.labels = {"run A", "run B"};
  stars.annotate = {true, true};
  chart.series.push_back(rings);
  chart.series.push_back(stars);
  chart.spans = {{1950, 2010, "first era"}, {2010, 2022, "second era"}, {2016, 2022, "third era"}};
  return chart;
}

inline Chart bar_chart() {
  Chart chart;
  chart.id = "bars";
  chart.title = "Two groups of bars";
  chart.caption = "Bars with error bars.";
  chart.y.title = "time [months]";
  chart.categories = {"first period, 1952 to 2010", "second", "third"};
  Series ours{.name = "ours", .mark = Mark::kBars, .x = {0, 1, 2}, .y = {21, 5.7, 10.2}};
  ours.low = {16, 5, 8};
  ours.high = {31, 6.5, 17};
  ours.labels = {"21", "5.7", "10.2"};
  ours.annotate = {true, true, true};
  chart.series = {ours, {.name = "other", .mark = Mark::kBars, .x = {0, 1, 2}, .y = {20, 6, 9}}};
  return chart;
}

inline Chart line_chart() {
  Chart chart;
  chart.id = "lines";
  chart.title = "Three curves";
  chart.caption = "Lines only: told apart by marks.";
  chart.x = {.title = "step", .logarithmic = true};
  chart.y.title = "loss [nats]";
  for (int k = 0; k < 3; ++k) {
    Series line{.name = "curve " + std::to_string(k)};
    for (int i = 1; i <= 100; ++i) {
      line.x.push_back(i * 50.0);
      line.y.push_back(0.4 * k + std::pow(i, -0.3));
    }
    chart.series.push_back(line);
  }
  return chart;
}

inline constexpr const char* kHostile =
    "\"; system('x') `date` @x $(y) {a}_b^c \\n %s %d <script>alert(1)</script> --> ]]> &#x41; \xff\x01";

// Every text a user can bring is hostile.
inline Chart hostile_chart() {
  Chart chart;
  chart.id = "hostile";
  chart.title = chart.caption = chart.x.title = chart.y.title = kHostile;
  chart.series = {{.name = kHostile, .mark = Mark::kPoints, .x = {0.5}, .y = {1}, .labels = {kHostile}}};
  chart.series[0].annotate = {true};
  chart.series.push_back({.name = "</script>", .mark = Mark::kBars, .x = {0, 1}, .y = {1, -2}});
  chart.series[0].x = {1};
  chart.categories = {"50 %", kHostile};
  chart.spans = {{0, 1, kHostile}};
  return chart;
}

inline Report sample_report() {
  Table table{.title = "A table",
              .columns = {"period", "n"},
              .rows = {{"first", "19"}, {"<b>", "98"}},
              .notes = {"A note."}};
  Report report{.title = "Sample report",
                .subtitle = "Every kind of block",
                .sections = {},
                .footer = "First line\nSecond line"};
  report.sections.push_back(
      {"one", "First section", "The result.", {Paragraph{"Prose."}, growth_chart(), table}});
  report.sections.push_back(
      {"two",
       "Second section",
       "",
       {bar_chart(), line_chart(), hostile_chart(), Preformatted{"$ command\n  output"}}});
  return report;
}

}  // namespace tenfold::report::samples
