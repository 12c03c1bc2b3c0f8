// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/forecast.h"

#include <gtest/gtest.h>

#include "tenfold/base/error.h"
#include "tenfold/systems/compute_trends/bootstrap.h"
#include "tests/unit/compute_trends/statistics_rows.h"

namespace tenfold::compute_trends {
namespace {

TEST(Crossing, SolvesTheLine) {
  const Crossing result = crossing({.line = fit_line(kYear, kLogFlop).line}, 25.0);
  EXPECT_NEAR(result.year.value(), 2023.7013131524373, 1e-9);
  EXPECT_FALSE(result.has_interval);
  EXPECT_EQ(result.low, std::nullopt);
}

TEST(Crossing, TheFrontierCrossesEarlier) {
  const Fit fit = fit_line(kYear, kLogFlop);
  const double offset = frontier_offset(residuals(kYear, kLogFlop, fit.line), 0.9);
  EXPECT_NEAR(offset, 1.3488117359111742, 1e-9);
  const Crossing frontier = crossing({.line = fit.line, .offset = offset}, 25.0);
  EXPECT_NEAR(frontier.year.value(), 2023.7013131524373 - offset / fit.line.b, 1e-9);
}

TEST(Crossing, IntervalIsThePercentilesOfTheLinesCrossings) {
  Forecast forecast{.line = {10.0, 1.0}};
  for (int k = 0; k <= 100; ++k) forecast.resampled.push_back({10.0 + 0.1 * k, 1.0});  // cross 2015 - 0.1 k
  const Crossing result = crossing(forecast, 25.0, 0.9);
  EXPECT_DOUBLE_EQ(result.year.value(), 2015.0);
  EXPECT_NEAR(result.low.value(), 2005.5, 1e-9);
  EXPECT_NEAR(result.high.value(), 2014.5, 1e-9);
  EXPECT_EQ(result.share_never, 0.0);
}

TEST(Crossing, LinesThatNeverCrossMakeAnOpenEnd) {
  Forecast forecast{.line = {10.0, 1.0}};
  for (int k = 0; k < 90; ++k) forecast.resampled.push_back({10.0, 1.0});
  for (int k = 0; k < 10; ++k) forecast.resampled.push_back({10.0, -0.1});
  const Crossing result = crossing(forecast, 25.0);
  EXPECT_TRUE(result.has_interval);
  EXPECT_DOUBLE_EQ(result.low.value(), 2015.0);
  EXPECT_EQ(result.high, std::nullopt);
  EXPECT_DOUBLE_EQ(result.share_never, 0.1);
  EXPECT_EQ(crossing({.line = {10.0, 0.0}}, 25.0).year, std::nullopt);
}

TEST(Crossing, RefusesBadLevelsAndConfidence) {
  EXPECT_THROW(crossing({.line = {10.0, 1.0}}, std::numeric_limits<double>::infinity()), Error);
  EXPECT_THROW(crossing({.line = {10.0, 1.0}}, 25.0, 95.0), Error);
  const std::vector<double> none;
  EXPECT_THROW(frontier_offset(none, 0.9), Error);
  EXPECT_THROW(frontier_offset(kLogFlop, 1.0), Error);
}

TEST(Fan, OfOneLineIsTheNormalBand) {
  const std::vector<double> years = {2020.0, 2025.0};
  const std::vector<FanPoint> points = fan({.line = {10.0, 0.5}, .offset = 1.0, .residual_sd = 2.0}, years);
  ASSERT_EQ(points.size(), 2u);
  EXPECT_DOUBLE_EQ(points[1].central, 23.5);
  EXPECT_DOUBLE_EQ(points[1].line_low, 23.5);
  EXPECT_NEAR(points[1].prediction_low, 23.5 - 1.959963984540054 * 2.0, 1e-9);
  EXPECT_NEAR(points[1].prediction_high, 23.5 + 1.959963984540054 * 2.0, 1e-9);
}

TEST(Fan, OfNormalLinesAddsBothVariances) {
  Forecast forecast{.line = {10.0, 0.5}, .residual_sd = 3.0};
  random::Generator generator(1, 0);
  for (int k = 0; k < 20000; ++k) forecast.resampled.push_back({10.0 + 4.0 * generator.normal(), 0.5});
  const std::vector<double> years = {2000.0};
  const FanPoint point = fan(forecast, years).front();
  EXPECT_NEAR(point.line_high - point.line_low, 2.0 * 1.96 * 4.0, 0.3);
  EXPECT_NEAR(point.prediction_high - point.prediction_low, 2.0 * 1.96 * 5.0, 0.3);
}

TEST(Fan, WidensAwayFromTheData) {
  const BootstrapReport report = bootstrap(kYear, kLogFlop, {.seed = 1});
  const Fit fit = fit_line(kYear, kLogFlop);
  const std::vector<double> years = {2016.0, 2022.0, 2030.0};
  const auto points =
      fan({.line = fit.line, .resampled = report.lines, .residual_sd = fit.residual_sd_unbiased}, years);
  double width = 0.0;
  for (const FanPoint& point : points) {
    EXPECT_GT(point.line_high - point.line_low, width);
    width = point.line_high - point.line_low;
    EXPECT_LT(point.prediction_low, point.line_low);
    EXPECT_GT(point.prediction_high, point.line_high);
  }
}

}  // namespace
}  // namespace tenfold::compute_trends
