// SPDX-License-Identifier: Apache-2.0
// Range and ticks of an axis, chosen once for the picture and for the page.
#pragma once

#include <string>
#include <vector>

#include "tenfold/report/chart.h"

namespace tenfold::report {

struct Tick {
  double value = 0.0;
  std::string text;  // empty: a minor tick
};

struct AxisScale {
  bool logarithmic = false;
  double min = 0.0, max = 1.0;
  std::vector<Tick> ticks;  // inside [min, max], ascending within major and minor

  double fraction(double value) const;  // 0 at min, 1 at max; on the axis' own scale
};

// What must be visible on an axis.
struct DataRange {
  double low = 0.0, high = 0.0;
  bool empty = true;
  bool from_zero = false;  // bars: the axis begins at 0 when it is linear

  void include(double value);
};

struct ChartScales {
  AxisScale x, y;
};

// `max_ticks`: most labelled ticks, at least 2. Labels of a logarithmic axis are powers of ten, thinned to
// every second, third, fifth... decade; a range below two decades gets 1, 2 and 5.
AxisScale make_scale(const Axis& axis, const DataRange& range, int max_ticks);

// Scales of both axes of a checked chart. With categories, x spans all of them and has one tick each.
ChartScales make_scales(const Chart& chart, int max_x_ticks, int max_y_ticks);

// Width of one bar and offset of bar series number `ordinal` (counted among bar series) in x units.
struct BarGeometry {
  double width = 0.8;
  int series_count = 0;

  double offset(int ordinal) const;
};
BarGeometry bar_geometry(const Chart& chart);

}  // namespace tenfold::report
