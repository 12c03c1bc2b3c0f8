// SPDX-License-Identifier: Apache-2.0
// The statistics on Our World in Data's April 2022 copy of the paper's table, which is not part of the tree: these tests
// are skipped where ../shared is absent. Golden numbers: NumPy on the same file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tenfold/base/strings.h"
#include "tenfold/systems/compute_trends/break_search.h"
#include "tenfold/systems/compute_trends/eras.h"
#include "tenfold/systems/compute_trends/null_study.h"
#include "tenfold/systems/compute_trends/robust.h"
#include "tenfold/systems/compute_trends/table.h"

namespace tenfold::compute_trends {
namespace {

class SevillaTable : public testing::Test {
 protected:
  void SetUp() override {
    const Path file =
        Path(TENFOLD_SOURCE_DIR) / "../shared/data/compute_trends_snapshots/owid_2022-04_sevilla.csv";
    if (!std::filesystem::exists(file)) GTEST_SKIP() << "../shared is absent: " << file.filename();
    RowFilter filter;
    filter.period = parse_period("", "", "2022-02-11");
    for (const SystemRow& row : select(load_table(file), filter).rows) {
      year_.push_back(row.decimal_year);
      y_.push_back(log10_flop(row));
      names_.push_back(row.name);
    }
    ASSERT_EQ(year_.size(), 130u);
  }

  Fit fit(const std::vector<std::size_t>& rows) const { return fit_line(pick(year_, rows), pick(y_, rows)); }

  std::vector<std::string> names(const std::vector<std::size_t>& rows) const {
    std::vector<std::string> result;
    for (std::size_t row : rows) result.push_back(names_[row]);
    return result;
  }

