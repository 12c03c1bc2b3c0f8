// SPDX-License-Identifier: Apache-2.0
// `tenfold trends export`: a table in this program's columns as CSV, with the credit line of its makers.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/systems/compute_trends/verbs/rows.h"
#include "tenfold/systems/compute_trends/verbs/verbs.h"

namespace tenfold::compute_trends {
namespace {

struct ExportOptions {
  SourceOptions source;
  FilterOptions filter;
  void visit_fields(auto&& field) {
    source.visit_fields(field);
    filter.visit_fields(field);
  }
};

systems::Outcome export_table(const ExportOptions& options, systems::Context& context) {
  const Table table = read_table(options.source);
  const Selection selection = select_rows(table, options.filter);
  report::Table text{
      "", {"name", "date", "domain", "organization", "parameters", "training_flop", "license"}, {}, {}};
  nlohmann::json rows = nlohmann::json::array();
  for (const SystemRow& row : selection.rows) {
    const std::string parameters = row.parameters ? fmt::format("{:g}", *row.parameters) : "";
    text.rows.push_back({row.name,
                         to_string(row.date),
                         row.domain,
                         row.organization,
                         parameters,
                         fmt::format("{}", row.flop),
                         table.license});
    rows.push_back(
        {{"name", row.name},
         {"date", to_string(row.date)},
         {"domain", row.domain},
         {"organization", row.organization},
         {"parameters", row.parameters ? nlohmann::json(*row.parameters) : nlohmann::json(nullptr)},
         {"training_flop", row.flop}});
  }
  std::string csv = report::to_csv(text);
  if (!context.out.empty()) write_file_atomically(*context.files, context.out / "systems.csv", csv);
  return systems::make_outcome({{"systems", rows}, {"license", table.license}, {"table", table_json(table)}},
                               std::move(csv));
}

}  // namespace

systems::Verb make_export_verb() {
  return systems::make_verb<ExportOptions>(
      "export",
      "print the table as CSV in this program's columns",
      "Every row carries the credit line of the data.",
      {"tenfold trends export --from 2020", "tenfold trends export --domain Games --json"},
      export_table);
}

}  // namespace tenfold::compute_trends
