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

// Numbers are right-aligned (a column whose cells all read as numbers, intervals or "-"). Width by code
// points. `max_width`: cells are cut with an ellipsis in the widest columns; 0: never cut.
std::string to_terminal(const Table& table, int max_width = 0);
std::string to_markdown(const Table& table);
std::string to_html(const Table& table);  // <table>, everything escaped
std::string to_csv(const Table& table);   // RFC 4180: header and rows, lines end with CR LF

// One flag a column: true when to_terminal and to_html align it to the right.
std::vector<bool> numeric_columns(const Table& table);

// Short decimal text of a measured value: 3 significant digits by default, "1.2e+21" outside [1e-3, 1e6).
std::string format_number(double value, int significant_digits = 3);

}  // namespace tenfold::report
