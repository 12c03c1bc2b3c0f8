// SPDX-License-Identifier: Apache-2.0
// The four renderings of a table.
#include "tenfold/report/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string_view>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/report/text.h"

namespace tenfold::report {
namespace {

constexpr int kNarrowest = 4;  // a column is never cut below this many cells

void check_rows(const Table& table) {
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (table.rows[i].size() == table.columns.size()) continue;
    throw Error(ErrorClass::kInternal,
                "report.ragged_table",
                {.what = fmt::format("table {}: row {} has the wrong length", printable(table.title), i + 1),
                 .seen = fmt::format("{} cells", table.rows[i].size()),
                 .wanted = fmt::format("{} cells, one a column", table.columns.size()),
                 .remedy = "fill the missing cells with \"-\""});
  }
}

// Numbers with their signs, intervals, ratios and units of one character; words make a text column.
bool reads_as_number(std::string_view cell, bool& has_digit) {
  bool digit = false;
  for (std::size_t i = 0; i < cell.size(); ++i) {
    const char c = cell[i];
    const bool is_digit = c >= '0' && c <= '9';
    digit = digit || is_digit;
    const bool exponent = (c == 'e' || c == 'E') && i > 0 &&
                          (std::isdigit(static_cast<unsigned char>(cell[i - 1])) != 0 || cell[i - 1] == '.');
    const bool times = c == 'x' && i + 1 == cell.size();
    if (is_digit || exponent || times || std::string_view("+-.,;:[]()%/ ").find(c) != std::string_view::npos)
      continue;
    return false;
  }
  has_digit = has_digit || digit;
  return digit || cell.empty() || cell == "-";
}

using Widths = std::vector<int>;

int total_width(const Widths& widths, Rules rules) {
  const int cells = std::accumulate(widths.begin(), widths.end(), 0);
  const int columns = static_cast<int>(widths.size());
  return rules == Rules::kBox ? cells + 3 * columns + 1 : cells + 2 * std::max(0, columns - 1);
}

void shrink_to(Widths& widths, int max_width, Rules rules) {
  while (max_width > 0 && total_width(widths, rules) > max_width) {
    auto widest = std::max_element(widths.begin(), widths.end());
    if (widest == widths.end() || *widest <= kNarrowest) return;
    --*widest;
  }
}

std::string padded(const std::string& text, int width, bool right) {
  const std::string cut = cut_to_display_width(text, width);
  const std::string space(static_cast<std::size_t>(std::max(0, width - display_width(cut))), ' ');
  return right ? space + cut : cut + space;
}

std::string repeated(std::string_view piece, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += piece;
  return result;
}

struct Layout {
  Widths widths;
  std::vector<bool> right;
  Rules rules;
};

std::string row_line(const std::vector<std::string>& cells, const Layout& layout) {
  const bool box = layout.rules == Rules::kBox;
  std::string line = box ? "│ " : "";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += box ? " │ " : "  ";
    line += padded(one_line(cells[i]), layout.widths[i], layout.right[i]);
  }
  if (box) return line + " │\n";
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

struct RuleEnds {
  std::string_view left, cross, right;
};

std::string rule_line(const Layout& layout, RuleEnds ends) {
  const bool box = layout.rules == Rules::kBox;
  std::string line(box ? ends.left : "");
  for (std::size_t i = 0; i < layout.widths.size(); ++i) {
    if (i > 0) line += box ? ends.cross : "  ";
    line += repeated("─", layout.widths[i] + (box ? 2 : 0));
  }
  line += box ? ends.right : "";
  return line + "\n";
}

// Breaks at spaces; a word longer than the line stays whole.
std::string wrapped(const std::string& text, int max_width) {
  if (max_width <= 0 || display_width(text) <= max_width) return text + "\n";
  std::string result, line;
  for (const std::string& word : split(text, ' ')) {
    if (!line.empty() && display_width(line) + 1 + display_width(word) > max_width) {
      result += line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return result + line + "\n";
}

std::string escape_markdown(std::string_view text) {
  std::string result;
  for (char c : one_line(text)) {
    switch (c) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      case '\\':
      case '|':
      case '`':
      case '*':
      case '_':
      case '[':
      case ']':
      case '~':
      case '$':
        result += '\\';
        result += c;
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string csv_cell(const std::string& text) {
  const bool edge_space = !text.empty() && (text.front() == ' ' || text.back() == ' ');
  if (!edge_space && text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string result = "\"";
  for (char c : text) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + "\"";
}

std::string csv_line(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += ',';
    line += csv_cell(cells[i]);
  }
  // A record of one empty field would be an empty line, which readers skip.
  if (cells.size() == 1 && line.empty()) line = "\"\"";
  return line + "\r\n";
}

std::string html_row(const std::vector<std::string>& cells, const std::vector<bool>& right) {
  std::string row = "<tr>";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    row += fmt::format("<td{}>{}</td>", right[i] ? " class=\"num\"" : "", escape_html(cells[i]));
  }
  return row + "</tr>\n";
}

// "1.20e+21" to "1.2e+21", "5.70" to "5.7".
std::string without_trailing_zeros(std::string text) {
  const std::size_t exponent = std::min(text.find('e'), text.size());
  if (text.substr(0, exponent).find('.') == std::string::npos) return text;
  std::size_t end = exponent;
  while (text[end - 1] == '0') --end;
  if (text[end - 1] == '.') --end;
  return text.erase(end, exponent - end);
}

}  // namespace

std::vector<bool> numeric_columns(const Table& table) {
  check_rows(table);
  std::vector<bool> numeric(table.columns.size(), false);
  for (std::size_t column = 0; column < numeric.size(); ++column) {
    bool has_digit = false;
    const bool all =
        std::all_of(table.rows.begin(), table.rows.end(), [&](const std::vector<std::string>& row) {
          return reads_as_number(trim(row[column]), has_digit);
        });
    numeric[column] = all && has_digit;
  }
  return numeric;
}

std::string to_terminal(const Table& table, int max_width, Rules rules) {
  Layout layout{.widths = {}, .right = numeric_columns(table), .rules = rules};
  for (std::size_t column = 0; column < table.columns.size(); ++column) {
    int width = display_width(one_line(table.columns[column]));
    for (const auto& row : table.rows) width = std::max(width, display_width(one_line(row[column])));
    layout.widths.push_back(width);
  }
  shrink_to(layout.widths, max_width, rules);
  std::string text;
  if (!table.title.empty()) text += wrapped(one_line(table.title), max_width);
  if (!table.columns.empty()) {
    if (rules == Rules::kBox) text += rule_line(layout, {"┌", "┬", "┐"});
    text += row_line(table.columns, layout);
    text += rule_line(layout, {"├", "┼", "┤"});
    for (const auto& row : table.rows) text += row_line(row, layout);
    if (rules == Rules::kBox) text += rule_line(layout, {"└", "┴", "┘"});
  }
  for (const std::string& note : table.notes) text += wrapped(one_line(note), max_width);
  return text;
}

std::string to_markdown(const Table& table) {
  const std::vector<bool> right = numeric_columns(table);
  std::string text;
  if (!table.title.empty()) text += fmt::format("**{}**\n\n", escape_markdown(table.title));
  if (!table.columns.empty()) {
    const auto add_row = [&text](const std::vector<std::string>& cells) {
      text += "|";
      for (const std::string& cell : cells) text += fmt::format(" {} |", escape_markdown(cell));
      text += "\n";
    };
    add_row(table.columns);
    text += "|";
    for (bool number : right) text += number ? " ---: |" : " --- |";
    text += "\n";
    for (const auto& row : table.rows) add_row(row);
  }
  for (const std::string& note : table.notes) text += fmt::format("\n{}\n", escape_markdown(note));
  return text;
}

std::string to_html(const Table& table) {
  const std::vector<bool> right = numeric_columns(table);
  // A focusable box: a wide table scrolls by keyboard too.
  std::string html = "<div class=\"table-box\" tabindex=\"0\" role=\"group\"";
  html +=
      fmt::format(" aria-label=\"{}\">\n<table>\n", escape_html(table.title.empty() ? "Table" : table.title));
  if (!table.title.empty()) html += fmt::format("<caption>{}</caption>\n", escape_html(table.title));
  html += "<thead><tr>";
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    html += fmt::format(
        "<th scope=\"col\"{}>{}</th>", right[i] ? " class=\"num\"" : "", escape_html(table.columns[i]));
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) html += html_row(row, right);
  html += "</tbody>\n</table>\n</div>\n";
  for (const std::string& note : table.notes) {
    html += fmt::format("<p class=\"note\">{}</p>\n", escape_html(note));
  }
  return html;
}

std::string to_csv(const Table& table) {
  check_rows(table);
  std::string csv = csv_line(table.columns);
  for (const auto& row : table.rows) csv += csv_line(row);
  return csv;
}

std::string format_number(double value, int significant_digits) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  if (value == 0.0) return "0";
  const int digits = std::clamp(significant_digits, 1, 17);
  const auto plain = [digits](double v) {
    const int exponent = static_cast<int>(std::floor(std::log10(std::abs(v))));
    return without_trailing_zeros(fmt::format("{:.{}f}", v, std::max(0, digits - 1 - exponent)));
  };
  const double size = std::abs(value);
  if (size >= 1e-3 && size < 1e6) {
    std::string text = plain(value);
    if (std::abs(parse_double(text).value_or(value)) < 1e6) return text;  // 999,999.7 rounds up to 1e+06
  }
  return without_trailing_zeros(fmt::format("{:.{}e}", value, digits - 1));
}

}  // namespace tenfold::report
