// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/frontier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tenfold/base/error.h"
#include "tests/unit/compute_trends/statistics_rows.h"

namespace tenfold::compute_trends {
namespace {

using testing::ElementsAre;

TEST(Frontier, RunningTopOneIsTheListOfRecords) {
  EXPECT_THAT(select_frontier(kYear, kLogFlop, {.rule = FrontierRule::kRunningTop, .top = 1}),
              ElementsAre(0, 1, 3, 5, 7, 9, 11));
}

TEST(Frontier, RunningTopLooksOnlyBack) {
  const Rows rows = random_rows(150, 4);
  for (std::size_t top : {1, 3, 10}) {
    std::vector<std::size_t> expected;
    for (std::size_t i = 0; i < 150; ++i) {
      std::size_t higher = 0;
      for (std::size_t j = 0; j < 150; ++j) higher += rows.year[j] <= rows.year[i] && rows.y[j] > rows.y[i];
      if (higher < top) expected.push_back(i);
    }
    EXPECT_EQ(select_frontier(rows.year, rows.y, {.top = top}), expected) << top;
  }
}

TEST(Frontier, SystemsOfOneDayCompeteWithEachOther) {
  const std::vector<double> year = {2010.0, 2010.0, 2010.0, 2011.0}, y = {20.0, 22.0, 21.0, 19.0};
  EXPECT_THAT(select_frontier(year, y, {.top = 1}), ElementsAre(1));
  EXPECT_THAT(select_frontier(year, y, {.top = 2}), ElementsAre(1, 2));
}

TEST(Frontier, WindowPercentileComparesWithinTheWindow) {
  const std::vector<double> year = {2010.0, 2010.5, 2011.0, 2015.0, 2015.5},
                            y = {20.0, 22.0, 21.0, 10.0, 11.0};
  EXPECT_THAT(select_frontier(year, y, {.rule = FrontierRule::kWindowPercentile, .percentile = 100.0}),
              ElementsAre(1, 4));
  EXPECT_THAT(select_frontier(year, y, {.rule = FrontierRule::kWindowPercentile, .percentile = 50.0}),
              ElementsAre(1, 2, 4));
  EXPECT_EQ(select_frontier(year, y, {.rule = FrontierRule::kWindowPercentile, .percentile = 0.0}).size(),
            5u);
}

TEST(Frontier, ResidualRuleCountsStandardDeviations) {
  const Rows rows = random_rows(500, 5);
  const auto share = [&](double sds) {
    const auto selected =
        select_frontier(rows.year, rows.y, {.rule = FrontierRule::kResidual, .residual_sd = sds});
    return static_cast<double>(selected.size()) / 500.0;
  };
  EXPECT_NEAR(share(0.0), 0.5, 0.08);
  EXPECT_NEAR(share(1.0), 0.159, 0.06);
}

TEST(Frontier, SensitivityTableHasEveryRule) {
  const Rows rows = random_rows(200, 6);
  const std::vector<FrontierRow> table = frontier_sensitivity(rows.year, rows.y, 2012.0);
  ASSERT_EQ(table.size(), 10u);
  EXPECT_EQ(table[3].label, "running top 10");
  EXPECT_EQ(table[5].label, "90th percentile of +-1 years");
  EXPECT_EQ(table[8].label, "1 sd over the trend");
  for (const FrontierRow& row : table) {
    EXPECT_TRUE(std::is_sorted(row.rows.begin(), row.rows.end()));
    for (std::size_t i : row.rows) EXPECT_GE(rows.year[i], 2012.0);
    ASSERT_TRUE(row.fit.has_value()) << row.label;
    EXPECT_EQ(row.fit->n, row.rows.size());
  }
}

TEST(Frontier, RefusesBadParameters) {
  EXPECT_THROW(select_frontier(kYear, kLogFlop, {.top = 0}), Error);
  EXPECT_THROW(
      select_frontier(kYear, kLogFlop, {.rule = FrontierRule::kWindowPercentile, .percentile = 101.0}),
      Error);
  EXPECT_THROW(select_frontier(kYear, kLogFlop, {.rule = FrontierRule::kWindowPercentile, .window = -1.0}),
               Error);
}

}  // namespace
}  // namespace tenfold::compute_trends
