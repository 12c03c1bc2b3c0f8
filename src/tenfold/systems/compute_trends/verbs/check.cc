// SPDX-License-Identifier: Apache-2.0
// `tenfold trends check`: what is wrong with a table.
#include "tenfold/systems/compute_trends/check.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/compute_trends/verbs/verbs.h"

namespace tenfold::compute_trends {
namespace {

struct CheckVerbOptions {
  std::string csv;
  std::string columns;
  std::string severity = "note";

  void visit_fields(auto&& field) {
    field("csv",
          csv,
          {.help = "table to check; the embedded one when left out",
           .positional = true,
           .file = config::FileUse::kRead});
    field("columns",
          columns,
          {.help = "columns by hand: name=System,date=Published,flop=Compute,unit=petaFLOP"});
    field("severity", severity, {.help = "least severity to list", .choices = {"note", "warning", "error"}});
  }
};

Severity to_severity(const std::string& name) {
  if (name == "error") return Severity::kError;
  return name == "warning" ? Severity::kWarning : Severity::kNote;
}

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

systems::Outcome check(const CheckVerbOptions& options, systems::Context&) {
  CheckOptions checking;
  checking.table.columns = options.columns;
  const CheckReport report = check_file(options.csv, checking);
  report::Table table{fmt::format("{}: {} read, {} skipped, {}, {}, {}",
                                  report.source,
                                  counted(report.rows, "row"),
                                  report.skipped,
                                  counted(report.errors, "error"),
                                  counted(report.warnings, "warning"),
                                  counted(report.notes, "note")),
                      {"line", "severity", "what", "remedy"},
                      {},
                      {}};
  nlohmann::json findings = nlohmann::json::array();
  for (const Finding& finding : report.findings) {
    if (finding.severity < to_severity(options.severity)) continue;
    table.rows.push_back({finding.line == 0 ? "-" : std::to_string(finding.line),
                          std::string(to_string(finding.severity)),
                          finding.message,
                          finding.remedy});
    findings.push_back({{"severity", to_string(finding.severity)},
                        {"line", finding.line},
                        {"code", finding.code},
                        {"system", finding.system},
                        {"message", finding.message},
                        {"remedy", finding.remedy}});
  }
  nlohmann::json columns = nlohmann::json::array();
  for (const ColumnUse& column : report.columns) {
    columns.push_back({{"header", column.header}, {"meaning", column.meaning}, {"unit", column.unit}});
  }
  nlohmann::json object = {{"source", report.source},
                           {"sha256", report.sha256},
                           {"rows", report.rows},
                           {"skipped", report.skipped},
                           {"columns", columns},
                           {"errors", report.errors},
                           {"warnings", report.warnings},
                           {"notes", report.notes},
                           {"findings", findings}};
  const int exit_code = report.errors > 0 ? static_cast<int>(ErrorClass::kData) : 0;
  return systems::make_outcome(std::move(object), report::to_terminal(table), exit_code);
}

}  // namespace

systems::Verb make_check_verb() {
  return systems::make_verb<CheckVerbOptions>(
      "check",
      "find wrong units, duplicates, impossible dates and unreadable cells in a table",
      "Lists everything at once with line numbers. Exit code 4 when there is an error, 0 when there are "
      "warnings only.",
      {"tenfold trends check", "tenfold trends check --severity warning --json"},
      check);
}

}  // namespace tenfold::compute_trends
