// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/robust.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "tenfold/base/error.h"
#include "tenfold/kernels/resample.h"
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

double check_loss(const std::vector<double>& year,
                  const std::vector<double>& y,
                  const Line& line,
                  double tau) {
  double loss = 0.0;
  for (double residual : residuals(year, y, line)) loss += residual * (residual > 0.0 ? tau : tau - 1.0);
  return loss;
}

// The rows that resample 0 of `seed` draws.
Rows drawn_rows(const Rows& rows, std::uint64_t seed) {
  std::vector<std::uint32_t> drawn(rows.year.size());
  kernels::resample_indices(drawn.size(), {.seed = seed}, 0, drawn);
  Rows result;
  for (std::uint32_t row : drawn) {
    result.year.push_back(rows.year[row]);
    result.y.push_back(rows.y[row]);
  }
  return result;
}

// The least loss of all lines through two rows: an optimum of the linear programme is among them.
double brute_force_loss(const std::vector<double>& year, const std::vector<double>& y, double tau) {
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < year.size(); ++i) {
    for (std::size_t j = i + 1; j < year.size(); ++j) {
      if (year[i] == year[j]) continue;
      const double b = (y[j] - y[i]) / (year[j] - year[i]);
      best = std::min(best, check_loss(year, y, {y[i] - b * (year[i] - kCentreYear), b}, tau));
    }
  }
  return best;
}

TEST(TheilSen, AgreesWithScipy) {
  const RobustReport report = theil_sen(kYear, kLogFlop);
  EXPECT_NEAR(report.line.b, 0.7331343283582064, 1e-12);
  EXPECT_NEAR(report.line.a, 8.176298507462741, 1e-9);
  EXPECT_NEAR(report.doubling_months.value(), 12.0 * kLog10Of2 / 0.7331343283582064, 1e-9);
  EXPECT_FALSE(report.slope_interval.has_value());
}

TEST(TheilSen, ALoneOutlierDoesNotMoveItFar) {
  std::vector<double> y = kLogFlop;
  y.back() = -1000.0;
  EXPECT_NEAR(theil_sen(kYear, y).line.b, 0.73, 0.3);
  EXPECT_LT(fit_line(kYear, y).line.b, -10.0);
}

TEST(TheilSen, LeavesOutPairsOfOneDate) {
  const std::vector<double> year = {2010.0, 2010.0, 2012.0}, y = {10.0, 11.0, 14.0};
  EXPECT_DOUBLE_EQ(theil_sen(year, y).line.b, 0.5 * (2.0 + 1.5));
}

TEST(TheilSen, BootstrapIntervalIsThatOfResampledTables) {
  // With one resample the interval is the estimate of that resample: the fit of the table written out row by row.
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const RobustReport report = theil_sen(kYear, kLogFlop, {.resamples = 1, .seed = seed});
    const Rows drawn = drawn_rows({kYear, kLogFlop}, seed);
    EXPECT_NEAR(report.slope_interval->median, theil_sen(drawn.year, drawn.y).line.b, 1e-12);
    EXPECT_EQ(report.slope_interval->low, report.slope_interval->high);
  }
  const RobustReport report = theil_sen(kYear, kLogFlop, {.resamples = 4000, .seed = 1});
  EXPECT_LT(report.slope_interval->low, report.line.b);
  EXPECT_GT(report.slope_interval->high, report.line.b);
  EXPECT_LT(*report.doubling.low, *report.doubling.high);
}

TEST(QuantileLine, AgreesWithALinearProgramme) {
  // scipy.optimize.linprog, method "highs".
  struct Expected {
    double tau, a, b, loss;
  };
  for (const Expected& expected :
       {Expected{0.1, 7.241538461538399, 0.6461538461538464, 2.3132307692308243},
        Expected{0.5, 6.7053097345132056, 0.8230088495575252, 6.360619469026591},
        Expected{0.9, 6.418749999999897, 0.9375000000000091, 2.0456250000000615}}) {
    const QuantileReport report = quantile_line(kYear, kLogFlop, expected.tau);
    EXPECT_NEAR(report.loss, expected.loss, 1e-9) << expected.tau;
    EXPECT_NEAR(report.line.b, expected.b, 1e-9) << expected.tau;
    EXPECT_NEAR(report.line.a, expected.a, 1e-8) << expected.tau;
    EXPECT_EQ(report.on, 2u);
    EXPECT_EQ(report.on + report.above + report.below, 12u);
  }
}

