// SPDX-License-Identifier: Apache-2.0
// `tenfold trends break-search`: where the trend breaks, and whether a break is worth its parameters.
#include "tenfold/systems/compute_trends/break_search.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/systems/compute_trends/verbs/rows.h"
#include "tenfold/systems/compute_trends/verbs/verbs.h"

namespace tenfold::compute_trends {
namespace {

struct BreakVerbOptions {
  SourceOptions source;
  FilterOptions filter;
  double step = 0.25;
  std::int64_t least_rows = 5;
  double tolerance = 0.05;

  void visit_fields(auto&& field) {
    source.visit_fields(field);
    filter.visit_fields(field);
    field("step", step, {.help = "distance of the candidate dates", .unit = "years", .min = 0.01, .max = 10});
    field("least_rows", least_rows, {.help = "rows on each side of a break", .min = 3, .max = 10000});
    field("tolerance",
          tolerance,
          {.help = "candidates within this share of the best SSE form the interval", .min = 0, .max = 1});
  }
};

systems::Outcome run(const BreakVerbOptions& options, systems::Context&) {
  const Table table = read_table(options.source);
  const Selection selection = select_rows(table, options.filter);
  const Columns columns = columns_of(selection.rows);
  BreakSearchOptions search;
  search.step = options.step;
  search.least_rows = static_cast<std::size_t>(options.least_rows);
  search.tolerance = options.tolerance;
  const BreakSearchReport report = search_break(columns.year, columns.log10_flop, search);
  report::Table text{
      fmt::format("Best single break: {:.2f}, within {:.0f} % of its SSE from {:.2f} to {:.2f}",
                  report.best_year,
                  100 * options.tolerance,
                  report.interval_low,
                  report.interval_high),
      {"model", "parameters", "SSE", "BIC", "behind the best", "doubling [months]"},
      {},
      {}};
  nlohmann::json models = nlohmann::json::array();
  const auto months = [](const Line& line) { return months_text(doubling_months(line.b)); };
  for (const TrendModel& model : report.models.models) {
    text.rows.push_back(
        {model.name,
         std::to_string(model.parameters),
         fmt::format("{:.1f}", model.sse),
         fmt::format("{:.1f}", model.bic),
         fmt::format("{:.1f}", model.delta_bic),
         model.break_year ? months(model.left) + ", then " + months(model.right) : months(model.left)});
    models.push_back(
        {{"model", model.name},
         {"parameters", model.parameters},
         {"sse", model.sse},
         {"bic", model.bic},
         {"delta_bic", model.delta_bic},
         {"break_year", model.break_year ? nlohmann::json(*model.break_year) : nlohmann::json(nullptr)}});
  }
  text.notes.push_back(source_note(table));
  nlohmann::json candidates = nlohmann::json::array();
  for (const BreakCandidate& candidate : report.candidates) {
    candidates.push_back({{"year", candidate.year}, {"sse", candidate.sse}});
  }
  nlohmann::json object = {{"n", report.n},
                           {"best_year", report.best_year},
                           {"interval", {report.interval_low, report.interval_high}},
                           {"tolerance", options.tolerance},
                           {"left", fit_json(report.left, nullptr)},
                           {"right", fit_json(report.right, nullptr)},
                           {"models", models},
                           {"best_model", report.models.models.at(report.models.best).name},
                           {"candidates", candidates},
                           {"table", table_json(table)}};
  return systems::make_outcome(std::move(object), report::to_terminal(text));
}

}  // namespace

systems::Verb make_break_search_verb() {
  return systems::make_verb<BreakVerbOptions>(
      "break-search",
      "find the date at which the trend breaks",
      "Tries every date of a grid, with separate lines on both sides, and compares one line, two lines and a "
      "continuous "
      "broken stick by BIC.",
      {"tenfold trends break-search", "tenfold trends break-search --step 0.5 --json"},
      run);
}

}  // namespace tenfold::compute_trends
