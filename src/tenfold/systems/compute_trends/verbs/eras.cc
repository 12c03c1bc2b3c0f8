// SPDX-License-Identifier: Apache-2.0
// `tenfold trends eras`: the paper's periods on any table, beside the paper's own figures.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/systems/compute_trends/paper.h"
#include "tenfold/systems/compute_trends/verbs/eras_options.h"
#include "tenfold/systems/compute_trends/verbs/null_text.h"
#include "tenfold/systems/compute_trends/verbs/rows.h"
#include "tenfold/systems/compute_trends/verbs/verbs.h"

namespace tenfold::compute_trends {
namespace {

nlohmann::json era_json(const EraFit& era, const Columns& columns) {
  nlohmann::json object = {{"n", era.rows.size()}, {"systems", pick(columns.name, era.rows)}};
  if (era.fit) {
    object.update(fit_json(*era.fit, era.bootstrap ? &*era.bootstrap : nullptr));
  } else {
    object["reason"] = era.reason;
  }
  return object;
}

std::vector<std::string> era_cells(const std::string& name, const EraFit& era) {
  if (era.fit) return fit_cells(name, *era.fit, era.bootstrap ? &*era.bootstrap : nullptr);
  return {name, std::to_string(era.rows.size()), "-", "-", "-", "-", era.reason};
}

nlohmann::json sensitivity_json(const ErasReport& report) {
  nlohmann::json list = nlohmann::json::array();
  const auto months = [](const std::optional<Fit>& fit) {
    return fit && fit->doubling_months ? nlohmann::json(*fit->doubling_months) : nlohmann::json(nullptr);
  };
  for (const SplitSensitivity& row : report.sensitivity) {
    list.push_back({{"z", row.z},
                    {"window", row.window},
                    {"mode", to_string(row.mode)},
                    {"n_large", row.n_large},
                    {"n_regular", row.n_regular},
                    {"large_doubling_months", months(row.large)},
                    {"regular_doubling_months", months(row.regular)}});
  }
  return list;
}

report::Table sensitivity_table(const ErasReport& report) {
  report::Table table{"How the split depends on its rule",
                      {"z", "window [years]", "mode", "large", "doubling", "regular", "doubling"},
                      {},
                      {}};
  const auto months = [](const std::optional<Fit>& fit) {
    return fit ? months_text(fit->doubling_months) : "-";
  };
  for (const SplitSensitivity& row : report.sensitivity) {
    table.rows.push_back({fmt::format("{}", row.z),
                          fmt::format("{}", row.window),
                          std::string(to_string(row.mode)),
                          std::to_string(row.n_large),
                          months(row.large),
                          std::to_string(row.n_regular),
                          months(row.regular)});
  }
  return table;
}

// The null study beside the third claim: a small one, enough to say how weak the evidence is.
std::string null_judgement(const Columns& columns,
                           const ErasVerbOptions& options,
                           const systems::Context& context) {
  const Columns rows = deep_learning_rows(columns, to_eras_options(options.rule, 1, columns, context));
  try {
    return null_reading(null_studies(rows, to_large_scale_rule(options.rule), 2000, context)) +
           " More: tenfold trends null-study.";
  } catch (const Error& error) {
    if (error.error_class() != ErrorClass::kData) throw;
    return "No null study: " + error.text().what + ".";
  }
}

// Files of --out beside the result: the comparison with the paper as Markdown, the fits as CSV.
void write_tables(const ErasReport& report, const report::Table& fits, const systems::Context& context) {
  if (context.out.empty()) return;
  write_file_atomically(*context.files, context.out / "paper.md", report::to_markdown(paper_table(report)));
  write_file_atomically(*context.files, context.out / "eras.csv", report::to_csv(fits));
}

systems::Outcome eras(const ErasVerbOptions& options, systems::Context& context) {
  const auto [table, selection, columns, report] = read_eras(options, context);
  report::Table fits{"The eras of " + table.source, fit_columns(), {}, {}};
  nlohmann::json eras = nlohmann::json::object();
  for (const NamedEra& era : named_eras(report)) {
    fits.rows.push_back(era_cells(era.title, *era.era));
    eras[era.key] = era_json(*era.era, columns);
  }
  const auto names = [&columns = columns](const std::vector<std::size_t>& rows) {
    return rows.empty() ? std::string("none") : join(pick(columns.name, rows), ", ");
  };
  fits.notes.push_back("Low outliers: " + names(report.low));
  fits.notes.push_back("Large-scale: " + names(report.large.rows));
  for (const Gap& gap : report.gaps) {
    fits.notes.push_back(fmt::format(
        "In {:.0f} the large-scale line lies {:.1f} OOM above the regular one.", gap.year, gap.oom));
  }
  const std::string judgement = null_judgement(columns, options, context);
  fits.notes.push_back(judgement);
  fits.notes.push_back(source_note(table));
  nlohmann::json gaps = nlohmann::json::array();
  for (const Gap& gap : report.gaps) gaps.push_back({{"year", gap.year}, {"oom", gap.oom}});
  nlohmann::json object = {{"eras", eras},
                           {"low_outliers", pick(columns.name, report.low)},
                           {"large_scale", pick(columns.name, report.large.rows)},
                           {"gaps", gaps},
                           {"sensitivity", sensitivity_json(report)},
                           {"paper", paper_json(report)},
                           {"null_study", judgement},
                           {"table", table_json(table)},
                           {"excluded", left_out_json(selection.excluded)}};
  write_tables(report, fits, context);
  std::string text = report::to_terminal(fits) + "\n" + report::to_terminal(paper_table(report)) + "\n" +
                     report::to_terminal(sensitivity_table(report));
  return systems::make_outcome(std::move(object), std::move(text));
}

}  // namespace

systems::Verb make_eras_verb() {
  return systems::make_verb<ErasVerbOptions>(
      "eras",
      "the three eras: before deep learning, deep learning, large-scale",
      "Low outliers are rows more than --low-sd standard deviations below the 2010-2022 line. A system is "
      "large-scale "
      "when its log compute lies more than --z standard deviations above the mean of its window. The tables "
      "show the "
      "paper's figures beside ours and how much the split depends on its rule.",
      {"tenfold trends eras",
       "tenfold trends eras --z 0.76 --window 1 --json",
       "tenfold trends eras --mode past-only"},
      eras);
}

}  // namespace tenfold::compute_trends
