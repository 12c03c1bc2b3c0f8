// SPDX-License-Identifier: Apache-2.0
// Hygiene of a table: units mixed up, systems listed twice, dates that cannot be, columns and cells that cannot be read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/systems/compute_trends/table.h"

namespace tenfold::compute_trends {

enum class Severity { kNote, kWarning, kError };
std::string_view to_string(Severity severity);  // "note", "warning", "error"

struct Finding {
  Severity severity = Severity::kNote;
  std::int64_t line = 0;  // 0: the file as a whole
  std::string code;       // "check.unit_row", "date.not_in_calendar", "table.bad_compute", ...
  std::string system;     // name of the row; may be empty
  std::string message;
  std::string remedy;
};

struct CheckOptions {
  TableOptions table;         // skip_bad is set by the check itself
  std::optional<Date> today;  // later dates are errors; empty: the clock's date (UTC)
};

struct CheckReport {
  std::string source;
  std::string sha256;       // empty when the file could not be read to its end
  std::size_t rows = 0;     // read
  std::size_t skipped = 0;  // without compute or date
  std::vector<ColumnUse> columns;
  std::vector<Finding> findings;  // errors first, then by line
  std::size_t errors = 0, warnings = 0, notes = 0;
};

// For the time a table is loaded: does another unit than the one its column was read in explain the figures best?
// The rows that are in another unit, by line, each with the reason and the code "table.mixed_units" (some rows) or
// "table.wrong_unit" (the file as a whole); empty for a sound table. The rules are those of judge_units() in units.h.
std::vector<LeftOutRow> wrong_unit_rows(const Table& table);

// Throws Error(kData, "table.mixed_units" or "table.wrong_unit") that names the file and the first such line, the value
// seen, the range of its year and the ways out (--columns unit=..., correcting the row, --skip-bad).
void check_units(const Table& table);

// Moves such rows to Table::skipped, as bad ones. Throws what check_units() throws when no row would be left.
void skip_wrong_units(Table& table);

// Reads a table as load_table() does and reports everything that is wrong with it instead of stopping at the first
// fault; an empty path checks the embedded table. Throws Error(kFile) when the file cannot be read.
//
// Units: a row's distance to the trend lines of the embedded table (least squares before and after 2010) decides between the units FLOP, petaFLOP and petaflop/s-day: real systems lie within -8 and +5 orders of
// magnitude, a wrong unit moves them by 15 or more. Where parameters and data size are given, 6 N D within 3.5 orders of
// magnitude of the compute clears a row, and 6 N D that is 15 orders off condemns it.
CheckReport check_file(const std::string& path, const CheckOptions& options = {});
CheckReport check_text(std::string_view csv, std::string_view source, const CheckOptions& options = {});

}  // namespace tenfold::compute_trends
