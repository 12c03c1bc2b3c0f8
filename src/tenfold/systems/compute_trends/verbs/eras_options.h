// SPDX-License-Identifier: Apache-2.0
// The rule of the eras as verb options, shared by eras, plot, compare and null-study.
#pragma once

#include <string>

#include "tenfold/systems/compute_trends/eras.h"
#include "tenfold/systems/compute_trends/verbs/rows.h"
#include "tenfold/systems/system.h"

namespace tenfold::compute_trends {

struct EraRuleOptions {
  double border = 2010.0;
  double low_sd = 2.0;
  double z = 0.76;
  double window = 1.0;
  std::string mode = "two-sided";
  double large_start = 2015.66;

  void visit_fields(auto&& field) {
    field("border",
          border,
          {.help = "first year of deep learning", .unit = "decimal year", .min = 1900, .max = 2100});
    field("low_sd",
          low_sd,
          {.help = "low outliers lie further below than this; 0: none", .unit = "sd", .min = 0, .max = 10});
    field("z", z, {.help = "threshold of the large-scale split", .min = -10, .max = 10});
    field("window",
          window,
          {.help = "half width of the window of the z-score", .unit = "years", .min = 0.05, .max = 50});
    field("mode",
          mode,
          {.help = "window around a date, or before it only", .choices = {"two-sided", "past-only"}});
    field("large_start",
          large_start,
          {.help = "first date of large-scale systems", .unit = "decimal year", .min = 1900, .max = 2100});
  }
};

struct ResampleField {
  std::int64_t resamples = 1000;

  void visit_fields(auto&& field) {
    field("resamples", resamples, {.help = "bootstrap resamples", .min = 1, .max = 1e7, .served_max = 1e5});
  }
};

struct ErasVerbOptions {
  SourceOptions source;
  FilterOptions filter;
  EraRuleOptions rule;
  ResampleField bootstrap;

  void visit_fields(auto&& field) {
    source.visit_fields(field);
    filter.visit_fields(field);
    rule.visit_fields(field);
    bootstrap.visit_fields(field);
  }
};

// A table, the rows looked at and their eras.
struct ErasOfTable {
  Table table;
  Selection selection;
  Columns columns;
  ErasReport report;
};
ErasOfTable read_eras(const ErasVerbOptions& options, const systems::Context& context);

LargeScaleRule to_large_scale_rule(const EraRuleOptions& options);
// Eras with their bootstrap intervals.
ErasOptions to_eras_options(const EraRuleOptions& options,
                            std::int64_t resamples,
                            const Columns& columns,
                            const systems::Context& context);

}  // namespace tenfold::compute_trends
