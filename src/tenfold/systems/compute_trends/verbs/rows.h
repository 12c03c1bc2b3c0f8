// SPDX-License-Identifier: Apache-2.0
// What most verbs of `tenfold trends` share: where the table comes from, which rows are looked at, and how a fit is
// printed.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/compute_trends/bootstrap.h"
#include "tenfold/systems/compute_trends/regression.h"
#include "tenfold/systems/compute_trends/table.h"

namespace tenfold::compute_trends {

// Fields of a verb that reads one table.
struct SourceOptions {
  std::string csv;
  std::string columns;
  bool skip_bad = false;

  void visit_fields(auto&& field) {
    field("csv",
          csv,
          {.help = "table to read; the embedded 123 systems when left out",
           .positional = true,
           .file = config::FileUse::kRead});
    field("columns",
          columns,
          {.help = "columns by hand: name=System,date=Published,flop=Compute,unit=petaFLOP"});
    field("skip_bad", skip_bad, {.help = "list rows with errors instead of ending there"});
  }
};

// Fields of a verb that looks at a part of it.
struct FilterOptions {
  std::string from;
  std::string until;
  std::string to;
  std::vector<std::string> domain;
  std::vector<std::string> organization;
  std::string name;

  void visit_fields(auto&& field) {
    field("from", from, {.help = "first day, month or year looked at"});
    field("until", until, {.help = "first day, month or year no longer looked at"});
    field("to", to, {.help = "last day, month or year looked at"});
    field("domain", domain, {.help = "only these domains"});
    field("organization", organization, {.help = "only organisations whose name contains one of these"});
    field("name", name, {.help = "only systems whose name contains this"});
  }
};

Table read_table(const SourceOptions& options, Quantity quantity = Quantity::kFlop);
Selection select_rows(const Table& table, const FilterOptions& options);

// The columns of a selection as the statistics want them.
struct Columns {
  std::vector<double> year;
  std::vector<double> log10_flop;
  std::vector<int> organization;  // equal numbers for equal organisations; each unnamed one stands alone
  std::vector<std::string> name;
};
Columns columns_of(const std::vector<SystemRow>& rows);

std::vector<std::string> pick(const std::vector<std::string>& values, const std::vector<std::size_t>& rows);

// n, slope, doubling, r2, scale, and with a bootstrap the interval: keys of docs/trends.md.
nlohmann::json fit_json(const Fit& fit, const BootstrapReport* bootstrap);

// The keys of fit_json() that name FLOP, for another quantity: "start", "end", "log10_at_2000".
void rename_for_quantity(nlohmann::json& fit, Quantity quantity);

// "level [W]"
std::string with_unit(std::string_view name, const Table& table);

// File, hash, licence, counts of rows used and skipped.
nlohmann::json table_json(const Table& table);
nlohmann::json left_out_json(const std::vector<LeftOutRow>& rows);

// One row of a table of fits: name | n | OOM/year | doubling | interval | R2 | scale.
std::vector<std::string> fit_columns(double confidence = 0.95);
std::vector<std::string> fit_cells(const std::string& name, const Fit& fit, const BootstrapReport* bootstrap);

// "Data: systems.csv. <credit line>"
std::string source_note(const Table& table);

std::string months_text(std::optional<double> months);         // "21.0" or "no doubling"
std::string scale_text(double start_log10, double end_log10);  // "3e4 -> 2e14"

}  // namespace tenfold::compute_trends
