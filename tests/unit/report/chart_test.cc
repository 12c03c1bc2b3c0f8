// SPDX-License-Identifier: Apache-2.0
#include "tenfold/report/chart.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "tenfold/base/error.h"
#include "tests/unit/report/sample_charts.h"

namespace tenfold::report {
namespace {

// The error of check(), or fails the test.
Error error_of(const Chart& chart) {
  try {
    check(chart);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "check() accepted the chart";
  return Error(ErrorClass::kInternal, "none", {});
}

Chart simple_chart() {
  Chart chart{.id = "simple"};
  chart.series = {{.name = "loss", .x = {1, 2}, .y = {3, 4}}};
  return chart;
}

TEST(ChartCheck, AcceptsTheSamples) {
  EXPECT_NO_THROW(check(samples::growth_chart()));
  EXPECT_NO_THROW(check(samples::bar_chart()));
  EXPECT_NO_THROW(check(samples::hostile_chart()));
  EXPECT_NO_THROW(check(Chart{.id = "empty"}));
}

TEST(ChartCheck, NamesTheFieldOfWrongLength) {
  for (const char* field : {"x", "low", "high", "labels", "annotate"}) {
    Chart chart = simple_chart();
    Series& series = chart.series[0];
    const std::string name = field;
    if (name == "x") series.x = {1};
    if (name == "low") series.low = series.high = {1};
    if (name == "high") series.low = {1, 2};
    if (name == "labels") series.labels = {"a"};
    if (name == "annotate") series.annotate = {true};
    const Error error = error_of(chart);
    EXPECT_EQ(error.error_class(), ErrorClass::kInternal);
    EXPECT_EQ(error.code(), "report.chart_lengths");
    EXPECT_NE(error.text().what.find("loss: `" + name + "`"), std::string::npos) << error.text().what;
  }
}

TEST(ChartCheck, AnnotationNeedsLabels) {
  Chart chart = simple_chart();
  chart.series[0].annotate = {true, false};
  EXPECT_EQ(error_of(chart).code(), "report.chart_lengths");
}

TEST(ChartCheck, LogarithmicAxisRefusesZeroAndNegativeWithTheSeriesName) {
  for (double bad : {0.0, -1.0}) {
    for (const char* field : {"x", "y", "low"}) {
      Chart chart = simple_chart();
      chart.x.logarithmic = chart.y.logarithmic = true;
      Series& series = chart.series[0];
      series.low = {1, 1};
      series.high = {9, 9};
      (field[0] == 'x' ? series.x : field[0] == 'y' ? series.y : series.low)[1] = bad;
      const Error error = error_of(chart);
      EXPECT_EQ(error.error_class(), ErrorClass::kData);
      EXPECT_EQ(error.code(), "report.not_positive");
      EXPECT_NE(error.text().what.find("series loss"), std::string::npos) << error.text().what;
      EXPECT_NE(error.text().what.find("point 2"), std::string::npos) << error.text().what;
    }
  }
}

TEST(ChartCheck, RefusesWhatIsNotFinite) {
  for (double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    Chart chart = simple_chart();
    chart.series[0].y[0] = bad;
    EXPECT_EQ(error_of(chart).code(), "report.not_finite");
    chart = simple_chart();
    chart.x.max = bad;
    EXPECT_EQ(error_of(chart).code(), "report.not_finite");
    chart = simple_chart();
    chart.spans = {{0, bad, "era"}};
    EXPECT_EQ(error_of(chart).code(), "report.not_finite");
  }
}

TEST(ChartCheck, RefusesIdentifiersThatCannotBeFileNames) {
  for (const char* bad : {"", "a b", "../x", "A", "a\"b"}) {
    Chart chart = simple_chart();
    chart.id = bad;
    EXPECT_EQ(error_of(chart).code(), "report.chart_id") << bad;
  }
}

TEST(ChartCheck, RefusesEmptyRangesAndPositionsWithoutCategory) {
  Chart chart = simple_chart();
  chart.y.min = 5;
  chart.y.max = 5;
  EXPECT_EQ(error_of(chart).code(), "report.chart_range");
  for (double bad : {-1.0, 0.5, 2.0}) {
    chart = simple_chart();
    chart.categories = {"a", "b"};
    chart.series[0].x = {0, bad};
    EXPECT_EQ(error_of(chart).code(), "report.chart_category") << bad;
  }
}

TEST(Palette, IsOkabeAndItoWithGreyAndWrapsAround) {
  const std::set<std::string> published = {
      "#000000", "#999999", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"};
  std::set<std::string> ours;
  for (int i = 0; i < kPaletteSize; ++i) ours.insert(palette_color(i));
  EXPECT_EQ(ours, published);
  EXPECT_EQ(palette_color(kPaletteSize), palette_color(0));
  EXPECT_EQ(palette_color(-1), palette_color(kPaletteSize - 1));
}

TEST(SeriesStyles, PointSeriesDifferInColorAndInShape) {
  Chart chart{.id = "points"};
  for (int i = 0; i < kShapeCount; ++i) chart.series.push_back({.mark = Mark::kPoints});
  std::set<int> colors, shapes;
  for (const SeriesStyle& style : series_styles(chart)) {
    colors.insert(style.color);
    shapes.insert(style.shape);
  }
  EXPECT_EQ(colors.size(), chart.series.size());
  EXPECT_EQ(shapes.size(), chart.series.size());
}

TEST(SeriesStyles, FreeColorsAvoidTheChosenOnes) {
  Chart chart{.id = "colors"};
  chart.series = {{.color = 0}, {}, {.color = 1}, {}};
  const std::vector<SeriesStyle> styles = series_styles(chart);
  EXPECT_EQ(styles[0].color, 0);
  EXPECT_EQ(styles[1].color, 2);
  EXPECT_EQ(styles[2].color, 1);
  EXPECT_EQ(styles[3].color, 3);
}

TEST(SeriesStyles, LinesDifferByMarksAloneOrByDashesAmongPoints) {
  Chart lines{.id = "lines"};
  lines.series = {{.name = "a"}, {.name = "b"}, {.name = "c", .dashed = true}};
  std::vector<SeriesStyle> styles = series_styles(lines);
  EXPECT_TRUE(styles[0].line_markers);
  EXPECT_NE(styles[0].shape, styles[1].shape);
  EXPECT_TRUE(dash_lengths(styles[0].dash).empty());
  EXPECT_FALSE(dash_lengths(styles[2].dash).empty());
  lines.series.push_back({.mark = Mark::kPoints});
  styles = series_styles(lines);
  EXPECT_FALSE(styles[0].line_markers);
  EXPECT_NE(dash_lengths(styles[0].dash), dash_lengths(styles[1].dash));
  EXPECT_NE(dash_lengths(styles[1].dash), dash_lengths(styles[2].dash));
}

}  // namespace
}  // namespace tenfold::report