TEST(QuantileLine, HasTheLeastLossOfAllLinesThroughTwoRows) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    Rows rows = random_rows(3 + seed % 23, seed);
    if (seed % 3 == 0) {  // dates of months and values of one digit: many ties
      for (double& year : rows.year) year = std::round(year);
      for (double& y : rows.y) y = std::round(y);
    }
    if (*std::min_element(rows.year.begin(), rows.year.end()) ==
        *std::max_element(rows.year.begin(), rows.year.end())) {
      continue;
    }
    for (double tau : {0.05, 0.25, 0.5, 0.75, 0.9, 0.97}) {
      EXPECT_NEAR(quantile_line(rows.year, rows.y, tau).loss, brute_force_loss(rows.year, rows.y, tau), 1e-9)
          << "seed " << seed << " tau " << tau;
    }
  }
}

TEST(QuantileLine, LeavesTheRightShareAbove) {
  const Rows rows = random_rows(400, 3);
  const QuantileReport report = quantile_line(rows.year, rows.y, 0.9);
  EXPECT_LE(report.above, 40u);
  EXPECT_GE(report.above + report.on, 40u);
}

TEST(QuantileLine, BootstrapFitsTheResampledRows) {
  const Rows rows = random_rows(60, 5);
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const Rows drawn = drawn_rows(rows, seed);
    const double slope =
        quantile_line(rows.year, rows.y, 0.9, {.resamples = 1, .seed = seed}).slope_interval->low;
    EXPECT_NEAR(slope, quantile_line(drawn.year, drawn.y, 0.9).line.b, 1e-9) << seed;
  }
  const QuantileReport report = quantile_line(rows.year, rows.y, 0.9, {.resamples = 500, .seed = 2});
  EXPECT_LE(report.slope_interval->low, report.line.b);
  EXPECT_GE(report.slope_interval->high, report.line.b);
}