  std::vector<double> year_, y_;
  std::vector<std::string> names_;
};

TEST_F(SevillaTable, ErasAreThoseOfNumpy) {
  const ErasReport report = find_eras(year_, y_);
  EXPECT_EQ(report.before.fit->n, 19u);
  EXPECT_NEAR(report.before.fit->line.b, 0.17231348117037357, 1e-9);
  EXPECT_NEAR(report.before.fit->doubling_months.value(), 20.963884679435395, 1e-6);
  EXPECT_NEAR(report.before.fit->r2, 0.7664988254606135, 1e-9);
  EXPECT_EQ(report.all.fit->n, 111u);
  EXPECT_NEAR(report.all.fit->doubling_months.value(), 5.727669737918619, 1e-6);
  EXPECT_NEAR(report.all.fit->residual_sd, 1.5519872031138782, 1e-9);
  EXPECT_EQ(report.early.fit->n, 21u);
  EXPECT_NEAR(report.early.fit->doubling_months.value(), 5.041752724160892, 1e-6);
  EXPECT_EQ(report.without_low.fit->n, 106u);
  EXPECT_NEAR(report.without_low.fit->line.b, 0.6513312277811428, 1e-9);
  EXPECT_EQ(report.regular.fit->n, 86u);
  EXPECT_NEAR(report.regular.fit->doubling_months.value(), 5.823883124146213, 1e-6);
  EXPECT_EQ(report.late_regular.fit->n, 82u);
  EXPECT_NEAR(report.late_regular.fit->doubling_months.value(), 5.801463546789273, 1e-6);
  EXPECT_EQ(report.large.fit->n, 20u);
  EXPECT_NEAR(report.large.fit->doubling_months.value(), 10.372375044557739, 1e-6);
  EXPECT_NEAR(report.gaps[0].oom, 3.0902870960671986, 1e-8);
  EXPECT_NEAR(report.gaps[1].oom, 2.274289577088137, 1e-8);
  EXPECT_NEAR(report.gaps[2].oom, 1.458292058109075, 1e-8);
}

TEST_F(SevillaTable, LargeScaleSystemsAreThePublishedList) {
  const ErasReport report = find_eras(year_, y_);
  EXPECT_THAT(names(report.large.rows),
              testing::UnorderedElementsAre("AlphaGo Fan",
                                            "AlphaGo Lee",
                                            "GNMT",
                                            "AlphaGo Master",
                                            "AlphaGo Zero",
                                            "AlphaZero",
                                            "OpenAI Five Rerun",
                                            "OpenAI Five",
                                            "Megatron-BERT",
                                            "T5-11B",
                                            "AlphaStar",
                                            "Meena",
                                            "GPT-3 175B",
                                            "Meta Pseudo Labels",
                                            "ALIGN",
                                            "Jurassic-1-Jumbo",
                                            "Megatron-Turing NLG 530B",
                                            "Yuan 1.0",
                                            "Gopher",
                                            "LaMDA"));
  EXPECT_THAT(names(report.low),
              testing::UnorderedElementsAre("DeepStack",
                                            "Hanabi 4 player",
                                            "Hide and Seek",
                                            testing::HasSubstr("(LSUN Bedroom)"),
                                            "ERNIE 3.0"));
}

TEST_F(SevillaTable, OnlyWindowsOverAllRowsGiveThePublishedCounts) {
  ErasOptions options;
  const auto counts = [&] {
    std::vector<std::size_t> result;
    for (double z : {0.54, 0.6, 0.76, 1.0, 1.2}) {
      options.large.z = z;
      result.push_back(split_eras(year_, y_, options).large.size());
    }
    return result;
  };
  EXPECT_THAT(counts(), testing::ElementsAre(31, 28, 20, 13, 5));
  options.large.basis = WindowBasis::kWithoutLowOutliers;
  EXPECT_THAT(counts(), testing::ElementsAre(28, 24, 20, 15, 8));
}

TEST_F(SevillaTable, BreakSearchFinds2010AndAWideInterval) {
  const BreakSearchReport report = search_break(year_, y_);
  EXPECT_EQ(report.best_year, 2010.5);
  EXPECT_NEAR(report.best_sse, 322.384617865506, 1e-6);
  EXPECT_EQ(report.interval_low, 2002.0);
  EXPECT_EQ(report.interval_high, 2014.5);
  EXPECT_NEAR(report.models.models[0].bic, 192.22486619606164, 1e-6);
  EXPECT_EQ(report.models.models[1].name, "two lines");
  EXPECT_NEAR(report.models.models[1].bic, 142.40508245371856, 1e-6);
}

TEST_F(SevillaTable, TheilSenGivesThePublishedDoublingTimes) {
  const ErasReport report = find_eras(year_, y_);
  const auto months = [&](const EraFit& era) {
    return theil_sen(pick(year_, era.rows), pick(y_, era.rows)).doubling_months.value();
  };
  EXPECT_NEAR(months(report.before), 18.3, 0.06);
  EXPECT_NEAR(months(report.all), 5.6, 0.06);
  EXPECT_NEAR(months(report.regular), 5.8, 0.06);
  EXPECT_NEAR(months(report.large), 9.4, 0.06);
}

TEST_F(SevillaTable, NullStudyFindsTheSlopeDifferenceRareAndTheGapNot) {
  const Split split = split_eras(year_, y_);
  std::vector<std::size_t> rows = split.regular;
  rows.insert(rows.end(), split.large.begin(), split.large.end());
  std::sort(rows.begin(), rows.end());
  const std::vector<double> year = pick(year_, rows), y = pick(y_, rows);
  for (NullNoise noise : {NullNoise::kGaussian, NullNoise::kResampledResiduals}) {
    const NullStudyReport report = run_null_study(year, y, {.noise = noise});
    EXPECT_NEAR(report.observed.slope_difference, -0.27, 0.01);
    EXPECT_GT(report.p_slope_difference, 0.005) << to_string(noise);
    EXPECT_LT(report.p_slope_difference, 0.05) << to_string(noise);
    EXPECT_NEAR(report.gap.p50, 2.0, 0.2);
    EXPECT_GT(report.p_gap, 0.01);
  }
}

}  // namespace
}  // namespace tenfold::compute_trends
