// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/regression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tenfold/base/error.h"
#include "tests/unit/compute_trends/statistics_rows.h"

namespace tenfold::compute_trends {
namespace {

std::string code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return "no error";
}

TEST(FitLine, AgreesWithScipy) {
  const Fit fit = fit_line(kYear, kLogFlop);
  EXPECT_EQ(fit.n, 12u);
  EXPECT_NEAR(fit.line.a, 8.230827419961452, 1e-9);
  EXPECT_NEAR(fit.line.b, 0.7075208226728195, 1e-12);
  EXPECT_NEAR(fit.r2, 0.7718005460968975, 1e-12);
  EXPECT_NEAR(fit.sse, 20.006246123685003, 1e-9);
  EXPECT_NEAR(fit.residual_sd, std::sqrt(20.006246123685003 / 12.0), 1e-9);
  EXPECT_NEAR(fit.residual_sd_unbiased, std::sqrt(20.006246123685003 / 10.0), 1e-9);
  EXPECT_NEAR(fit.slope_standard_error, 0.12165892804418367, 1e-12);
  EXPECT_NEAR(fit.doubling_months.value(), 5.105658847355573, 1e-9);
  EXPECT_NEAR(fit.growth_per_year, 5.099420466578938, 1e-9);
  EXPECT_EQ(fit.first_year, 2010.2);
  EXPECT_EQ(fit.last_year, 2021.5);
  EXPECT_NEAR(fit.start_log10, 15.447539811224242, 1e-9);
  EXPECT_NEAR(fit.end_log10, 23.44252510742707, 1e-9);
}

TEST(FitLine, DoesNotDependOnTheOrderOfTheRows) {
  std::vector<double> year(kYear.rbegin(), kYear.rend());
  std::vector<double> y(kLogFlop.rbegin(), kLogFlop.rend());
  EXPECT_NEAR(fit_line(year, y).line.b, fit_line(kYear, kLogFlop).line.b, 1e-14);
  EXPECT_EQ(fit_line(year, y).first_year, 2010.2);
}

TEST(FitLine, RecoversAnExactLine) {
  const std::vector<double> year = {1952.0, 1980.5, 2009.0};
  const std::vector<double> y = {4.0, 4.0 + 0.25 * 28.5, 4.0 + 0.25 * 57.0};
  const Fit fit = fit_line(year, y);
  EXPECT_NEAR(fit.line.b, 0.25, 1e-14);
  EXPECT_NEAR(fit.line.at(2000.0), 16.0, 1e-12);
  EXPECT_NEAR(fit.r2, 1.0, 1e-14);
}

TEST(FitLine, TwoRowsGiveTheLineThroughThem) {
  const std::vector<double> year = {2010.0, 2012.0}, y = {20.0, 18.0};
  const Fit fit = fit_line(year, y);
  EXPECT_DOUBLE_EQ(fit.line.b, -1.0);
  EXPECT_EQ(fit.residual_sd_unbiased, 0.0);
  EXPECT_EQ(fit.doubling_months, std::nullopt) << "a falling trend has no doubling time";
}

TEST(FitLine, ConstantComputeHasR2Zero) {
  const std::vector<double> year = {2010.0, 2012.0, 2013.0}, y = {20.0, 20.0, 20.0};
  EXPECT_EQ(fit_line(year, y).r2, 0.0);
  EXPECT_EQ(fit_line(year, y).doubling_months, std::nullopt);
}

TEST(FitLine, RefusesRowsWithoutALine) {
  const std::vector<double> none, one = {2010.0}, same = {2010.0, 2010.0, 2010.0}, three = {1.0, 2.0, 3.0};
  EXPECT_EQ(code_of([&] { fit_line(none, none); }), "trends.too_few_rows");
  EXPECT_EQ(code_of([&] { fit_line(one, one); }), "trends.too_few_rows");
  EXPECT_EQ(code_of([&] { fit_line(same, three); }), "trends.equal_dates");
  EXPECT_EQ(code_of([&] { fit_line(same, one); }), "trends.lengths_differ");
  const std::vector<double> nan = {1.0, std::numeric_limits<double>::quiet_NaN(), 3.0};
  EXPECT_EQ(code_of([&] { fit_line(three, nan); }), "trends.not_finite");
  const std::vector<double> infinite = {1.0, std::numeric_limits<double>::infinity(), 3.0};
  EXPECT_EQ(code_of([&] { fit_line(infinite, three); }), "trends.not_finite");
}

TEST(FitLine, AnErrorSaysHowManyRowsItSaw) {
  try {
    const std::vector<double> one = {2010.0};
    fit_line(one, one);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.error_class(), ErrorClass::kData);
    EXPECT_EQ(error.text().seen, "1 row");
    EXPECT_THAT(error.text().wanted, testing::HasSubstr("2 rows"));
  }
}

TEST(DoublingMonths, GivesThePapersCheckValues) {
  EXPECT_NEAR(doubling_months(0.170).value(), 21.3, 0.06);
  EXPECT_NEAR(doubling_months(0.634).value(), 5.7, 0.01);
  EXPECT_NEAR(doubling_months(0.365).value(), 9.9, 0.01);
  EXPECT_EQ(doubling_months(0.0), std::nullopt);
  EXPECT_EQ(doubling_months(-0.1), std::nullopt);
  EXPECT_EQ(doubling_months(std::numeric_limits<double>::quiet_NaN()), std::nullopt);
}

TEST(RowsBetween, TakesTheFirstBoundInAndTheLastOut) {
  const std::vector<double> year = {2012.0, 2010.0, 2009.9, 2011.0};
  EXPECT_THAT(rows_between(year, 2010.0, 2012.0), testing::ElementsAre(1, 3));
}

TEST(Residuals, SumToZeroForTheLeastSquaresLine) {
  const std::vector<double> e = residuals(kYear, kLogFlop, fit_line(kYear, kLogFlop).line);
  double sum = 0.0;
  for (double value : e) sum += value;
  EXPECT_NEAR(sum, 0.0, 1e-12);
}

TEST(Percentile, InterpolatesLikeNumpy) {
  const std::vector<double> values = {1.0, 2.0, 4.0, 8.0};
  EXPECT_DOUBLE_EQ(percentile_of_sorted(values, 0.0), 1.0);
  EXPECT_NEAR(percentile_of_sorted(values, 10.0), 1.3, 1e-12);
  EXPECT_DOUBLE_EQ(percentile_of_sorted(values, 50.0), 3.0);
  EXPECT_NEAR(percentile_of_sorted(values, 97.5), 7.7, 1e-12);
  EXPECT_DOUBLE_EQ(percentile_of_sorted(values, 100.0), 8.0);
}

TEST(Percentile, KeepsInfiniteValues) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::vector<double> values = {1.0, infinity, infinity};
  EXPECT_EQ(percentile_of_sorted(values, 75.0), infinity);
  EXPECT_EQ(percentile_of_sorted(values, 25.0), infinity);
  EXPECT_EQ(percentile_of_sorted(values, 0.0), 1.0);
}

}  // namespace
}  // namespace tenfold::compute_trends
