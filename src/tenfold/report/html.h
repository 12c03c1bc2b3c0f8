// SPDX-License-Identifier: Apache-2.0
// The self-contained HTML report: sections of prose, tables and interactive charts, page library embedded, no
// request to any other host, opens from a file.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "tenfold/report/chart.h"
#include "tenfold/report/table.h"

namespace tenfold::report {

struct Paragraph {
  std::string text;  // plain text; everything is escaped
};

struct Preformatted {
  std::string text;
};

using Block = std::variant<Paragraph, Table, Chart, Preformatted>;

// What one system puts into the report.
struct Section {
  std::string id;  // [a-z0-9_-]+
  std::string title;
  std::string summary;  // one sentence under the title: the result, not the topic
  std::vector<Block> blocks;
};

struct Report {
  std::string title;
  std::string subtitle;
  std::vector<Section> sections;
  std::string footer;  // version, machine, licences of the data
};

// One HTML page. Charts carry a still SVG (by gnuplot) as fallback for printing and for readers without
// scripts.
std::string to_html(const Report& report);

// The chart library of the pages as a script (Chart.js; it sets `window.Chart`).
std::string_view chart_library();

}  // namespace tenfold::report
