// SPDX-License-Identifier: Apache-2.0
#include "tenfold/report/axis_scale.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tenfold/report/text.h"
#include "tests/unit/report/sample_charts.h"

namespace tenfold::report {
namespace {

DataRange range(double low, double high) {
  DataRange result;
  result.include(low);
  result.include(high);
  return result;
}

std::vector<std::string> names(const AxisScale& scale) {
  std::vector<std::string> result;
  for (const Tick& tick : scale.ticks) {
    if (!tick.text.empty()) result.push_back(tick.text);
  }
  return result;
}

TEST(AxisScale, LinearTicksAreRoundNumbers) {
  const AxisScale scale = make_scale({.min = 0, .max = 100}, range(0, 100), 6);
  EXPECT_EQ(names(scale), (std::vector<std::string>{"0", "20", "40", "60", "80", "100"}));
  EXPECT_EQ(scale.min, 0);
  EXPECT_EQ(scale.max, 100);
}

TEST(AxisScale, DecimalsFollowTheStep) {
  const AxisScale scale = make_scale({.min = 0, .max = 0.5}, range(0, 0.5), 6);
  EXPECT_EQ(names(scale), (std::vector<std::string>{"0", "0.1", "0.2", "0.3", "0.4", "0.5"}));
}

TEST(AxisScale, LargeNumbersAreWrittenAsPowers) {
  const AxisScale scale = make_scale({.min = 0, .max = 4e9}, range(0, 4e9), 5);
  EXPECT_EQ(names(scale)[1], "1\u00D7" + power_of_ten(9));
}

TEST(AxisScale, YearsStayYears) {
  const AxisScale scale = make_scale({}, range(1952.1, 2022.4), 9);
  EXPECT_LT(scale.min, 1952.1);
  EXPECT_GT(scale.min, 1940);
  EXPECT_EQ(names(scale).front(), "1950");
}

TEST(AxisScale, LogarithmicTicksArePowersOfTenThinnedToTheLimit) {
  for (int limit : {3, 5, 8, 30}) {
    const AxisScale scale = make_scale({.logarithmic = true}, range(40, 5e24), limit);
    const std::vector<std::string> texts = names(scale);
    EXPECT_LE(static_cast<int>(texts.size()), limit);
    EXPECT_GE(texts.size(), 2u);
    for (const Tick& tick : scale.ticks) {
      const double exponent = std::log10(tick.value);
      EXPECT_NEAR(exponent, std::round(exponent), 1e-9);
      if (!tick.text.empty()) {
        EXPECT_EQ(tick.text, power_of_ten(static_cast<int>(std::lround(exponent))));
      }
    }
    EXPECT_LE(scale.min, 40);
    EXPECT_GE(scale.max, 5e24);
  }
}

TEST(AxisScale, NarrowLogarithmicRangeHasOneTwoFive) {
  const AxisScale scale = make_scale({.logarithmic = true, .min = 1, .max = 50}, range(1, 50), 8);
  std::vector<double> named;
  for (const Tick& tick : scale.ticks) {
    if (!tick.text.empty()) named.push_back(tick.value);
  }
  std::sort(named.begin(), named.end());
  EXPECT_EQ(named, (std::vector<double>{1, 2, 5, 10, 20, 50}));
}

TEST(AxisScale, OneValueStillGivesARange) {
  for (bool logarithmic : {false, true}) {
    const AxisScale scale = make_scale({.logarithmic = logarithmic}, range(7, 7), 6);
    EXPECT_LT(scale.min, 7);
    EXPECT_GT(scale.max, 7);
    EXPECT_GE(names(scale).size(), 2u);
  }
  const AxisScale zero = make_scale({}, range(0, 0), 6);
  EXPECT_LT(zero.min, zero.max);
  const AxisScale nothing = make_scale({.logarithmic = true}, DataRange{}, 6);
  EXPECT_LT(nothing.min, nothing.max);
}

TEST(AxisScale, ExtremeDecadesStayFinite) {
  const AxisScale scale = make_scale({.logarithmic = true}, range(1e-300, 1e300), 8);
  EXPECT_GT(scale.min, 0);
  EXPECT_TRUE(std::isfinite(scale.max));
  EXPECT_LE(names(scale).size(), 8u);
}

TEST(AxisScale, FractionIsLinearOnItsOwnScale) {
  EXPECT_DOUBLE_EQ((AxisScale{.min = 10, .max = 20}).fraction(15), 0.5);
  EXPECT_DOUBLE_EQ((AxisScale{.logarithmic = true, .min = 1, .max = 1e4}).fraction(100), 0.5);
}

TEST(AxisScale, BarsStandOnZero) {
  const ChartScales scales = make_scales(samples::bar_chart(), 8, 8);
  EXPECT_EQ(scales.y.min, 0);
  EXPECT_GE(scales.y.max, 31);  // the highest error bar
  EXPECT_EQ(scales.x.min, -0.5);
  EXPECT_EQ(scales.x.max, 2.5);
  Chart negative = samples::bar_chart();
  for (Series& series : negative.series) {
    series.low.clear();
    series.high.clear();
    for (double& y : series.y) y = -y;
  }
  EXPECT_EQ(make_scales(negative, 8, 8).y.max, 0);
}

TEST(BarGeometry, GroupsDoNotTouch) {
  const Chart chart = samples::bar_chart();
  const BarGeometry bars = bar_geometry(chart);
  EXPECT_EQ(bars.series_count, 2);
  EXPECT_DOUBLE_EQ(bars.width, 0.4);
  EXPECT_DOUBLE_EQ(bars.offset(0), -0.2);
  EXPECT_DOUBLE_EQ(bars.offset(1), 0.2);
  Chart numeric{.id = "n"};
  numeric.series = {{.mark = Mark::kBars, .x = {10, 15, 40}, .y = {1, 2, 3}}};
  EXPECT_DOUBLE_EQ(bar_geometry(numeric).width, 0.8 * 5);
}

}  // namespace
}  // namespace tenfold::report
