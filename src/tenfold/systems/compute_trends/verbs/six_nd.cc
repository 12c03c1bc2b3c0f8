// SPDX-License-Identifier: Apache-2.0
// `tenfold trends six-nd`: how well 6 N D predicts the listed compute, by domain.
#include "tenfold/systems/compute_trends/six_nd.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/systems/compute_trends/verbs/rows.h"
#include "tenfold/systems/compute_trends/verbs/verbs.h"

namespace tenfold::compute_trends {
namespace {

struct SixNdVerbOptions {
  std::string csv;
  std::string columns;
  bool epochs = true;

  void visit_fields(auto&& field) {
    field("csv",
          csv,
          {.help = "table with parameters and data size",
           .positional = true,
           .required = true,
           .file = config::FileUse::kRead});
    field("columns", columns, {.help = "columns by hand, see trends fit"});
    field("epochs", epochs, {.help = "multiply the data size by the epochs where the table lists them"});
  }
};

systems::Outcome run(const SixNdVerbOptions& options, systems::Context&) {
  const Table table = read_table({options.csv, options.columns, false});
  const SixNdStudy study = six_nd_study(table, {.use_epochs = options.epochs});
  report::Table text{"6 N D over the listed training compute",
                     {"domain", "n", "lower quartile", "median", "upper quartile", "within x2"},
                     {},
                     {}};
  nlohmann::json groups = nlohmann::json::array();
  for (const SixNdGroup& group : study.groups) {
    text.rows.push_back({group.domain,
                         std::to_string(group.n),
                         fmt::format("{:.2g}", group.lower_quartile),
                         fmt::format("{:.2g}", group.median),
                         fmt::format("{:.2g}", group.upper_quartile),
                         fmt::format("{:.0f} %", 100 * group.within_factor_2)});
    groups.push_back({{"domain", group.domain},
                      {"n", group.n},
                      {"lower_quartile", group.lower_quartile},
                      {"median", group.median},
                      {"upper_quartile", group.upper_quartile},
                      {"within_factor_2", group.within_factor_2}});
  }
  text.notes = {
      fmt::format("{} rows without parameters or data size left out; {} rows use a number of epochs.",
                  study.without_inputs,
                  study.with_epochs),
      "Below 1: weights used many times an example (convolutions, self-play); above 1: sparse or embedding "
      "parameters.",
      source_note(table)};
  return systems::make_outcome({{"groups", groups},
                                {"without_inputs", study.without_inputs},
                                {"with_epochs", study.with_epochs},
                                {"table", table_json(table)}},
                               report::to_terminal(text));
}

}  // namespace

systems::Verb make_six_nd_verb() {
  return systems::make_verb<SixNdVerbOptions>(
      "six-nd",
      "compare 6 x parameters x data size with the listed compute, by domain",
      "Needs a table with parameters and data size, such as Epoch AI's. Language models lie near 1; networks "
      "that share "
      "weights and systems that generate their data lie far off.",
      {},
      run);
}

}  // namespace tenfold::compute_trends
