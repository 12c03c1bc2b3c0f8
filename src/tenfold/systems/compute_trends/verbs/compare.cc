// SPDX-License-Identifier: Apache-2.0
// `tenfold trends compare`: the same fits on several snapshots of the data, and where a conclusion changes.
#include "tenfold/systems/compute_trends/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/systems/compute_trends/paper.h"
#include "tenfold/systems/compute_trends/verbs/eras_options.h"
#include "tenfold/systems/compute_trends/verbs/verbs.h"

namespace tenfold::compute_trends {
namespace {

constexpr std::size_t kMostRevisions = 12;

struct CompareVerbOptions {
  std::vector<std::string> csv;
  std::string columns;
  bool skip_bad = false;
  FilterOptions filter;
  EraRuleOptions rule;
  ResampleField bootstrap;

  CompareVerbOptions() { filter.to = "2022-02-11"; }

  void visit_fields(auto&& field) {
    field("csv",
          csv,
          {.help = "tables to set beside the embedded one",
           .positional = true,
           .required = true,
           .file = config::FileUse::kRead});
    field("columns", columns, {.help = "columns by hand, for all tables"});
    field("skip_bad", skip_bad, {.help = "list rows with errors instead of ending there"});
    filter.visit_fields(field);
    rule.visit_fields(field);
    bootstrap.visit_fields(field);
  }
};

struct Snapshot {
  Table table;
  Columns columns;
  ErasReport eras;
};

Snapshot take(Table table, const CompareVerbOptions& options, const systems::Context& context) {
  Snapshot snapshot;
  const Selection selection = select_rows(table, options.filter);
  snapshot.columns = columns_of(selection.rows);
  snapshot.eras =
      find_eras(snapshot.columns.year,
                snapshot.columns.log10_flop,
                to_eras_options(options.rule, options.bootstrap.resamples, snapshot.columns, context));
  snapshot.table = std::move(table);
  snapshot.table.rows = selection.rows;
  return snapshot;
}

bool inside(const EraFit& era, const PaperFigure& figure) {
  return era.fit && era.fit->doubling_months && *era.fit->doubling_months >= figure.low &&
         *era.fit->doubling_months <= figure.high;
}

// Does the slope interval of the large-scale systems overlap that of the regular ones?
bool eras_overlap(const ErasReport& eras) {
  if (!eras.large.bootstrap || !eras.regular.bootstrap) return true;
  const SlopeInterval& large = eras.large.bootstrap->slope;
  const SlopeInterval& regular = eras.regular.bootstrap->slope;
  return large.low <= regular.high && regular.low <= large.high;
}

// Sentences that hold for one snapshot; a conclusion changes where they differ from the first snapshot's.
struct Conclusion {
  std::string text;
  bool holds = false;
};

std::vector<Conclusion> conclusions(const ErasReport& eras) {
  std::vector<Conclusion> list;
  for (const PaperFigure& figure : paper_figures().first(3)) {
    const EraFit& era = figure.era == "before" ? eras.before : figure.era == "large" ? eras.large : eras.all;
    list.push_back(
        {fmt::format(
             "doubling time {} is inside the paper's [{}; {}]", figure.period, figure.low, figure.high),
         inside(era, figure)});
  }
  const bool slower = eras.large.fit && eras.regular.fit && eras.large.fit->line.b < eras.regular.fit->line.b;
  list.push_back({"the large-scale line is slower than the regular one", slower});
  list.push_back(
      {"the intervals of the large-scale and the regular slope do not overlap", !eras_overlap(eras)});
  return list;
}

report::Table fits_table(const std::vector<Snapshot>& snapshots) {
  report::Table table{"Doubling time [months], 95 % interval, number of systems", {"period"}, {}, {}};
  for (const Snapshot& snapshot : snapshots) table.columns.push_back(snapshot.table.source);
  for (const NamedEra& era : named_eras(snapshots.front().eras)) table.rows.push_back({era.title});
  for (const Snapshot& snapshot : snapshots) {
    std::size_t row = 0;
    for (const NamedEra& era : named_eras(snapshot.eras)) {
      const EraFit& fit = *era.era;
      table.rows[row++].push_back(
          fit.fit ? fmt::format("{} {} n {}",
                                months_text(fit.fit->doubling_months),
                                fit.fit->doubling_months ? interval_text(fit.bootstrap->doubling) : "",
                                fit.rows.size())
                  : fit.reason);
    }
  }
  return table;
}

report::Table conclusions_table(const std::vector<Snapshot>& snapshots, nlohmann::json& json) {
  report::Table table{"Conclusions", {"statement"}, {}, {}};
  for (const Snapshot& snapshot : snapshots) table.columns.push_back(snapshot.table.source);
  table.columns.emplace_back("changes");
  std::vector<std::vector<Conclusion>> all;
  for (const Snapshot& snapshot : snapshots) all.push_back(conclusions(snapshot.eras));
  for (std::size_t i = 0; i < all.front().size(); ++i) {
    std::vector<std::string> row = {all.front()[i].text};
    bool changes = false;
    nlohmann::json holds = nlohmann::json::array();
    for (const std::vector<Conclusion>& list : all) {
      row.push_back(list[i].holds ? "yes" : "no");
      holds.push_back(list[i].holds);
      changes = changes || list[i].holds != all.front()[i].holds;
    }
    row.push_back(changes ? "CHANGES" : "-");
    json.push_back({{"statement", all.front()[i].text}, {"holds", holds}, {"changes", changes}});
    table.rows.push_back(std::move(row));
  }
  return table;
}

nlohmann::json snapshot_json(const Snapshot& snapshot) {
  nlohmann::json eras = nlohmann::json::object();
  for (const NamedEra& era : named_eras(snapshot.eras)) {
    if (era.era->fit) {
      eras[era.key] = fit_json(*era.era->fit, &*era.era->bootstrap);
    } else {
      eras[era.key] = {{"n", era.era->rows.size()}, {"reason", era.era->reason}};
    }
  }
  return {{"table", table_json(snapshot.table)},
          {"eras", eras},
          {"large_and_regular_overlap", eras_overlap(snapshot.eras)},
          {"large_scale", pick(snapshot.columns.name, snapshot.eras.large.rows)}};
}

nlohmann::json difference_json(const TableDifference& difference) {
  nlohmann::json changed = nlohmann::json::array();
  for (const MatchedPair& pair : difference.matched) {
    if (!pair.compute_differs && pair.days == 0) continue;
    changed.push_back({{"name", pair.a.name},
                       {"other_name", pair.b.name},
                       {"flop", pair.a.flop},
                       {"other_flop", pair.b.flop},
                       {"ratio", pair.ratio},
                       {"days", pair.days},
                       {"rounding", pair.is_rounding}});
  }
  const auto names = [](const std::vector<SystemRow>& rows) {
    std::vector<std::string> list;
    for (const SystemRow& row : rows) list.push_back(row.name);
    return list;
  };
  return {{"same", difference.same},
          {"compute_differs", difference.compute_differs},
          {"of_these_rounding", difference.rounding},
          {"date_differs", difference.date_differs},
          {"changed", changed},
          {"only_embedded", names(difference.only_a)},
          {"only_here", names(difference.only_b)}};
}

// The largest revisions; rounding to fewer digits is counted but not listed.
report::Table difference_table(const TableDifference& difference, std::size_t most) {
  report::Table table{
      fmt::format("{} beside {}: {} pairs equal, {} differ in compute ({} by rounding only), {} in date, "
                  "{} rows only here, {} only embedded",
                  difference.source_b,
                  difference.source_a,
                  difference.same,
                  difference.compute_differs,
                  difference.rounding,
                  difference.date_differs,
                  difference.only_b.size(),
                  difference.only_a.size()),
      {"largest revisions", "embedded [FLOP]", "here [FLOP]", "ratio"},
      {},
      {}};
  std::vector<const MatchedPair*> revised;
  for (const MatchedPair& pair : difference.matched) {
    if (pair.compute_differs && !pair.is_rounding) revised.push_back(&pair);
  }
  std::stable_sort(revised.begin(), revised.end(), [](const MatchedPair* a, const MatchedPair* b) {
    return std::abs(std::log(a->ratio)) > std::abs(std::log(b->ratio));
  });
  for (std::size_t i = 0; i < std::min(most, revised.size()); ++i) {
    table.rows.push_back({revised[i]->a.name,
                          fmt::format("{:.2e}", revised[i]->a.flop),
                          fmt::format("{:.2e}", revised[i]->b.flop),
                          fmt::format("{:.2g}", revised[i]->ratio)});
  }
  return table;
}

systems::Outcome compare(const CompareVerbOptions& options, systems::Context& context) {
  std::vector<Snapshot> snapshots = {take(embedded_table(), options, context)};
  for (const std::string& path : options.csv) {
    context.progress("reading " + path);
    snapshots.push_back(take(read_table({path, options.columns, options.skip_bad}), options, context));
  }
  nlohmann::json statements = nlohmann::json::array();
  std::string text = report::to_terminal(fits_table(snapshots)) + "\n" +
                     report::to_terminal(conclusions_table(snapshots, statements));
  nlohmann::json list = nlohmann::json::array();
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    const Snapshot& snapshot = snapshots[i];
    nlohmann::json object = snapshot_json(snapshot);
    text += "\n" + source_note(snapshot.table);
    if (eras_overlap(snapshot.eras)) {
      text +=
          fmt::format("\n{}: the large-scale and the regular slope cannot be told apart (intervals overlap).",
                      snapshot.table.source);
    }
    if (i > 0) {
      const TableDifference difference = compare_tables(snapshots.front().table, snapshot.table);
      object["difference"] = difference_json(difference);
      text += "\n" + report::to_terminal(difference_table(difference, kMostRevisions));
    }
    list.push_back(std::move(object));
  }
  return systems::make_outcome({{"snapshots", list}, {"conclusions", statements}}, std::move(text));
}

}  // namespace

systems::Verb make_compare_verb() {
  return systems::make_verb<CompareVerbOptions>(
      "compare",
      "fit several snapshots of the data side by side and say where a conclusion changes",
      "Every table is set beside the embedded one: the same fits, the paper's statements checked on each, "
      "and the rows "
      "that differ. Rows after 11 February 2022, the paper's last day, are left out unless --to says "
      "otherwise.",
      {},
      compare);
}

}  // namespace tenfold::compute_trends
