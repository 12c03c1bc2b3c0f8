// SPDX-License-Identifier: Apache-2.0
// `tenfold trends null-study`: what the large-scale split finds in tables that have one trend only.
#include "tenfold/systems/compute_trends/null_study.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/systems/compute_trends/verbs/eras_options.h"
#include "tenfold/systems/compute_trends/verbs/null_text.h"
#include "tenfold/systems/compute_trends/verbs/verbs.h"

namespace tenfold::compute_trends {
namespace {

struct NullVerbOptions {
  SourceOptions source;
  FilterOptions filter;
  EraRuleOptions rule;
  std::int64_t simulations = 10000;
  std::string residual_noise = "both";
  double gap_year = 2016.0;
  bool power = false;

  void visit_fields(auto&& field) {
    source.visit_fields(field);
    filter.visit_fields(field);
    rule.visit_fields(field);
    field("simulations", simulations, {.help = "simulated tables", .min = 1, .max = 1e7, .served_max = 1e5});
    field("residual_noise",
          residual_noise,
          {.help = "noise around the one trend", .choices = {"both", "gaussian", "resampled-residuals"}});
    field("gap_year",
          gap_year,
          {.help = "date at which the distance of the two lines is taken",
           .unit = "decimal year",
           .min = 1950,
           .max = 2100});
    field("power", power, {.help = "also simulate two true trends: how often would the split notice?"});
  }
};

nlohmann::json distribution_json(const NullDistribution& distribution) {
  return {{"p2_5", distribution.p2_5}, {"p50", distribution.p50}, {"p97_5", distribution.p97_5}};
}

nlohmann::json study_json(const NullStudyReport& study) {
  return {{"n", study.n},
          {"noise_sd", study.noise_sd},
          {"simulations", study.simulations},
          {"without_split", study.without_split},
          {"observed",
           {{"n_large", study.observed.n_large},
            {"slope_difference", study.observed.slope_difference},
            {"gap", study.observed.gap}}},
          {"p_slope_difference", study.p_slope_difference},
          {"p_gap", study.p_gap},
          {"p_both", study.p_both},
          {"share_slower", study.share_slower},
          {"null_n_large", distribution_json(study.n_large)},
          {"null_slope_difference", distribution_json(study.slope_difference)},
          {"null_gap", distribution_json(study.gap)}};
}

systems::Outcome run(const NullVerbOptions& options, systems::Context& context) {
  const Table table = read_table(options.source);
  const Selection selection = select_rows(table, options.filter);
  const Columns all = columns_of(selection.rows);
  const Columns rows = deep_learning_rows(all, to_eras_options(options.rule, 1, all, context));
  NullStudyOptions study;
  study.simulations = static_cast<std::size_t>(options.simulations);
  study.seed = context.seed;
  study.large = to_large_scale_rule(options.rule);
  study.gap_year = options.gap_year;
  study.stop = context.stop;
  nlohmann::json object = {{"table", table_json(table)}, {"studies", nlohmann::json::object()}};
  std::vector<NullStudyReport> reports;
  std::vector<NullNoise> noises;
  for (NullNoise noise : {NullNoise::kGaussian, NullNoise::kResampledResiduals}) {
    const std::string name(to_string(noise));
    if (options.residual_noise != "both" && options.residual_noise != name) continue;
    study.noise = noise;
    context.progress(fmt::format("{} simulations with {} noise", study.simulations, name));
    reports.push_back(run_null_study(rows.year, rows.log10_flop, study));
    noises.push_back(noise);
    object["studies"][name] = study_json(reports.back());
  }
  report::Table text = null_table(reports, noises);
  if (options.power) {
    const PowerReport power = run_power_study(rows.year, rows.log10_flop, study);
    object["power"] = {{"power", power.power},
                       {"critical_difference", power.critical_difference},
                       {"simulations", power.simulations}};
    text.notes.push_back(fmt::format(
        "Power: if the two lines were real, {:.0f} % of such tables would show it at the 5 % level.",
        100 * power.power));
  }
  object["reading"] = null_reading(reports);
  text.notes.push_back(null_reading(reports));
  return systems::make_outcome(std::move(object), report::to_terminal(text));
}

}  // namespace

systems::Verb make_null_study_verb() {
  return systems::make_verb<NullVerbOptions>(
      "null-study",
      "would the large-scale split find a second trend where there is none?",
      "Simulates tables with one single trend after 2010 and repeats the split on each. The split selects by "
      "the outcome, "
      "so it always finds some large-scale systems far above the rest; only a slope difference and a gap "
      "larger than "
      "these tables show would speak for a trend of its own.",
      {"tenfold trends null-study --simulations 2000", "tenfold trends null-study --power --json"},
      run);
}

}  // namespace tenfold::compute_trends
