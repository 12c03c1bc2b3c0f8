// SPDX-License-Identifier: Apache-2.0
// The data record of one machine-learning system, and the table of them: read from the embedded file or a
// user's CSV, then filtered, with a reason for every row that is left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/systems/compute_trends/date.h"
#include "tenfold/systems/compute_trends/quantity.h"

namespace tenfold::compute_trends {

// One system (specification section 2.1). Texts are empty and optionals are unset where the file says
// nothing.
struct SystemRow {
  std::string name;
  Date date;  // of publication
  double decimal_year = 0.0;
  std::string domain;  // "Vision", "Language", "Games", ...; as the file writes it
  std::string organization;
  double flop = 0.0;  // of the final training run, or the figure of TableOptions::quantity; finite and > 0
  std::optional<double> parameters;
  std::optional<double> dataset_size;  // datapoints
  std::optional<double> citations;
  std::optional<double> epochs;
  std::string hardware;
  std::optional<double> hardware_quantity;  // chips
  std::optional<double> training_hours;
  std::optional<double> utilisation;  // share of the peak rate, 0 to 1
  std::string method;                 // how the file's makers estimated the compute
  std::string confidence;
  std::optional<double> cost;   // in the table's currency
  std::optional<double> power;  // W, as the table gives it
  std::int64_t line = 0;        // where the row starts in its file, 1 is the header
};

double log10_flop(const SystemRow& row);

// A row of the file that is not in the table, or a row of the table that a filter left out.
struct LeftOutRow {
  std::string name;
  std::int64_t line = 0;
  std::string reason;  // "no training compute", "outside 1952-01-01 <= date < 2010-01-01"
  std::string code;    // "table.no_compute", "date.not_in_calendar", "filter.period", ...
  bool bad = false;    // the row is wrong, not merely without data or outside a filter
};

// How one column of the file was understood.
struct ColumnUse {
  std::string header;   // as in the file
  std::string meaning;  // "flop", "date", "name", ...
  std::string unit;     // "petaFLOP"; empty where there is none
};

struct Table {
  std::vector<SystemRow> rows;        // by date, then by line
  std::vector<LeftOutRow> skipped;    // by line
  std::string source;                 // file name without folders, or "embedded systems.csv"
  std::string sha256;                 // of the file's bytes
  std::string license;                // the credit line exports must carry; empty where none is known
  std::vector<std::string> warnings;  // one sentence each
  std::vector<ColumnUse> columns;     // those in use, in the file's order
  Quantity quantity = Quantity::kFlop;
  std::string unit = "FLOP";  // of the quantity: "FLOP", "W", "2023 USD"; empty for counts
  bool unit_stated = false;   // the user named the unit of compute (TableOptions::columns)
};

struct TableOptions {
  std::string columns;  // "name=System,date=Publication date,flop=Compute,unit=petaFLOP"; empty: by name
  Quantity quantity =
      Quantity::kFlop;       // its figure is SystemRow::flop; rows without it are listed as skipped
  bool allow_empty = false;  // a file without a usable row gives a table without rows
  bool skip_bad = false;     // rows with errors are listed in Table::skipped instead of ending the reading
  std::string license;       // credit line of the file; empty: its column "license", else by its layout
  std::uint64_t max_bytes = std::uint64_t{64} << 20;
  std::int64_t max_rows = 200'000;
};

// The 123 systems of arXiv 2202.05924 (data/compute_trends/SOURCE).
Table embedded_table();

// Reads a CSV file (RFC 4180) row by row. Columns: see columns.h. Rows without compute or without a date are
// listed in `skipped`. Throws Error(kData) with the line number for compute that is not a number, not finite
// or <= 0
// ("table.bad_compute"), dates that do not exist ("date.*"), a second row with the same name, date and
// compute
// ("table.duplicate_system"), a missing column ("columns.missing"), a file without rows ("table.empty"), a
// file beyond max_bytes or max_rows ("table.too_large"); Error(kFile) when it cannot be read.
Table load_table(const Path& path, const TableOptions& options = {});

// The same for text in memory; `source` names it in messages.
Table parse_table(std::string_view csv, std::string_view source, const TableOptions& options = {});

// embedded_table() for an empty path, load_table() otherwise.
Table load_or_embedded(const std::string& path, const TableOptions& options = {});

// Which rows a fit is about. Empty lists and texts do not limit. Texts are compared without regard to case.
struct RowFilter {
  Period period;
  std::vector<std::string> domains;  // the row's domain (one of them, when it lists several) is one of these
  std::vector<std::string> organizations;  // the row's organisation contains one of these
  std::string name;                        // the row's name contains this
};

struct Selection {
  std::vector<SystemRow> rows;       // by date
  std::vector<LeftOutRow> excluded;  // by date, with the first reason that applied
};

// Throws Error(kUsage, "filter.unknown_domain") with the domains of the table when a domain occurs in no row.
// An empty selection is not an error here: a fit says how many rows it needs.
Selection select(const Table& table, const RowFilter& filter);

// The organisations of a row, one text each: the cell split at ',' and ';'. Empty when the cell is.
std::vector<std::string> organizations(const SystemRow& row);

// Distinct domains of the table in alphabetical order; a cell "Language,Vision" counts as both.
std::vector<std::string> domains(const Table& table);

}  // namespace tenfold::compute_trends
