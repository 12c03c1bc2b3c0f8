// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/verbs/null_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace tenfold::compute_trends {

Columns deep_learning_rows(const Columns& all, const ErasOptions& options) {
  const Split split = split_eras(all.year, all.log10_flop, options);
  std::vector<std::size_t> rows = split.regular;
  rows.insert(rows.end(), split.large.begin(), split.large.end());
  std::sort(rows.begin(), rows.end());
  return {
      pick(all.year, rows), pick(all.log10_flop, rows), pick(all.organization, rows), pick(all.name, rows)};
}

std::vector<NullStudyReport> null_studies(const Columns& rows,
                                          const LargeScaleRule& rule,
                                          std::size_t simulations,
                                          const systems::Context& context) {
  NullStudyOptions study;
  study.simulations = simulations;
  study.seed = context.seed;
  study.large = rule;
  study.stop = context.stop;
  std::vector<NullStudyReport> reports;
  for (NullNoise noise : {NullNoise::kGaussian, NullNoise::kResampledResiduals}) {
    study.noise = noise;
    reports.push_back(run_null_study(rows.year, rows.log10_flop, study));
  }
  return reports;
}

report::Table null_table(const std::vector<NullStudyReport>& reports, const std::vector<NullNoise>& noises) {
  report::Table table{"What the large-scale split finds where there is one trend only",
                      {"noise", "quantity", "observed", "null: median", "null: 95 % range", "p"},
                      {},
                      {}};
  for (std::size_t i = 0; i < reports.size(); ++i) {
    const NullStudyReport& study = reports[i];
    const std::string noise(to_string(noises.at(i)));
    const auto range = [](const NullDistribution& d, int digits) {
      return fmt::format("{:.{}f} to {:.{}f}", d.p2_5, digits, d.p97_5, digits);
    };
    table.rows.push_back({noise,
                          "systems found",
                          std::to_string(study.observed.n_large),
                          fmt::format("{:.0f}", study.n_large.p50),
                          range(study.n_large, 0),
                          "-"});
    table.rows.push_back({noise,
                          "gap [OOM]",
                          fmt::format("{:.2f}", study.observed.gap),
                          fmt::format("{:.2f}", study.gap.p50),
                          range(study.gap, 2),
                          fmt::format("{:.4f}", study.p_gap)});
    table.rows.push_back({noise,
                          "slope difference [OOM/year]",
                          fmt::format("{:.2f}", study.observed.slope_difference),
                          fmt::format("{:.2f}", study.slope_difference.p50),
                          range(study.slope_difference, 2),
                          fmt::format("{:.4f}", study.p_slope_difference)});
  }
  if (!reports.empty()) {
    table.notes.push_back(
        fmt::format("{} systems after low outliers, {} simulations each, noise sd {:.2f} OOM.",
                    reports[0].n,
                    reports[0].simulations,
                    reports[0].noise_sd));
  }
  table.notes.push_back("No correction for having chosen the threshold and the first month of the era.");
  return table;
}

std::string null_reading(const std::vector<NullStudyReport>& reports) {
  double worst = 0.0;
  double gap = 0.0;
  for (const NullStudyReport& study : reports) {
    worst = std::max(worst, study.p_slope_difference);
    gap = std::max(gap, study.gap.p50);
  }
  const std::string base = fmt::format(
      "The split finds systems {:.1f} OOM above the rest even where there is one trend only, so finding them "
      "is no "
      "evidence; the slower slope is (p {:.3f} at worst)",
      gap,
      worst);
  if (worst < 0.01) return base + ": strong evidence for a separate large-scale trend.";
  if (worst < 0.05)
    return base + ": weak evidence for a separate large-scale trend, before any correction for choices.";
  return base + " too little: no evidence for a separate large-scale trend.";
}

}  // namespace tenfold::compute_trends
