// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/eras.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tenfold/base/error.h"
#include "tests/unit/compute_trends/statistics_rows.h"

namespace tenfold::compute_trends {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

void expect_near(const std::vector<double>& seen, const std::vector<double>& expected) {
  ASSERT_EQ(seen.size(), expected.size());
  for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_NEAR(seen[i], expected[i], 1e-9) << "row " << i;
}

// 8 early rows on one line, 40 later rows on a steeper one, 5 of them lifted by 4 OOM after 2016 and one sunk.
Rows two_group_rows() {
  Rows rows;
  for (int i = 0; i < 8; ++i) {
    rows.year.push_back(1960.0 + 6.0 * i);
    rows.y.push_back(5.0 + 0.17 * 6.0 * i + (i % 2 == 0 ? 0.3 : -0.3));
  }
  for (int i = 0; i < 40; ++i) {
    const double year = 2010.05 + 0.29 * i;
    const bool lifted = year > 2016.0 && i % 4 == 0;
    rows.year.push_back(year);
    rows.y.push_back(15.0 + 0.6 * (year - 2010.0) + 0.2 * ((i * 7) % 5 - 2) + (lifted ? 4.0 : 0.0) -
                     (i == 20 ? 9.0 : 0.0));
  }
  return rows;
}

TEST(WindowZScores, AgreeWithNumpy) {
  expect_near(window_z_scores(kYear, kLogFlop, 1.0, WindowMode::kTwoSided),
              {0, 0, -1.2421035217284342, 1.4132542314120222, 0, 0, 0, 0, 0, 0, 0, 0});
  expect_near(window_z_scores(kYear, kLogFlop, 1.0, WindowMode::kPastOnly),
              {0,
               0,
               -0.11624763874381683,
               1.2066148496790485,
               -0.9683296637314894,
               1.0492552236961665,
               0.5016623175756364,
               1.3867899423629273,
               0,
               0.9723396111750605,
               0,
               0});
  expect_near(window_z_scores(kYear, kLogFlop, 2.0, WindowMode::kTwoSided),
              {-1.162476387438191,
               0.6236095644623227,
               -0.4454354031873739,
               0.6986193062333573,
               -1.2682800648200854,
               0.3106627770239459,
               -0.0725688470752283,
               0.927533306125343,
               -1.3755048158086218,
               1.2530156859268538,
               -1.2693583571666547,
               0});
}

TEST(WindowZScores, AgreeWithADirectSumOnRandomRows) {
  const Rows rows = random_rows(211, 3);
  for (WindowMode mode : {WindowMode::kTwoSided, WindowMode::kPastOnly}) {
    const std::vector<double> z = window_z_scores(rows.year, rows.y, 1.0, mode);
    for (std::size_t i = 0; i < 211; ++i) {
      std::vector<double> window;
      for (std::size_t j = 0; j < 211; ++j) {
        const double age = rows.year[i] - rows.year[j];
        if (mode == WindowMode::kTwoSided ? std::abs(age) <= 1.0 : age >= 0.0 && age <= 2.0) {
          window.push_back(rows.y[j]);
        }
      }
      double mean = 0.0;
      for (double y : window) mean += y / static_cast<double>(window.size());
      const double expected = window.size() < 3 ? 0.0 : (rows.y[i] - mean) / std::sqrt(variance(window));
      EXPECT_NEAR(z[i], expected, 1e-9) << i;
    }
  }
}

TEST(WindowZScores, AreZeroForFewRowsAndForEqualValues) {
  const std::vector<double> year = {2010.0, 2010.1, 2015.0, 2015.1, 2015.2}, y = {1.0, 9.0, 20.1, 20.1, 20.1};
  EXPECT_THAT(window_z_scores(year, y, 1.0, WindowMode::kTwoSided), ElementsAre(0, 0, 0, 0, 0));
}

TEST(WindowZScores, TheBoundsOfTheWindowBelongToIt) {
  const std::vector<double> year = {2014.0, 2015.0, 2016.0}, y = {0.0, 3.0, 0.0};
  const std::vector<double> z = window_z_scores(year, y, 1.0, WindowMode::kTwoSided);
  EXPECT_NEAR(z[1], 2.0 / std::sqrt(2.0), 1e-12);
  EXPECT_EQ(z[0], 0.0) << "two rows within a year";
  EXPECT_EQ(window_z_scores(year, y, 1.0, WindowMode::kPastOnly)[1], 0.0);
  EXPECT_NE(window_z_scores(year, y, 1.0, WindowMode::kPastOnly)[2], 0.0);
}

TEST(WindowZScores, RefusesANegativeWindow) {
  EXPECT_THROW(window_z_scores(kYear, kLogFlop, -1.0, WindowMode::kTwoSided), Error);
}

TEST(LowOutliers, LieFurtherThanKStandardDeviationsBelow) {
  EXPECT_THAT(low_outliers(kYear, kLogFlop, 1.0), ElementsAre(4, 8, 10));  // NumPy
  EXPECT_THAT(low_outliers(kYear, kLogFlop, 3.0), IsEmpty());
}

TEST(SplitEras, IsAPartitionOfTheRowsAfterTheBorder) {
  const Rows rows = two_group_rows();
  const Split split = split_eras(rows.year, rows.y);
  EXPECT_THAT(split.low, ElementsAre(28));
  EXPECT_THAT(split.large, ElementsAre(32, 36, 40, 44));
  std::vector<std::size_t> all = split.regular;
  all.insert(all.end(), split.low.begin(), split.low.end());
  all.insert(all.end(), split.large.begin(), split.large.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, rows_between(rows.year, 2010.0, 1e9));
}

TEST(SplitEras, DoesNotDependOnTheOrderOfTheRows) {
  const Rows rows = two_group_rows();
  Rows reversed{{rows.year.rbegin(), rows.year.rend()}, {rows.y.rbegin(), rows.y.rend()}};
  std::vector<std::size_t> mirrored;
  for (std::size_t row : split_eras(reversed.year, reversed.y).large) mirrored.push_back(47 - row);
  std::reverse(mirrored.begin(), mirrored.end());
  EXPECT_EQ(mirrored, split_eras(rows.year, rows.y).large);
}

TEST(SplitEras, WithoutTheOutlierRuleKeepsEveryRow) {
  const Rows rows = two_group_rows();
  ErasOptions options;
  options.low_outlier_sd = 0.0;
  EXPECT_THAT(split_eras(rows.year, rows.y, options).low, IsEmpty());
}

TEST(SplitEras, RowsFromTheEndDateOnAreLeftOutOfEverything) {
  const Rows rows = two_group_rows();
  ErasOptions options;
  options.until = 2019.0;
  const Split split = split_eras(rows.year, rows.y, options);
  for (std::size_t row : split.regular) EXPECT_LT(rows.year[row], 2019.0);
  for (std::size_t row : split.large) EXPECT_LT(rows.year[row], 2019.0);
}

TEST(FindEras, ReportsEveryEraWithItsRowsAndInterval) {
  const Rows rows = two_group_rows();
  const ErasReport report = find_eras(rows.year, rows.y);
  EXPECT_EQ(report.before.rows.size(), 8u);
  EXPECT_EQ(report.all.rows.size(), 40u);
  EXPECT_EQ(report.without_low.rows.size(), 39u);
  EXPECT_EQ(report.large.rows.size() + report.regular.rows.size(), 39u);
  EXPECT_NEAR(report.before.fit->line.b, 0.17, 0.02);
  EXPECT_NEAR(report.regular.fit->line.b, 0.6, 0.05);
  EXPECT_LT(report.regular.bootstrap->slope.low, report.regular.fit->line.b);
  EXPECT_GT(report.regular.bootstrap->slope.high, report.regular.fit->line.b);
  ASSERT_EQ(report.gaps.size(), 3u);
  for (const Gap& gap : report.gaps) {
    EXPECT_NEAR(gap.oom, report.large.fit->line.at(gap.year) - report.regular.fit->line.at(gap.year), 1e-12);
    EXPECT_NEAR(gap.oom, 4.0, 0.8);
  }
  for (std::size_t row : report.late_regular.rows) EXPECT_GE(rows.year[row], 2012.0);
  for (std::size_t row : report.early.rows) EXPECT_LT(rows.year[row], 2015.66);
}

TEST(FindEras, SensitivityHoldsBothModesAndTheChosenRule) {
  const Rows rows = two_group_rows();
  const ErasReport report = find_eras(rows.year, rows.y);
  ASSERT_EQ(report.sensitivity.size(), 2u * (5u + 3u));
  const auto chosen = std::find_if(report.sensitivity.begin(), report.sensitivity.end(), [](const auto& row) {
    return row.z == 0.76 && row.window == 1.0 && row.mode == WindowMode::kTwoSided;
  });
  ASSERT_NE(chosen, report.sensitivity.end());
  EXPECT_EQ(chosen->n_large, report.large.rows.size());
  EXPECT_EQ(chosen->n_regular, report.regular.rows.size());
}

TEST(FindEras, AnEraTooSmallForALineHasAReason) {
  const std::vector<double> year = {2011.0, 2012.0, 2013.0}, y = {20.0, 21.0, 22.0};
  const ErasReport report = find_eras(year, y);
  EXPECT_FALSE(report.before.fit.has_value());
  EXPECT_THAT(report.before.reason, testing::HasSubstr("0 rows"));
  EXPECT_TRUE(report.all.fit.has_value());
  EXPECT_THAT(report.gaps, IsEmpty());
}

TEST(FindEras, PicksTheOrganisationsOfEachEra) {
  const Rows rows = two_group_rows();
  ErasOptions options;
  options.bootstrap.kind = BootstrapKind::kCluster;
  for (std::size_t i = 0; i < rows.year.size(); ++i)
    options.bootstrap.organization.push_back(static_cast<int>(i / 2));
  const ErasReport report = find_eras(rows.year, rows.y, options);
  EXPECT_EQ(report.before.bootstrap->clusters, 4u);
  EXPECT_EQ(report.all.bootstrap->clusters, 20u);
  options.bootstrap.organization.pop_back();
  EXPECT_THROW(find_eras(rows.year, rows.y, options), Error);
}

TEST(FindEras, AWrongOptionReachesTheCaller) {
  ErasOptions options;
  options.bootstrap.resamples = 0;
  EXPECT_THROW(find_eras(kYear, kLogFlop, options), Error);
}

}  // namespace
}  // namespace tenfold::compute_trends
