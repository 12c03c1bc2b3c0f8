// SPDX-License-Identifier: Apache-2.0
#include "tenfold/report/table.h"

#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "tenfold/base/error.h"
#include "tenfold/report/text.h"

namespace tenfold::report {
namespace {

Table sample() {
  return {.title = "Doubling times",
          .columns = {"period", "n", "months"},
          .rows = {{"first", "19", "21.3 [17.0; 29.3]"}, {"second", "111", "-"}},
          .notes = {"A note."}};
}

TEST(TerminalTable, AlignsTextLeftAndNumbersRight) {
  EXPECT_EQ(to_terminal(sample()),
            "Doubling times\n"
            "period    n             months\n"
            "──────  ───  ─────────────────\n"
            "first    19  21.3 [17.0; 29.3]\n"
            "second  111                  -\n"
            "A note.\n");
}

TEST(TerminalTable, BoxSurroundsEveryCell) {
  Table table{.columns = {"a", "b"}, .rows = {{"x", "1"}, {"y", "22"}}};
  EXPECT_EQ(to_terminal(table, 0, Rules::kBox),
            "┌───┬────┐\n"
            "│ a │  b │\n"
            "├───┼────┤\n"
            "│ x │  1 │\n"
            "│ y │ 22 │\n"
            "└───┴────┘\n");
}

TEST(TerminalTable, WideAndCombiningCharactersKeepTheColumns) {
  Table table{.columns = {"name", "end"},
              .rows = {{"\u4E2D\u6587", "x"}, {"e\u0301e\u0301", "x"}, {"abcd", "x"}}};
  std::istringstream lines(to_terminal(table));
  std::string line;
  std::getline(lines, line);
  std::getline(lines, line);
  while (std::getline(lines, line)) EXPECT_EQ(display_width(line), 7) << line;
}

TEST(TerminalTable, CutsTheWidestColumnsToTheWidth) {
  Table table{.columns = {"id", "text"}, .rows = {{"a1", "a rather long sentence in one cell"}}};
  for (Rules rules : {Rules::kSimple, Rules::kBox}) {
    const std::string text = to_terminal(table, 20, rules);
    std::istringstream lines(text);
    std::string line;
    while (std::getline(lines, line)) EXPECT_LE(display_width(line), 20) << line;
    EXPECT_NE(text.find("a1"), std::string::npos);
    EXPECT_NE(text.find("\u2026"), std::string::npos);
  }
}

TEST(TerminalTable, EscapeSequencesOfACellDoNotReachTheTerminal) {
  Table table{.title = "\x1b]0;title\x07", .columns = {"a"}, .rows = {{"\x1b[2J\nsecond line\r"}}};
  const std::string text = to_terminal(table);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\x07'), std::string::npos);
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
}

TEST(TerminalTable, NotesWrapAtTheWidth) {
  Table table{.columns = {"a"}, .rows = {}, .notes = {"one two three four"}};
  EXPECT_NE(to_terminal(table, 9).find("one two\nthree\nfour\n"), std::string::npos);
}

TEST(MarkdownTable, EscapesWhatMarkdownReads) {
  Table table{.title = "a*b", .columns = {"x|y", "n"}, .rows = {{"<b> `c` [d](e) _f_\ng \\ &", "1"}}};
  EXPECT_EQ(to_markdown(table),
            "**a\\*b**\n\n"
            "| x\\|y | n |\n"
            "| --- | ---: |\n"
            "| &lt;b&gt; \\`c\\` \\[d\\](e) \\_f\\_ g \\\\ &amp; | 1 |\n");
}

TEST(HtmlTable, EscapesCellsAndMarksNumbers) {
  Table table{.title = "<i>",
              .columns = {"name", "n"},
              .rows = {{"<script>alert(1)</script>", "1"}},
              .notes = {"a & b"}};
  const std::string html = to_html(table);
  EXPECT_NE(html.find("<caption>&lt;i&gt;</caption>"), std::string::npos);
  EXPECT_NE(html.find("<td>&lt;script&gt;alert(1)&lt;/script&gt;</td><td class=\"num\">1</td>"),
            std::string::npos);
  EXPECT_NE(html.find("<th scope=\"col\">name</th><th scope=\"col\" class=\"num\">n</th>"),
            std::string::npos);
  EXPECT_NE(html.find("a &amp; b"), std::string::npos);
  EXPECT_EQ(html.find("<script"), std::string::npos);
}

TEST(CsvTable, QuotesAsRfc4180) {
  Table table{.title = "not in the file",
              .columns = {"a", "b"},
              .rows = {{"x,y", "say \"hi\""}, {"two\nlines", " pad "}}};
  EXPECT_EQ(to_csv(table), "a,b\r\n\"x,y\",\"say \"\"hi\"\"\"\r\n\"two\nlines\",\" pad \"\r\n");
}

TEST(CsvTable, OneEmptyFieldIsNotAnEmptyLine) {
  EXPECT_EQ(to_csv({.columns = {"a"}, .rows = {{""}}}), "a\r\n\"\"\r\n");
}

TEST(Table, RaggedRowsAreABug) {
  const Table table{.title = "t", .columns = {"a", "b"}, .rows = {{"1", "2"}, {"3"}}};
  for (int form = 0; form < 4; ++form) {
    try {
      if (form == 0) to_terminal(table);
      if (form == 1) to_markdown(table);
      if (form == 2) to_html(table);
      if (form == 3) to_csv(table);
      ADD_FAILURE() << "form " << form << " accepted a ragged table";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "report.ragged_table");
      EXPECT_NE(error.text().what.find("row 2"), std::string::npos);
    }
  }
}

TEST(Table, NumericColumns) {
  const Table table{.columns = {"a", "b", "c", "d", "e", "f", "g"},
                    .rows = {{"1.5", "3e23", "+0.1", "-", "x86", "7 %", "2.5x"},
                             {"-2", "1.2E-7", "[1; 2]", "-", "12", "", "11x"}}};
  EXPECT_EQ(numeric_columns(table), (std::vector<bool>{true, true, true, false, false, true, true}));
}

TEST(FormatNumber, ThreeSignificantDigits) {
  EXPECT_EQ(format_number(0), "0");
  EXPECT_EQ(format_number(2), "2");
  EXPECT_EQ(format_number(5.7), "5.7");
  EXPECT_EQ(format_number(21.34), "21.3");
  EXPECT_EQ(format_number(-0.012345), "-0.0123");
  EXPECT_EQ(format_number(9.996), "10");
  EXPECT_EQ(format_number(12345), "12345");
  EXPECT_EQ(format_number(999999.4), "999999");
  EXPECT_EQ(format_number(0.001), "0.001");
}

TEST(FormatNumber, PowersOutsideThePlainRange) {
  EXPECT_EQ(format_number(1.2e21), "1.2e+21");
  EXPECT_EQ(format_number(1e6), "1e+06");
  EXPECT_EQ(format_number(999999.7), "1e+06");
  EXPECT_EQ(format_number(0.00012345), "1.23e-04");
  EXPECT_EQ(format_number(3.14159e-8, 5), "3.1416e-08");
}

TEST(FormatNumber, WhatIsNotFinite) {
  EXPECT_EQ(format_number(std::numeric_limits<double>::quiet_NaN()), "nan");
  EXPECT_EQ(format_number(-std::numeric_limits<double>::infinity()), "-inf");
}

}  // namespace
}  // namespace tenfold::report
