// SPDX-License-Identifier: Apache-2.0
// The paper's claims, measured on the embedded table. Every rule of judgement stands here as it was fixed before the
// measurements; a claim that fails is published as failed.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tenfold/base/error.h"
#include "tenfold/systems/compute_trends/break_search.h"
#include "tenfold/systems/compute_trends/command.h"
#include "tenfold/systems/compute_trends/null_study.h"
#include "tenfold/systems/compute_trends/paper.h"
#include "tenfold/systems/compute_trends/verbs/null_text.h"

namespace tenfold::compute_trends {
namespace {

using systems::Budget;
using systems::Claim;
using systems::ClaimRun;
using systems::Measurement;
using systems::Verdict;

constexpr char kSource[] = "arXiv 2202.05924";
constexpr char kSetup[] = "embedded table of 123 systems, defaults of `tenfold trends eras`";

std::size_t resamples(const ClaimRun& run) {
  return run.budget == Budget::kQuick ? 2000 : 100000;
}
std::size_t simulations(const ClaimRun& run) {
  return run.budget == Budget::kQuick ? 2000 : 10000;
}

struct Setting {
  Columns columns;
  ErasOptions options;
};

Setting setting(const ClaimRun& run) {
  Setting result{columns_of(embedded_table().rows), {}};
  result.options.bootstrap.resamples = resamples(run);
  result.options.bootstrap.seed = run.seed;
  result.options.bootstrap.stop = run.stop;
  return result;
}

ErasReport eras(const ClaimRun& run, bool with_sensitivity = false) {
  Setting s = setting(run);
  if (!with_sensitivity) {
    s.options.z_grid.clear();
    s.options.window_grid.clear();
  }
  return find_eras(s.columns.year, s.columns.log10_flop, s.options);
}

double months_or_zero(const EraFit& era) {
  return era.fit && era.fit->doubling_months ? *era.fit->doubling_months : 0.0;
}

const EraFit& era_of(const ErasReport& report, std::string_view key) {
  if (key == "before") return report.before;
  return key == "large" ? report.large : report.all;
}

double median_of(const std::vector<Measurement>& runs, const std::string& key) {
  std::vector<double> values;
  for (const Measurement& run : runs) values.push_back(run.at(key));
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// A doubling time counts as reproduced when it lies in the paper's interval and within `tolerance` of its point value.
Claim doubling_claim(const PaperFigure& figure, const std::string& id, double tolerance) {
  Claim claim;
  claim.id = id;
  claim.sentence = fmt::format("Training compute doubled every {} months, {}.", figure.months, figure.period);
  claim.source = std::string(kSource) + ", main table";
  claim.metric = "doubling_months";
  claim.expected = fmt::format("{} months, interval {} to {}; point within {:.0f} %",
                               figure.months,
                               figure.low,
                               figure.high,
                               100 * tolerance);
  claim.setup = kSetup;
  claim.measure = [figure](const ClaimRun& run) {
    const ErasReport report = eras(run);
    const EraFit& era = era_of(report, figure.era);
    Measurement m{{"doubling_months", months_or_zero(era)}, {"n", static_cast<double>(era.rows.size())}};
    if (era.bootstrap) {
      if (era.bootstrap->doubling.low) m["ci_low"] = *era.bootstrap->doubling.low;
      if (era.bootstrap->doubling.high) m["ci_high"] = *era.bootstrap->doubling.high;
    }
    return m;
  };
  claim.judge = [figure, tolerance](const std::vector<Measurement>& runs) {
    const double months = median_of(runs, "doubling_months");
    const bool inside = months >= figure.low && months <= figure.high;
    return inside && std::abs(months / figure.months - 1.0) <= tolerance ? Verdict::kReproduced
                                                                         : Verdict::kNotReproduced;
  };
  return claim;
}

Claim separate_era_claim() {
  Claim claim;
  claim.id = "large_scale_is_separate";
  claim.sentence =
      "Large-scale systems since September 2015 form a trend of their own, slower than the regular one.";
  claim.source = std::string(kSource) + ", abstract and section on large-scale systems";
  claim.metric = "worst_p";
  claim.expected =
      "p < 0.01 under Gaussian noise and under resampled residuals; 0.01 to 0.05 is not separable";
  claim.setup = std::string(kSetup) + "; null study with one trend after 2010";
  claim.measure = [](const ClaimRun& run) {
    const Setting s = setting(run);
    const Columns rows = deep_learning_rows(s.columns, s.options);
    NullStudyOptions study;
    study.simulations = simulations(run);
    study.seed = run.seed;
    study.stop = run.stop;
    const NullStudyReport gaussian = run_null_study(rows.year, rows.log10_flop, study);
    study.noise = NullNoise::kResampledResiduals;
    const NullStudyReport resampled = run_null_study(rows.year, rows.log10_flop, study);
    return Measurement{{"worst_p", std::max(gaussian.p_slope_difference, resampled.p_slope_difference)},
                       {"p_gaussian", gaussian.p_slope_difference},
                       {"p_resampled", resampled.p_slope_difference},
                       {"p_gap_gaussian", gaussian.p_gap},
                       {"p_gap_resampled", resampled.p_gap},
                       {"slope_difference", gaussian.observed.slope_difference},
                       {"null_median_gap", gaussian.gap.p50},
                       {"observed_gap", gaussian.observed.gap}};
  };
  claim.judge = [](const std::vector<Measurement>& runs) {
    const double p = median_of(runs, "worst_p");
    if (p < 0.01) return Verdict::kReproduced;
    return p < 0.05 ? Verdict::kNotSeparable : Verdict::kNotReproduced;
  };
  return claim;
}

Claim threshold_claim() {
  Claim claim;
  claim.id = "threshold_hardly_matters";
  claim.sentence = "The slope of the large-scale trend is similar for other thresholds of the split.";
  claim.source = std::string(kSource) + ", appendix on large-scale systems; the range of thresholds is ours";
  claim.metric = "slowest_over_fastest";
  claim.expected =
      "doubling times at z 0.54, 0.6, 0.76, 1.0, 1.2 within a factor 1.5 of each other; not separable when a "
      "fit has fewer than 10 systems";
  claim.setup = kSetup;
  claim.seeds = {1};  // nothing random
  claim.measure = [](const ClaimRun& run) {
    Setting s = setting(run);
    s.options.bootstrap.resamples = 1;
    s.options.window_grid.clear();
    const ErasReport report = find_eras(s.columns.year, s.columns.log10_flop, s.options);
    double fastest = 1e300, slowest = 0.0, fewest = 1e300;
    Measurement m;
    for (const SplitSensitivity& row : report.sensitivity) {
      if (row.mode != WindowMode::kTwoSided) continue;
      const double months = row.large && row.large->doubling_months ? *row.large->doubling_months : 1e9;
      m[fmt::format("months_at_z_{}", row.z)] = months;
      fewest = std::min(fewest, static_cast<double>(row.n_large));
      fastest = std::min(fastest, months);
      slowest = std::max(slowest, months);
    }
    m["slowest_over_fastest"] = slowest / fastest;
    m["fewest_systems"] = fewest;
    return m;
  };
  claim.judge = [](const std::vector<Measurement>& runs) {
    if (runs[0].at("fewest_systems") < 10.0) return Verdict::kNotSeparable;
    return runs[0].at("slowest_over_fastest") <= 1.5 ? Verdict::kReproduced : Verdict::kNotReproduced;
  };
  return claim;
}

Claim start_claim() {
  Claim claim;
  claim.id = "start_2010_or_2012";
  claim.sentence =
      "Whether deep learning starts in 2010 or 2012 hardly changes the trend of regular systems.";
  claim.source = std::string(kSource) + ", section on the transition to deep learning";
  claim.metric = "ratio";
  claim.expected = "doubling time from 2012 within 10 % of the one from 2010";
  claim.setup = kSetup;
  claim.seeds = {1};  // nothing random
  claim.measure = [](const ClaimRun& run) {
    const ErasReport report = eras(run);
    const double from_2010 = months_or_zero(report.regular);
    const double from_2012 = months_or_zero(report.late_regular);
    return Measurement{
        {"ratio", from_2012 / from_2010}, {"months_2010", from_2010}, {"months_2012", from_2012}};
  };
  claim.judge = [](const std::vector<Measurement>& runs) {
    return std::abs(runs[0].at("ratio") - 1.0) <= 0.1 ? Verdict::kReproduced : Verdict::kNotReproduced;
  };
  return claim;
}

Claim break_claim() {
  Claim claim;
  claim.id = "break_near_2010";
  claim.sentence = "The pace changed about 2010, with the advent of deep learning.";
  claim.source = std::string(kSource) + ", abstract";
  claim.metric = "break_year";
  claim.expected = "best single break between 2008 and 2013, two lines preferred to one by BIC";
  claim.setup = kSetup;
  claim.seeds = {1};  // nothing random
  claim.measure = [](const ClaimRun&) {
    const Columns columns = columns_of(embedded_table().rows);
    const BreakSearchReport report = search_break(columns.year, columns.log10_flop);
    Measurement m{{"break_year", report.best_year},
                  {"interval_low", report.interval_low},
                  {"interval_high", report.interval_high}};
    for (const TrendModel& model : report.models.models) m["bic " + model.name] = model.bic;
    return m;
  };
  claim.judge = [](const std::vector<Measurement>& runs) {
    const Measurement& m = runs[0];
    const bool near = m.at("break_year") >= 2008.0 && m.at("break_year") <= 2013.0;
    return near && m.at("bic two lines") < m.at("bic one line") ? Verdict::kReproduced
                                                                : Verdict::kNotReproduced;
  };
  return claim;
}

Claim gap_claim() {
  Claim claim;
  claim.id = "large_scale_gap";
  claim.sentence = "Large-scale systems use 10 to 100 times more compute than the trend of the others.";
  claim.source = std::string(kSource) + " v2, abstract";
  claim.metric = "gap_2019";
  claim.expected = "large-scale line 1 to 2 OOM above the regular one in 2019, the middle of the era";
  claim.setup = kSetup;
  claim.seeds = {1};  // nothing random
  claim.measure = [](const ClaimRun& run) {
    Measurement m;
    for (const Gap& gap : eras(run).gaps) m[fmt::format("gap_{:.0f}", gap.year)] = gap.oom;
    return m;
  };
  claim.judge = [](const std::vector<Measurement>& runs) {
    const double gap = runs[0].at("gap_2019");
    return gap >= 1.0 && gap <= 2.0 ? Verdict::kReproduced : Verdict::kNotReproduced;
  };
  return claim;
}

}  // namespace

std::vector<systems::Claim> make_claims() {
  const auto figures = paper_figures();
  return {doubling_claim(figures[0], "pre_2010_doubling", 0.03),
          doubling_claim(figures[1], "post_2010_doubling", 0.03),
          doubling_claim(figures[2], "large_scale_doubling", 0.10),
          separate_era_claim(),
          threshold_claim(),
          start_claim(),
          break_claim(),
          gap_claim()};
}

}  // namespace tenfold::compute_trends
