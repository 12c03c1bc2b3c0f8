// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/bootstrap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
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

std::vector<double> slopes(const std::vector<Line>& lines) {
  std::vector<double> result;
  for (const Line& line : lines) result.push_back(line.b);
  return result;
}

bool same_bits(const std::vector<Line>& a, const std::vector<Line>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](const Line& p, const Line& q) {
           return p.a == q.a && p.b == q.b;
         });
}

class BootstrapThreads : public testing::Test {
 protected:
  void TearDown() override { set_thread_count(before_); }
  int before_ = thread_count();
};

TEST(Bootstrap, ResampleKIsTheLineOfItsDrawnRows) {
  // Rows drawn for seed 99, resample 4: 8 8 5 1 0 10 9 10 3 0 10 8, from an independent Philox in Python.
  const std::vector<Line> lines = bootstrap_lines(kYear, kLogFlop, {.resamples = 5, .seed = 99});
  EXPECT_NEAR(lines[4].b, 0.48445003913935425, 1e-12);
  EXPECT_NEAR(lines[4].a, 11.0969852116699, 1e-10);
}

TEST(Bootstrap, AgreesWithNumpysPercentiles) {
  // NumPy, 2,000,000 resamples with PCG64: 0.45235, 0.71157, 0.94487.
  const BootstrapReport report = bootstrap(kYear, kLogFlop, {.resamples = 400000, .seed = 3});
  EXPECT_NEAR(report.slope.low, 0.45235, 0.003);
  EXPECT_NEAR(report.slope.median, 0.71157, 0.002);
  EXPECT_NEAR(report.slope.high, 0.94487, 0.003);
  EXPECT_NEAR(std::sqrt(variance(slopes(report.lines))), 0.125387, 0.001);
  EXPECT_EQ(report.redrawn, 0u);
}

TEST(Bootstrap, PercentilesAreThoseOfTheSortedSlopes) {
  const BootstrapReport report = bootstrap(kYear, kLogFlop, {.resamples = 1001, .seed = 8});
  std::vector<double> sorted = slopes(report.lines);
  std::sort(sorted.begin(), sorted.end());
  EXPECT_DOUBLE_EQ(report.slope.low, percentile_of_sorted(sorted, 2.5));
  EXPECT_DOUBLE_EQ(report.slope.median, sorted[500]);
  EXPECT_DOUBLE_EQ(report.slope.high, percentile_of_sorted(sorted, 97.5));
}

TEST(Bootstrap, DoublingIntervalHasItsEndsSwapped) {
  const BootstrapReport report = bootstrap(kYear, kLogFlop, {.seed = 1});
  EXPECT_DOUBLE_EQ(report.doubling.low.value(), 12.0 * kLog10Of2 / report.slope.high);
  EXPECT_DOUBLE_EQ(report.doubling.high.value(), 12.0 * kLog10Of2 / report.slope.low);
  EXPECT_LT(*report.doubling.low, *report.doubling.median);
  EXPECT_LT(*report.doubling.median, *report.doubling.high);
}

TEST(Bootstrap, ASlopeIntervalAcrossZeroHasAnOpenEnd) {
  const DoublingInterval interval = doubling_interval({-0.06, 0.25, 0.44});
  EXPECT_EQ(interval.high, std::nullopt);
  EXPECT_NEAR(interval.low.value(), 8.21, 0.01);
  EXPECT_EQ(interval_text(interval), "[8.2; 14.4; >]");
  EXPECT_EQ(interval_text(doubling_interval({-0.3, -0.2, -0.1})), "no doubling");
  EXPECT_EQ(interval_text(doubling_interval({0.1, 0.2, 0.4}), 0), "[9; 18; 36]");
}

TEST_F(BootstrapThreads, NeverChangesTheResult) {
  const Rows rows = random_rows(61, 4);
  std::vector<int> organization;
  for (int i = 0; i < 61; ++i) organization.push_back(i % 9);
  for (BootstrapKind kind : {BootstrapKind::kPairs,
                             BootstrapKind::kWildRademacher,
                             BootstrapKind::kWildMammen,
                             BootstrapKind::kCluster}) {
    const BootstrapOptions options{
        .kind = kind, .resamples = 5000, .seed = 12, .sigma = {0.3}, .organization = organization};
    set_thread_count(1);
    const std::vector<Line> one = bootstrap_lines(rows.year, rows.y, options);
    for (int threads : {2, 3, 7}) {
      set_thread_count(threads);
      EXPECT_TRUE(same_bits(one, bootstrap_lines(rows.year, rows.y, options)))
          << to_string(kind) << " with " << threads << " threads";
    }
  }
}

