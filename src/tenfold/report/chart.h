// SPDX-License-Identifier: Apache-2.0
// Charts as data. One Chart renders as SVG or PNG by gnuplot (report/gnuplot.h) and as an interactive chart of the
// HTML report (report/html.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tenfold::report {

enum class Mark { kLine, kPoints, kRings, kStars, kBars };

struct Series {
  std::string name;                  // legend entry; empty: not in the legend
  Mark mark = Mark::kLine;
  std::vector<double> x;             // for kBars: position, see Chart::categories
  std::vector<double> y;
  std::vector<double> low, high;     // band (lines) or error bar (points, bars); empty or as long as y
  std::vector<std::string> labels;   // a name per point for tooltips; empty or as long as y
  std::vector<bool> annotate;        // print that point's label in the picture too; empty: none
  int color = -1;                    // index into the palette; -1: next free one
  bool dashed = false;
};

struct Axis {
  std::string title;                 // with the unit: "training compute [FLOP]"
  bool logarithmic = false;
  std::optional<double> min, max;    // data range when empty
};

struct Chart {
  std::string id;                    // file name and element id: [a-z0-9_-]+
  std::string title;
  std::string caption;               // what to see in it, one or two sentences
  Axis x, y;
  std::vector<Series> series;
  std::vector<std::string> categories;  // x labels of a bar chart
};

// Throws Error(kInternal) when lengths disagree, Error(kData) when a value cannot stand on a logarithmic axis.
void check(const Chart& chart);

// Colour-blind-safe palette (Okabe and Ito 2008) as "#rrggbb"; `index` wraps around.
std::string palette_color(int index);

}  // namespace tenfold::report
