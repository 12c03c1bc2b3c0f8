// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/verbs/eras_options.h"

namespace tenfold::compute_trends {

ErasOfTable read_eras(const ErasVerbOptions& options, const systems::Context& context) {
  ErasOfTable eras{read_table(options.source), {}, {}, {}};
  eras.selection = select_rows(eras.table, options.filter);
  eras.columns = columns_of(eras.selection.rows);
  eras.report = find_eras(eras.columns.year,
                          eras.columns.log10_flop,
                          to_eras_options(options.rule, options.bootstrap.resamples, eras.columns, context));
  return eras;
}

LargeScaleRule to_large_scale_rule(const EraRuleOptions& options) {
  LargeScaleRule rule;
  rule.z = options.z;
  rule.window = options.window;
  rule.mode = options.mode == "past-only" ? WindowMode::kPastOnly : WindowMode::kTwoSided;
  rule.start = options.large_start;
  return rule;
}

ErasOptions to_eras_options(const EraRuleOptions& options,
                            std::int64_t resamples,
                            const Columns& columns,
                            const systems::Context& context) {
  ErasOptions eras;
  eras.border = options.border;
  eras.low_outlier_sd = options.low_sd;
  eras.large = to_large_scale_rule(options);
  eras.bootstrap.resamples = static_cast<std::size_t>(resamples);
  eras.bootstrap.seed = context.seed;
  eras.bootstrap.organization = columns.organization;
  eras.bootstrap.stop = context.stop;
  return eras;
}

}  // namespace tenfold::compute_trends
