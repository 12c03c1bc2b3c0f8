// SPDX-License-Identifier: Apache-2.0
// Charts as data. One Chart renders as SVG or PNG by gnuplot (report/gnuplot.h) and as an interactive chart
// of the HTML report (report/html.h).
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tenfold::report {

enum class Mark { kLine, kPoints, kRings, kStars, kBars };

struct Series {
  std::string name;  // legend entry; empty: not in the legend
  Mark mark = Mark::kLine;
  std::vector<double> x;  // for kBars: position, see Chart::categories
  std::vector<double> y;
  std::vector<double> low, high;    // band (lines) or error bar (points, bars); empty or as long as y
  std::vector<std::string> labels;  // a name per point for tooltips; empty or as long as y
  std::vector<bool> annotate;       // print that point's label in the picture too; empty: none
  int color = -1;                   // index into the palette; -1: next free one
  bool dashed = false;
};

struct Axis {
  std::string title;  // with the unit: "training compute [FLOP]"
  bool logarithmic = false;
  std::optional<double> min, max;  // data range when empty
};

// A shaded stretch of the x axis with its name above the plot; x0 == x1 draws one vertical line.
struct Span {
  double x0 = 0.0, x1 = 0.0;
  std::string label;  // empty: no name
};

struct Chart {
  std::string id;  // file name and element id: [a-z0-9_-]+
  std::string title;
  std::string caption;  // what to see in it, one or two sentences
  Axis x, y;
  std::vector<Series> series;
  std::vector<std::string> categories;  // x labels of a bar chart: position i stands for categories[i]
  std::vector<Span> spans;              // eras and borders, drawn behind the data
};

// Throws Error(kInternal) when lengths disagree, the identifier is malformed or an axis range is empty,
// Error(kData) when a value is not finite or cannot stand on a logarithmic axis; the text names the series.
void check(const Chart& chart);

// Colour-blind-safe palette (Okabe and Ito 2008, with the grey that R's palette.colors adds) as "#rrggbb"; `index` wraps
// around. The order puts the colours with the strongest contrast on white first, yellow last.
inline constexpr int kPaletteSize = 9;
std::string palette_color(int index);

// How one series is told from the others: by colour, and by point shape or dash pattern for those who see no
// colour.
struct SeriesStyle {
  int color = 0;              // index into the palette
  int shape = 0;              // index of the point shape, 0..kShapeCount-1
  int dash = 0;               // index of the dash pattern, 0 is solid
  bool line_markers = false;  // a line drawn with sparse point marks (charts of lines only)
};
inline constexpr int kShapeCount = 7;  // circle, square, triangle, diamond, triangle down, cross, plus

// One style a series. A series without a colour takes the first one no other series asked for.
std::vector<SeriesStyle> series_styles(const Chart& chart);

// Lengths of dash and gap in pixels for SeriesStyle::dash; empty for a solid line.
std::vector<int> dash_lengths(int dash);

}  // namespace tenfold::report
