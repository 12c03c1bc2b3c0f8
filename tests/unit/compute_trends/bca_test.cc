// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/bca.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

// 0, 1, ..., 1000: the p % percentile is 10 p.
std::vector<double> ladder() {
  std::vector<double> values(1001);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(1000 - i);
  return values;
}

double share(double z) {
  return 0.5 * std::erfc(-z / std::sqrt(2.0));
}

TEST(Bca, KnowsTheNormalQuantiles) {
  EXPECT_NEAR(normal_quantile(0.975), 1.959963984540054, 1e-12);
  EXPECT_NEAR(normal_quantile(0.5), 0.0, 1e-12);
  EXPECT_NEAR(normal_quantile(1e-6), -4.753424308822899, 1e-9);
}

TEST(Bca, IsThePercentileIntervalWithoutBiasAndSkew) {
  const SlopeInterval interval = bca_interval(ladder(), 500.0, std::vector<double>{1, 2, 3}, 0.95);
  EXPECT_NEAR(interval.low, 25.0, 1e-6);
  EXPECT_NEAR(interval.median, 500.0, 1e-9);
  EXPECT_NEAR(interval.high, 975.0, 1e-6);
}

// Equations 14.10 and 14.11 of Efron and Tibshirani, by hand.
TEST(Bca, MovesBothEndsByBiasAndAcceleration) {
  const SlopeInterval interval = bca_interval(ladder(), 600.0, std::vector<double>{0, 0, 3}, 0.9);
  const double a = (1.0 + 1.0 - 8.0) / (6.0 * std::pow(6.0, 1.5));  // deviations 1, 1, -2 from the mean 1
  const double bias = normal_quantile(600.5 / 1001.0);              // 600 below and half of the tie
  const double z = 1.6448536269514722;
  EXPECT_NEAR(interval.low, 1000.0 * share(bias + (bias - z) / (1.0 - a * (bias - z))), 1e-6);
  EXPECT_NEAR(interval.high, 1000.0 * share(bias + (bias + z) / (1.0 - a * (bias + z))), 1e-6);
  EXPECT_GT(interval.low, 50.0);
}

TEST(Bca, StaysInsideTheReplicatesWhenAllLieOnOneSide) {
  for (double estimate : {-5.0, 2000.0}) {
    const SlopeInterval interval = bca_interval(ladder(), estimate, std::vector<double>{0, 0, 0, 3}, 0.95);
    EXPECT_GE(interval.low, 0.0);
    EXPECT_LE(interval.high, 1000.0);
    EXPECT_LE(interval.low, interval.high);
  }
}

TEST(Jackknife, LeavesOutEachRowOrEachOrganisation) {
  const std::vector<double> year = {2000, 2001, 2003, 2006}, y = {1, 3, 2, 8};
  const std::vector<double> rows = jackknife_slopes(year, y);
  ASSERT_EQ(rows.size(), 4u);
  for (std::size_t left_out = 0; left_out < 4; ++left_out) {
    std::vector<double> x_rest, y_rest;
    for (std::size_t i = 0; i < 4; ++i) {
      if (i != left_out) x_rest.push_back(year[i]), y_rest.push_back(y[i]);
    }
    EXPECT_NEAR(rows[left_out], fit_line(x_rest, y_rest).line.b, 1e-12);
  }
  const std::vector<double> clusters = jackknife_slopes(year, y, std::vector<int>{7, 7, 3, 3});
  ASSERT_EQ(clusters.size(), 2u);
  EXPECT_NEAR(clusters[0], 2.0, 1e-12);  // label 3 left out: the first two rows
  EXPECT_NEAR(clusters[1], 2.0, 1e-12);  // label 7 left out: the last two
}

TEST(Jackknife, MissesWhatDefinesNoLine) {
  EXPECT_EQ(jackknife_slopes(std::vector<double>{2000, 2001}, std::vector<double>{1, 2}).size(), 0u);
  EXPECT_EQ(jackknife_slopes(std::vector<double>{2000, 2000, 2001}, std::vector<double>{1, 2, 3}).size(), 2u);
}

TEST(Bca, BelongsToResampledRowsAndClusters) {
  const std::vector<double> year = {2010, 2012, 2013, 2016, 2019, 2020}, y = {15, 17, 16, 19, 20, 23};
  BootstrapOptions options;
  options.interval = IntervalKind::kBca;
  const BootstrapReport report = bootstrap(year, y, options);
  EXPECT_EQ(report.interval, IntervalKind::kBca);
  EXPECT_LT(report.slope.low, fit_line(year, y).line.b);
  EXPECT_GT(report.slope.high, fit_line(year, y).line.b);
  options.kind = BootstrapKind::kWildMammen;
  try {
    bootstrap(year, y, options);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "trends.bca_of_wild");
    EXPECT_EQ(error.error_class(), ErrorClass::kUsage);
  }
}

// Gaussian noise: nothing to correct, so it must not be worse than percentiles are.
TEST(Coverage, OfTheBcaIntervalIsNear95Percent) {
  CoverageOptions options;
  options.tables = 1000;
  options.rows = 50;
  options.seed = 1;
  options.bootstrap.interval = IntervalKind::kBca;
  const double coverage = simulate_coverage(options).coverage;
  EXPECT_GE(coverage, 0.92);
  EXPECT_LE(coverage, 0.97);
}

}  // namespace
}  // namespace tenfold::compute_trends