TEST(QuantileLine, RefusesABadQuantile) {
  for (double tau : {0.0, 1.0, 90.0, -0.5, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(code_of([&] { quantile_line(kYear, kLogFlop, tau); }), "trends.bad_quantile") << tau;
  }
  const std::vector<double> one = {2010.0};
  EXPECT_EQ(code_of([&] { quantile_line(one, one, 0.9); }), "trends.too_few_rows");
}

TEST(DemingLine, AgreesWithItsClosedFormAndOrthogonalDistanceRegression) {
  const ErrorsInVariablesReport report = deming_line(kYear, kLogFlop, 0.5, 0.8);
  EXPECT_NEAR(report.line.b, 0.7431663834825833, 1e-10);  // closed form, NumPy
  EXPECT_NEAR(report.line.a, 7.685747364708154, 1e-5);    // scipy.odr, its own convergence
  EXPECT_NEAR(report.chi2, 25.933254555692546, 1e-8);     // scipy.odr sum of squares
}

TEST(DemingLine, OnlyTheRatioOfTheErrorsMovesTheLine) {
  const double b = deming_line(kYear, kLogFlop, 0.5, 0.8).line.b;
  EXPECT_NEAR(deming_line(kYear, kLogFlop, 5.0, 8.0).line.b, b, 1e-12);
  EXPECT_NEAR(deming_line(kYear, kLogFlop, 1e-7, 1.0).line.b, fit_line(kYear, kLogFlop).line.b, 1e-9);
}

TEST(DemingLine, IsNotBiasedTowardsZeroByUncertainDates) {
  Rows rows = random_rows(4000, 8, 0.2);
  random::Generator generator(9, 0);
  for (double& year : rows.year) year += 2.0 * generator.normal();
  EXPECT_LT(fit_line(rows.year, rows.y).line.b, 0.52) << "attenuated by 12 / (12 + 4)";
  EXPECT_NEAR(deming_line(rows.year, rows.y, 2.0, 0.2).line.b, 0.63, 0.02);
}

TEST(YorkLine, GivesThePublishedLineOfPearsonsDataWithYorksWeights) {
  // York, Evensen, Martinez and De Basabe Delgado, Am. J. Phys. 72, 367 (2004), table II.
  const std::vector<double> x = {0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4};
  const std::vector<double> y = {5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5};
  const std::vector<double> weight_x = {1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1};
  const std::vector<double> weight_y = {1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500};
  std::vector<double> year, sigma_x, sigma_y;
  for (std::size_t i = 0; i < x.size(); ++i) {
    year.push_back(kCentreYear + x[i]);
    sigma_x.push_back(1.0 / std::sqrt(weight_x[i]));
    sigma_y.push_back(1.0 / std::sqrt(weight_y[i]));
  }
  const ErrorsInVariablesReport report = york_line(year, y, sigma_x, sigma_y);
  EXPECT_NEAR(report.line.a, 5.47991022, 1e-8);
  EXPECT_NEAR(report.line.b, -0.480533407, 1e-9);
  EXPECT_NEAR(report.intercept_standard_error, 0.295, 5e-4);
  EXPECT_NEAR(report.slope_standard_error, 0.0580, 1e-4);
  EXPECT_NEAR(report.chi2, 11.866, 1e-3);
  EXPECT_EQ(report.doubling_months, std::nullopt);
}

TEST(YorkLine, AgreesWithOrthogonalDistanceRegression) {
  std::vector<double> sigma_x, sigma_y;
  for (int i = 0; i < 12; ++i) {
    sigma_x.push_back(0.1 + 0.05 * i);
    sigma_y.push_back(0.3 + 0.04 * (i % 5));
  }
  const ErrorsInVariablesReport report = york_line(kYear, kLogFlop, sigma_x, sigma_y);
  EXPECT_NEAR(report.line.b, 0.7781180004867536, 1e-5);
  EXPECT_NEAR(report.line.a, 7.260718570090587, 1e-4);
  EXPECT_NEAR(report.chi2, 77.46311478953211, 1e-7);
}

TEST(YorkLine, WithConstantErrorsIsDeming) {
  const std::vector<double> sigma_x(12, 0.5), sigma_y(12, 0.8);
  const ErrorsInVariablesReport york = york_line(kYear, kLogFlop, sigma_x, sigma_y);
  const ErrorsInVariablesReport deming = deming_line(kYear, kLogFlop, 0.5, 0.8);
  EXPECT_NEAR(york.line.b, deming.line.b, 1e-11);
  EXPECT_NEAR(york.slope_standard_error, deming.slope_standard_error, 1e-11);
}

TEST(YorkLine, WithExactDatesIsLeastSquares) {
  const std::vector<double> zero(12, 0.0), one(12, 1.0);
  const ErrorsInVariablesReport report = york_line(kYear, kLogFlop, zero, one);
  EXPECT_NEAR(report.line.b, 0.7075208226728195, 1e-12);
  EXPECT_NEAR(report.chi2, 20.006246123685003, 1e-9);
}

TEST(ErrorsInVariables, RefuseBadErrors) {
  const std::vector<double> twelve(12, 0.5), eleven(11, 0.5), zero(12, 0.0);
  EXPECT_EQ(code_of([&] { deming_line(kYear, kLogFlop, 0.0, 1.0); }), "trends.bad_sigma");
  EXPECT_EQ(code_of([&] { deming_line(kYear, kLogFlop, 1.0, -1.0); }), "trends.bad_sigma");
  EXPECT_EQ(code_of([&] { york_line(kYear, kLogFlop, eleven, twelve); }), "trends.bad_sigma");
  EXPECT_EQ(code_of([&] { york_line(kYear, kLogFlop, twelve, zero); }), "trends.bad_sigma");
}

}  // namespace
}  // namespace tenfold::compute_trends