TEST(Bootstrap, ResamplesDoNotDependOnHowManyThereAre) {
  const std::vector<Line> many = bootstrap_lines(kYear, kLogFlop, {.resamples = 2000, .seed = 5});
  const std::vector<Line> few = bootstrap_lines(kYear, kLogFlop, {.resamples = 7, .seed = 5});
  EXPECT_TRUE(same_bits(few, {many.begin(), many.begin() + 7}));
}

TEST(Bootstrap, RedrawsResamplesOfOneSingleDateAndCountsThem) {
  const std::vector<double> year = {2012.0, 2012.0, 2015.0}, y = {20.0, 21.0, 22.0};
  std::uint64_t redrawn = 0;
  const std::vector<Line> lines = bootstrap_lines(year, y, {.resamples = 30000, .seed = 2}, &redrawn);
  for (const Line& line : lines) ASSERT_TRUE(std::isfinite(line.b));
  // A draw has one date with p = (2/3)^3 + (1/3)^3 = 1/3: p / (1 - p) = 1/2 redraws a resample, sd 0.87.
  EXPECT_NEAR(static_cast<double>(redrawn), 15000.0, 5.0 * 0.87 * std::sqrt(30000.0));
}

TEST(Bootstrap, DatesADayApartAmongOldRowsAreFittedExactly) {
  // Resamples of the two late rows alone pass the exact path; their line is the one through both points.
  const double day = 1.0 / 365.25;
  const std::vector<double> year = {1952.0, 2022.0, 2022.0 + day}, y = {5.0, 20.0, 21.0};
  std::size_t exact = 0;
  for (const Line& line : bootstrap_lines(year, y, {.resamples = 2000, .seed = 2})) {
    ASSERT_TRUE(std::isfinite(line.b));
    if (line.b > 100.0) {
      EXPECT_NEAR(line.b * (year[2] - year[1]), 1.0, 1e-9);
      EXPECT_NEAR(line.at(2022.0), 20.0, 1e-6);
      ++exact;
    }
  }
  EXPECT_GT(exact, 200u);  // probability (2/3)^3 - 2 (1/3)^3 = 0.22
}

TEST(Bootstrap, NoiseHasTheVarianceOfNoiseOnEveryDraw) {
  const Rows rows = random_rows(25, 6);
  std::vector<double> sigma;
  for (std::size_t i = 0; i < 25; ++i) sigma.push_back(0.2 + 0.1 * static_cast<double>(i % 7));
  constexpr std::size_t kResamples = 60000;
  const auto lines = bootstrap_lines(rows.year, rows.y, {.resamples = kResamples, .seed = 4, .sigma = sigma});
  // Brute force: the same draws, a normal number for every drawn row, the ordinary fit.
  std::vector<double> brute_slope, brute_level, slope, level;
  std::vector<std::uint32_t> drawn(25);
  random::Generator normal(1234, 0);
  for (std::size_t k = 0; k < kResamples; ++k) {
    kernels::resample_indices(25, {.seed = 4}, k, drawn);
    std::vector<double> year, y;
    for (std::uint32_t row : drawn) {
      year.push_back(rows.year[row]);
      y.push_back(rows.y[row] + sigma[row] * normal.normal());
    }
    const Line line = fit_line(year, y).line;
    brute_slope.push_back(line.b);
    brute_level.push_back(line.at(2020.0));
    slope.push_back(lines[k].b);
    level.push_back(lines[k].at(2020.0));
  }
  EXPECT_NEAR(variance(slope) / variance(brute_slope), 1.0, 0.02);
  EXPECT_NEAR(variance(level) / variance(brute_level), 1.0, 0.02);
  const double without =
      variance(slopes(bootstrap_lines(rows.year, rows.y, {.resamples = kResamples, .seed = 4})));
  EXPECT_GT(variance(slope), 1.05 * without);
}

TEST(Bootstrap, ZeroNoiseIsNoNoise) {
  EXPECT_TRUE(same_bits(bootstrap_lines(kYear, kLogFlop, {.seed = 4, .sigma = {0.0}}),
                        bootstrap_lines(kYear, kLogFlop, {.seed = 4})));
}

TEST(WildBootstrap, HasTheVarianceOfTheSandwichFormula) {
  // sum dx^2 e^2 / (sum dx^2)^2, NumPy.
  for (BootstrapKind kind : {BootstrapKind::kWildRademacher, BootstrapKind::kWildMammen}) {
    const auto lines = bootstrap_lines(kYear, kLogFlop, {.kind = kind, .resamples = 200000, .seed = 4});
    EXPECT_NEAR(std::sqrt(variance(slopes(lines))), 0.10714401547138076, 0.0007) << to_string(kind);
    double mean = 0.0;
    for (const Line& line : lines) mean += line.b / 200000.0;
    EXPECT_NEAR(mean, 0.7075208226728195, 0.0015) << to_string(kind);
  }
}

