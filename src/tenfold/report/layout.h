// SPDX-License-Identifier: Apache-2.0
// Where everything of a picture stands, in pixels: plot area, legend, names of spans, labels of points.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tenfold/report/axis_scale.h"
#include "tenfold/report/chart.h"
#include "tenfold/report/gnuplot.h"
#include "tenfold/report/label_placement.h"

namespace tenfold::report {

inline constexpr double kFontSize = 13.0;
inline constexpr double kSmallFontSize = 11.5;  // names of points and spans
inline constexpr double kTitleFontSize = 17.0;
inline constexpr double kMarkRadius = 4.0;
inline constexpr double kCategoryRow = 17.0;  // between the lines of a wrapped category

struct PlacedText {
  std::string text;
  double x = 0.0, y = 0.0;  // see the member that holds it
};

struct TickLabel {
  double value = 0.0;
  std::vector<std::string> lines;
};

struct LegendEntry {
  std::size_t series = 0;
  std::string text;
  double x = 0.0, y = 0.0;  // left end and vertical centre of the sample
};

struct PointLabel {
  std::string text;
  LabelPlace place;
};

struct Layout {
  PictureSize size;
  Box plot;  // the area between the axes
  ChartScales scales;
  std::vector<SeriesStyle> styles;  // one a series
  std::vector<PlacedText> title;    // left end, vertical centre of each line
  std::vector<PlacedText> spans;    // centre
  std::vector<LegendEntry> legend;
  std::vector<PointLabel> labels;     // only those that found room
  std::vector<TickLabel> categories;  // labels of a bar chart's x axis
  bool rotated_categories = false;
  double x_title_y = 0.0;     // vertical centre of the x axis' title
  double y_title_room = 0.0;  // length of the y axis' title, which is centred on the plot

  double pixel_x(double value) const;
  double pixel_y(double value) const;  // y down

  // Indices of the points of a line that carry a mark: evenly spread over the picture, first and last among them.
  std::vector<std::size_t> marked_points(const Series& series) const;
};

// Throws what check() throws, and Error(kUsage, "report.picture_size") unless both sides are 200 to 8000 pixels.
Layout make_layout(const Chart& chart, PictureSize size);

}  // namespace tenfold::report
