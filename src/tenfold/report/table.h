// SPDX-License-Identifier: Apache-2.0
// A table once, printed for a terminal, as Markdown, as HTML or as CSV.
#pragma once

#include <string>
#include <vector>

namespace tenfold::report {

struct Table {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  // each as long as `columns`
  std::vector<std::string> notes;              // footnotes, one a line
};

enum class Rules { kSimple, kBox };  // one rule under the header, or a box around the table and its columns

// Numbers are right-aligned (see numeric_columns). Width by code points: a combining mark takes no cell, a
// wide character two. Control characters never reach the terminal. `max_width`: cells are cut with an
// ellipsis in the widest columns, notes are wrapped; 0: never cut. All four throw Error(kInternal,
// "report.ragged_table") when a row is not as long as `columns`.
std::string to_terminal(const Table& table, int max_width = 0, Rules rules = Rules::kSimple);
std::string to_markdown(const Table& table);
std::string to_html(const Table& table);  // <table>, everything escaped
std::string to_csv(const Table& table);   // RFC 4180: header and rows, lines end with CR LF

// One flag a column: true when all its cells read as numbers ("12", "-3.4e5", "7 %", "3x"), intervals
// ("21.3 [17.0; 29.3]"), "-" or nothing, and at least one has a digit.
std::vector<bool> numeric_columns(const Table& table);

// Short decimal text of a measured value: 3 significant digits by default without trailing zeros, whole
// numbers below 1e6 in full, "1.2e+21" outside [1e-3, 1e6).
std::string format_number(double value, int significant_digits = 3);

}  // namespace tenfold::report