TEST(WildBootstrap, MammensWeightsKeepTheThirdMoment) {
  double third[2] = {};
  int i = 0;
  for (BootstrapKind kind : {BootstrapKind::kWildRademacher, BootstrapKind::kWildMammen}) {
    for (const Line& line :
         bootstrap_lines(kYear, kLogFlop, {.kind = kind, .resamples = 400000, .seed = 4})) {
      third[i] += std::pow(line.b - 0.7075208226728195, 3) / 400000.0;
    }
    ++i;
  }
  EXPECT_NEAR(third[0], 0.0, 2.5e-5) << "Rademacher weights are symmetric";
  EXPECT_NEAR(third[1], -0.0003266130063942625, 2.5e-5) << "sum dx^3 e^3 / (sum dx^2)^3, NumPy";
}

TEST(ClusterBootstrap, OfSingleRowsIsThePairsBootstrap) {
  std::vector<int> own;
  for (int i = 0; i < 12; ++i) own.push_back(i);
  EXPECT_TRUE(same_bits(
      bootstrap_lines(kYear, kLogFlop, {.kind = BootstrapKind::kCluster, .seed = 4, .organization = own}),
      bootstrap_lines(kYear, kLogFlop, {.seed = 4})));
}

TEST(ClusterBootstrap, IsWiderWhenAnOrganisationsSystemsAreAlike) {
  // 12 organisations of 6 copies each: the cluster bootstrap must see 12 rows, not 72.
  std::vector<double> year, y;
  std::vector<int> organization;
  for (int i = 0; i < 12; ++i) {
    for (int copy = 0; copy < 6; ++copy) {
      year.push_back(kYear[static_cast<std::size_t>(i)]);
      y.push_back(kLogFlop[static_cast<std::size_t>(i)]);
      organization.push_back(100 - i);
    }
  }
  const BootstrapReport report = bootstrap(
      year,
      y,
      {.kind = BootstrapKind::kCluster, .resamples = 100000, .seed = 1, .organization = organization});
  EXPECT_EQ(report.clusters, 12u);
  EXPECT_NEAR(report.slope.low, 0.45235, 0.005);
  EXPECT_NEAR(report.slope.high, 0.94487, 0.005);
}

TEST(Bootstrap, RefusesBadOptions) {
  const auto code = [](BootstrapOptions options) {
    return code_of([&] { bootstrap(kYear, kLogFlop, options); });
  };
  EXPECT_EQ(code({.resamples = 0}), "trends.bad_resamples");
  EXPECT_EQ(code({.resamples = 100'000'001}), "trends.bad_resamples");
  EXPECT_EQ(code({.confidence = 95.0}), "trends.bad_confidence");
  EXPECT_EQ(code({.sigma = {-0.1}}), "trends.bad_sigma");
  EXPECT_EQ(code({.sigma = {0.1, 0.2}}), "trends.bad_sigma");
  EXPECT_EQ(code({.kind = BootstrapKind::kCluster}), "trends.lengths_differ");
  EXPECT_EQ(code({.kind = BootstrapKind::kCluster, .organization = std::vector<int>(12, 5)}),
            "trends.too_few_clusters");
  const std::vector<double> same = {2010.0, 2010.0}, y = {1.0, 2.0};
  EXPECT_EQ(code_of([&] { bootstrap(same, y); }), "trends.equal_dates");
}

TEST(Bootstrap, StopsWhenAsked) {
  StopToken stop;
  stop.request();
  EXPECT_EQ(code_of([&] { bootstrap(kYear, kLogFlop, {.stop = &stop}); }), "trends.stopped");
}

TEST(Coverage, OfThe95PercentIntervalIsNear95Percent) {
  CoverageOptions options;
  options.tables = 1000;
  options.rows = 50;
  options.seed = 1;
  const CoverageReport report = simulate_coverage(options);
  EXPECT_EQ(report.tables, 1000u);
  EXPECT_GE(report.coverage, 0.92);
  EXPECT_LE(report.coverage, 0.97);
  // Least squares: sd of the slope = 1.5 / (12 / sqrt(12) sqrt(50)), width 3.92 sd.
  EXPECT_NEAR(report.median_width, 3.92 * 1.5 / (12.0 / std::sqrt(12.0) * std::sqrt(50.0)), 0.03);
}

TEST(Coverage, FallsWithTheConfidence) {
  CoverageOptions options;
  options.tables = 500;
  options.bootstrap.confidence = 0.5;
  EXPECT_NEAR(simulate_coverage(options).coverage, 0.5, 0.09);
}

}  // namespace
}  // namespace tenfold::compute_trends
