// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/break_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tenfold/base/error.h"
#include "tests/unit/compute_trends/statistics_rows.h"

namespace tenfold::compute_trends {
namespace {

// Slope 0.2 up to 2005, then a jump to slope 0.7, small regular disturbance.
Rows broken_rows() {
  Rows rows;
  for (int i = 0; i < 60; ++i) {
    const double year = 1990.03 + 0.5 * i;
    rows.year.push_back(year);
    rows.y.push_back((year < 2005.0 ? 10.0 + 0.2 * (year - 1990.0) : 14.0 + 0.7 * (year - 2005.0)) +
                     0.05 * ((i * 7) % 5 - 2));
  }
  return rows;
}

TEST(BreakSearch, AgreesWithNumpyOnEveryCandidate) {
  const BreakSearchReport report = search_break(kYear, kLogFlop, {.least_rows = 4});
  ASSERT_EQ(report.candidates.size(), 19u);
  EXPECT_EQ(report.candidates.front().year, 2013.0);
  EXPECT_NEAR(report.candidates.front().sse, 19.3969120383908, 1e-9);
  EXPECT_EQ(report.candidates.back().year, 2017.5);
  EXPECT_NEAR(report.best_sse, 17.29470634301316, 1e-9);
  EXPECT_EQ(report.best_year, 2017.0) << "the middle of 2016.5 to 2017.5, which split the rows alike";
  EXPECT_EQ(report.left.n, 8u);
  EXPECT_EQ(report.right.n, 4u);
  EXPECT_NEAR(report.left.sse + report.right.sse, report.best_sse, 1e-9);
  for (const BreakCandidate& candidate : report.candidates) {
    const auto [left, right] = fit_sides(kYear, kLogFlop, candidate.year);
    EXPECT_NEAR(candidate.sse, left.sse + right.sse, 1e-9) << candidate.year;
    EXPECT_EQ(candidate.n_left, left.n);
  }
}

TEST(BreakSearch, FindsAPlantedBreak) {
  const Rows rows = broken_rows();
  const BreakSearchReport report = search_break(rows.year, rows.y);
  EXPECT_NEAR(report.best_year, 2005.0, 0.26);
  EXPECT_LE(report.interval_low, report.best_year);
  EXPECT_GE(report.interval_high, report.best_year);
  EXPECT_NEAR(report.left.line.b, 0.2, 0.01);
  EXPECT_NEAR(report.right.line.b, 0.7, 0.01);
  EXPECT_EQ(report.models.models[report.models.best].name, "two lines");
}

TEST(BreakSearch, KeepsEnoughRowsOnEachSide) {
  const Rows rows = broken_rows();
  for (const BreakCandidate& candidate : search_break(rows.year, rows.y, {.least_rows = 20}).candidates) {
    EXPECT_GE(candidate.n_left, 20u);
    EXPECT_GE(candidate.n_right, 20u);
    EXPECT_EQ(candidate.n_left + candidate.n_right, 60u);
  }
}

TEST(BreakSearch, DoesNotDependOnTheOrderOfTheRows) {
  const Rows rows = broken_rows();
  const Rows reversed{{rows.year.rbegin(), rows.year.rend()}, {rows.y.rbegin(), rows.y.rend()}};
  EXPECT_EQ(search_break(rows.year, rows.y).best_year, search_break(reversed.year, reversed.y).best_year);
}

TEST(BreakSearch, NeverLeavesOneDateAloneOnASide) {
  const std::vector<double> year = {2010, 2010, 2010, 2010, 2010, 2015, 2016, 2017, 2018, 2019, 2020};
  const std::vector<double> y = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  for (const BreakCandidate& candidate : search_break(year, y).candidates) EXPECT_GT(candidate.n_left, 5u);
}

TEST(BreakSearch, RefusesTooFewRowsAndBadSteps) {
  try {
    search_break(std::span(kYear).first(9), std::span(kLogFlop).first(9));
    FAIL() << "9 rows cannot have 5 on each side";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "trends.too_few_rows");
    EXPECT_EQ(error.text().seen, "9 rows");
  }
  EXPECT_THROW(search_break(kYear, kLogFlop, {.step = 0.0}), Error);
  EXPECT_THROW(search_break(kYear, kLogFlop, {.step = 1e-9}), Error);
}

TEST(Bic, IsTheGaussianFormula) {
  EXPECT_NEAR(bic(20.006246123685003, 12, 2), 11.103467873889787, 1e-9);
  EXPECT_NEAR(bic(17.29470634301316, 12, 5), 16.810459006828403, 1e-9);
}

TEST(BrokenStick, AgreesWithNumpysLeastSquares) {
  const BrokenStick stick = fit_broken_stick(kYear, kLogFlop, 2014.0).value();
  EXPECT_NEAR(stick.sse, 19.91139345508595, 1e-9);
  EXPECT_NEAR(stick.left.b, 0.7928158443530426, 1e-10);
  EXPECT_NEAR(stick.right.b, 0.6733561209897442, 1e-10);
  EXPECT_NEAR(stick.left.at(2014.0), 18.278802615496275, 1e-9);
  EXPECT_NEAR(stick.right.at(2014.0), 18.278802615496275, 1e-9);
}

TEST(BrokenStick, NeedsDatesOnBothSides) {
  EXPECT_EQ(fit_broken_stick(kYear, kLogFlop, 2000.0), std::nullopt);
}

TEST(SelectModel, PrefersOneLineWhereThereIsOne) {
  const Rows rows = random_rows(80, 2, 0.5);
  const ModelSelectionReport report = select_model(rows.year, rows.y);
  ASSERT_EQ(report.models.size(), 3u);
  EXPECT_EQ(report.models[report.best].name, "one line");
  EXPECT_EQ(report.models[report.best].delta_bic, 0.0);
  for (const TrendModel& model : report.models) {
    EXPECT_LE(model.sse, report.models[0].sse + 1e-9) << model.name << " contains the one line";
    EXPECT_NEAR(model.delta_bic, model.bic - report.models[report.best].bic, 1e-12);
  }
}

TEST(SelectModel, PrefersTheBrokenStickForAContinuousKink) {
  Rows rows;
  for (int i = 0; i < 60; ++i) {
    const double year = 1990.03 + 0.5 * i;
    rows.year.push_back(year);
    rows.y.push_back(10.0 + 0.2 * std::min(year - 2005.0, 0.0) + 0.7 * std::max(year - 2005.0, 0.0) +
                     0.3 * ((i * 7) % 5 - 2));
  }
  const ModelSelectionReport report = select_model(rows.year, rows.y);
  const TrendModel& best = report.models[report.best];
  EXPECT_EQ(best.name, "broken stick");
  EXPECT_NEAR(best.break_year.value(), 2005.0, 1.0);
  EXPECT_NEAR(best.left.at(*best.break_year), best.right.at(*best.break_year), 1e-9);
}

TEST(SelectModel, FewRowsHaveOneLineOnly) {
  const ModelSelectionReport report = select_model(std::span(kYear).first(6), std::span(kLogFlop).first(6));
  ASSERT_EQ(report.models.size(), 1u);
  EXPECT_EQ(report.best, 0u);
}

}  // namespace
}  // namespace tenfold::compute_trends
