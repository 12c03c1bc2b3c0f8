// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/null_study.h"

#include <gtest/gtest.h>

#include <functional>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tests/unit/compute_trends/statistics_rows.h"

namespace tenfold::compute_trends {
namespace {

// Rows of one trend; with `second_line` every fourth system after 2016 lies on its own slow line 3 OOM higher.
Rows study_rows(bool second_line) {
  Rows rows = random_rows(110, 17, second_line ? 0.7 : 1.3);
  for (std::size_t i = 0; i < rows.year.size(); i += 4) {
    if (!second_line || rows.year[i] < 2016.0) continue;
    rows.y[i] = 22.0 + 0.1 * (rows.year[i] - 2016.0);
  }
  return rows;
}

class NullStudyThreads : public testing::Test {
 protected:
  void TearDown() override { set_thread_count(before_); }
  int before_ = thread_count();
};

TEST(NullStudy, ObservedFiguresAreThoseOfTheSplit) {
  const Rows rows = study_rows(true);
  ErasOptions eras;
  eras.border = 0.0;
  eras.low_outlier_sd = 0.0;
  const Split split = split_eras(rows.year, rows.y, eras);
  const Fit large = fit_line(pick(rows.year, split.large), pick(rows.y, split.large));
  const Fit regular = fit_line(pick(rows.year, split.regular), pick(rows.y, split.regular));
  const NullStudyReport report = run_null_study(rows.year, rows.y, {.simulations = 10});
  EXPECT_EQ(report.observed.n_large, split.large.size());
  EXPECT_NEAR(report.observed.slope_large, large.line.b, 1e-10);
  EXPECT_NEAR(report.observed.slope_regular, regular.line.b, 1e-10);
  EXPECT_NEAR(report.observed.gap, large.line.at(2016.0) - regular.line.at(2016.0), 1e-9);
}

TEST(NullStudy, OneTrendIsNotExtremeAndStillShowsAGap) {
  const Rows rows = study_rows(false);
  for (NullNoise noise : {NullNoise::kGaussian, NullNoise::kResampledResiduals}) {
    const NullStudyReport report = run_null_study(rows.year, rows.y, {.simulations = 2000, .noise = noise});
    EXPECT_GT(report.p_slope_difference, 0.02) << to_string(noise);
    EXPECT_GT(report.gap.p50, 1.0) << "selection by height alone makes a second line";
    EXPECT_EQ(report.slope_differences.size() + report.without_split, 2000u);
  }
}

TEST(NullStudy, ATrueSecondLineIsExtreme) {
  const Rows rows = study_rows(true);
  const NullStudyReport report = run_null_study(rows.year, rows.y, {.simulations = 2000});
  EXPECT_LT(report.p_slope_difference, 0.05);
  EXPECT_LT(report.observed.slope_difference, report.slope_difference.p50);
}

TEST(NullStudy, PValuesOfTablesFromTheNullAreUniform) {
  // 200 tables of one trend each: about a tenth of their p-values may lie below 0.1 (sd 0.021).
  int below = 0, tables = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Rows rows = random_rows(70, 1000 + seed, 1.3);
    try {
      below +=
          run_null_study(rows.year, rows.y, {.simulations = 200, .seed = seed}).p_slope_difference <= 0.1;
      ++tables;
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), "trends.no_split");
    }
  }
  EXPECT_GT(tables, 190);
  EXPECT_NEAR(static_cast<double>(below) / tables, 0.1, 0.085);
}

TEST_F(NullStudyThreads, NeverChangeTheResult) {
  const Rows rows = study_rows(false);
  const NullStudyOptions options{.simulations = 1500, .seed = 7, .noise = NullNoise::kResampledResiduals};
  set_thread_count(1);
  const NullStudyReport one = run_null_study(rows.year, rows.y, options);
  for (int threads : {2, 5}) {
    set_thread_count(threads);
    const NullStudyReport many = run_null_study(rows.year, rows.y, options);
    EXPECT_EQ(one.slope_differences, many.slope_differences);
    EXPECT_EQ(one.gaps, many.gaps);
    EXPECT_EQ(one.p_gap, many.p_gap);
  }
}

TEST(NullStudy, SimulationsDoNotDependOnHowManyThereAre) {
  const Rows rows = study_rows(false);
  const auto many = run_null_study(rows.year, rows.y, {.simulations = 500, .seed = 3}).slope_differences;
  const auto few = run_null_study(rows.year, rows.y, {.simulations = 20, .seed = 3}).slope_differences;
  ASSERT_LE(few.size(), many.size());
  EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
}

TEST(NullStudy, RefusesRowsWithoutASplitAndBadCounts) {
  const auto code_of = [](const std::function<void()>& body) -> std::string {
    try {
      body();
    } catch (const Error& error) {
      return error.code();
    }
    return "no error";
  };
  const Rows rows = study_rows(false);
  EXPECT_EQ(code_of([&] { run_null_study(kYear, kLogFlop, {}); }), "trends.no_split");
  EXPECT_EQ(code_of([&] { run_null_study(rows.year, rows.y, {.simulations = 0}); }),
            "trends.bad_simulations");
  StopToken stop;
  stop.request();
  EXPECT_EQ(code_of([&] { run_null_study(rows.year, rows.y, {.stop = &stop}); }), "trends.stopped");
}

TEST(PowerStudy, IsLowWithoutAndHighWithASecondLine) {
  const Rows with = study_rows(true);
  const PowerReport power = run_power_study(with.year, with.y, {.simulations = 1000});
  EXPECT_GT(power.power, 0.5);
  EXPECT_LE(power.power, 1.0);
  EXPECT_LT(power.slope_difference.p50, 0.0);
  EXPECT_LT(power.critical_difference, 0.5);
}

}  // namespace
}  // namespace tenfold::compute_trends
