// SPDX-License-Identifier: Apache-2.0
// Margins from text widths, the legend beside or below the plot, labels of annotated points.
#include "tenfold/report/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/report/text.h"

namespace tenfold::report {
namespace {

constexpr double kMargin = 12.0;
constexpr double kLegendRow = 21.0;
constexpr double kSample = 30.0;    // length of a legend sample
constexpr double kSampleGap = 8.0;  // between sample and text
constexpr double kTickRoom = 8.0;   // between axis and tick label
constexpr double kSpanRow = 17.0;
constexpr double kTitleRow = 22.0;
constexpr int kTitleLines = 2;

void check_size(PictureSize size) {
  const auto good = [](int side) { return side >= 200 && side <= 8000; };
  if (good(size.width) && good(size.height)) return;
  throw Error(ErrorClass::kUsage,
              "report.picture_size",
              {.what = "the size of a picture is out of range",
               .seen = fmt::format("{} x {} pixels", size.width, size.height),
               .wanted = "200 to 8000 pixels on each side",
               .remedy = "choose another width and height"});
}

double widest(const std::vector<Tick>& ticks) {
  double width = 0.0;
  for (const Tick& tick : ticks) width = std::max(width, pixel_width(tick.text, kFontSize));
  return width;
}

class Builder {
 public:
  Builder(const Chart& chart, PictureSize size) : chart_(chart) {
    layout_.size = size;
    layout_.styles = series_styles(chart);
  }

  Layout build() {
    collect_legend();
    place_title();
    choose_margins();
    place_spans();
    place_legend();
    place_point_labels();
    return std::move(layout_);
  }

 private:
  double width() const { return layout_.size.width; }
  double height() const { return layout_.size.height; }

  void collect_legend() {
    for (std::size_t i = 0; i < chart_.series.size(); ++i) {
      if (chart_.series[i].name.empty()) continue;
      const std::string name = one_line(chart_.series[i].name);
      const std::string text =
          cut_to_pixel_width(name, kFontSize, width() - 2 * kMargin - kSample - kSampleGap);
      layout_.legend.push_back({.series = i, .text = text});
      legend_width_ = std::max(legend_width_, entry_width(text));
    }
  }

  static double entry_width(const std::string& text) {
    return kSample + kSampleGap + pixel_width(text, kFontSize);
  }

  void place_title() {
    if (chart_.title.empty()) return;
    double y = kMargin + 12.0;
    for (std::string& text :
         wrap_to_pixel_width(one_line(chart_.title), kTitleFontSize, width() - 2 * kMargin, kTitleLines)) {
      layout_.title.push_back({std::move(text), kMargin, y});
      y += kTitleRow;
    }
    top_ = y + 2.0;
  }

  // Entries below the plot run like words of a text.
  double flow_legend() {
    double x = kMargin + 4.0, y = 0.5 * kLegendRow;
    for (LegendEntry& entry : layout_.legend) {
      const double need = entry_width(entry.text);
      if (x > kMargin + 4.0 && x + need > width() - kMargin) {
        x = kMargin + 4.0;
        y += kLegendRow;
      }
      entry.x = x;
      entry.y = y;
      x += need + 2 * kMargin;
    }
    return layout_.legend.empty() ? 0.0 : y + 0.5 * kLegendRow + kMargin;
  }

  // The side that leaves the larger plot.
  bool legend_fits_beside(double height_below) const {
    const auto entries = static_cast<double>(layout_.legend.size());
    const double beside = legend_width_ + 2 * kMargin;
    const double plot_width = width() - 90.0, plot_height = height() - top_ - 70.0;
    if (entries < 2 || plot_width - beside < 300.0 || entries * kLegendRow > plot_height) return false;
    return (plot_width - beside) * plot_height > plot_width * (plot_height - height_below);
  }

  void choose_margins() {
    double legend_height = flow_legend();
    legend_beside_ = legend_fits_beside(legend_height);
    if (legend_beside_) legend_height = 0.0;
    const double right = legend_beside_ ? legend_width_ + 2 * kMargin + 6.0 : 22.0;
    Box& plot = layout_.plot;
    plot.top = top_ + kSpanRow * static_cast<double>(count_span_rows());
    plot.right = width() - right;
    const double y_tick_room = chart_.y.logarithmic ? 30.0 : 42.0;
    const int y_ticks = static_cast<int>((height() - plot.top - legend_height - 60.0) / y_tick_room);
    layout_.scales = make_scales(chart_, static_cast<int>((width() - right - 80.0) / 78.0), y_ticks);
    const double y_title = chart_.y.title.empty() ? 0.0 : 24.0;
    plot.left = kMargin + y_title + widest(layout_.scales.y.ticks) + kTickRoom;
    const double x_title = chart_.x.title.empty() ? 0.0 : 24.0;
    const double x_labels = category_room();
    plot.bottom = std::max(plot.top + 40.0, height() - legend_height - x_title - x_labels - kTickRoom);
    axis_bottom_ = plot.bottom + x_labels + kTickRoom + x_title;
    layout_.x_title_y = axis_bottom_ - 14.0;
    const double middle = 0.5 * (plot.top + plot.bottom);
    layout_.y_title_room = 2.0 * std::min(middle - top_, height() - kMargin - middle);
  }

  // Height of the tick labels under the x axis. Categories that do not fit side by side are wrapped; when a single
  // word is too long, they are turned.
  double category_room() {
    if (chart_.categories.empty()) return 20.0;
    const double slot =
        (layout_.plot.right - layout_.plot.left) / static_cast<double>(chart_.categories.size());
    std::size_t most_lines = 1;
    for (std::size_t i = 0; i < chart_.categories.size(); ++i) {
      const std::string name = one_line(chart_.categories[i]);
      TickLabel label{static_cast<double>(i), wrap_to_pixel_width(name, kFontSize, slot - 10.0, 3)};
      for (const std::string& line : label.lines) {
        if (line.ends_with("\u2026")) layout_.rotated_categories = true;
      }
      most_lines = std::max(most_lines, label.lines.size());
      layout_.categories.push_back(std::move(label));
    }
    return layout_.rotated_categories ? turn_categories(slot)
                                      : kCategoryRow * static_cast<double>(most_lines) + 3.0;
  }

  double turn_categories(double slot) {
    constexpr double kSine = 0.643, kCosine = 0.766;  // of 40 degrees
    double longest = 0.0;
    for (std::size_t i = 0; i < layout_.categories.size(); ++i) {
      const double to_the_left = layout_.plot.left + slot * (static_cast<double>(i) + 0.5) - kMargin;
      const double room = std::min(0.35 * height(), to_the_left / kCosine);
      std::string text = cut_to_pixel_width(one_line(chart_.categories[i]), kFontSize, room);
      longest = std::max(longest, pixel_width(text, kFontSize));
      layout_.categories[i].lines = {std::move(text)};
    }
    return kSine * longest + 14.0;
  }

  double clamped_x(double value) const {
    return layout_.plot.left +
           std::clamp(layout_.scales.x.fraction(value), 0.0, 1.0) * (layout_.plot.right - layout_.plot.left);
  }

  // Rows of span names above the plot: spans that share a stretch of x stand above one another.
  std::vector<int> span_rows() const {
    std::vector<int> rows(chart_.spans.size(), -1);
    std::vector<double> ends;  // right end of the last span in each row
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < chart_.spans.size(); ++i) {
      if (!chart_.spans[i].label.empty()) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return chart_.spans[a].x0 < chart_.spans[b].x0;
    });
    for (std::size_t i : order) {
      const Span& span = chart_.spans[i];
      std::size_t row = 0;
      while (row < ends.size() && ends[row] > span.x0) ++row;
      if (row == ends.size()) ends.push_back(0.0);
      ends[row] = std::max(span.x0, span.x1);
      rows[i] = static_cast<int>(row);
    }
    return rows;
  }

  int count_span_rows() const {
    int count = 0;
    for (int row : span_rows()) count = std::max(count, row + 1);
    return count;
  }

  // A name stands over the middle of its span. A name wider than its span may reach to both sides when its row is
  // its own, else it is cut.
  void place_spans() {
    const std::vector<int> rows = span_rows();
    for (std::size_t i = 0; i < chart_.spans.size(); ++i) {
      if (rows[i] < 0) continue;
      const Span& span = chart_.spans[i];
      const double left = clamped_x(span.x0), right = clamped_x(span.x1);
      const bool alone = std::count(rows.begin(), rows.end(), rows[i]) == 1;
      const double room = alone ? width() - 2 * kMargin : right - left - 4.0;
      if (room < 30.0) continue;
      const std::string text = cut_to_pixel_width(one_line(span.label), kSmallFontSize, room);
      const double half = 0.5 * pixel_width(text, kSmallFontSize);
      const double center = std::clamp(0.5 * (left + right), kMargin + half, width() - kMargin - half);
      layout_.spans.push_back({text, center, layout_.plot.top - kSpanRow * (rows[i] + 0.5)});
    }
  }

  void place_legend() {
    for (std::size_t i = 0; i < layout_.legend.size(); ++i) {
      LegendEntry& entry = layout_.legend[i];
      if (legend_beside_) {
        entry.x = layout_.plot.right + 18.0;
        entry.y = layout_.plot.top + kLegendRow * (static_cast<double>(i) + 0.5);
      } else {
        entry.y += axis_bottom_ + 4.0;
      }
    }
  }

  bool visible(double x, double y) const {
    const double across = layout_.scales.x.fraction(x), up = layout_.scales.y.fraction(y);
    return across >= 0.0 && across <= 1.0 && up >= 0.0 && up <= 1.0;
  }

  static double radius(Mark mark) {
    if (mark == Mark::kRings) return 1.9 * kMarkRadius;
    return mark == Mark::kStars ? 1.8 * kMarkRadius : kMarkRadius;
  }

  void add_marks(const Series& series, PlacementProblem& problem) const {
    const double r = radius(series.mark);
    for (std::size_t i = 0; i < series.y.size(); ++i) {
      if (!visible(series.x[i], series.y[i])) continue;
      const double x = layout_.pixel_x(series.x[i]), y = layout_.pixel_y(series.y[i]);
      // A ring usually surrounds a point of another series and is open: only its own size counts.
      problem.obstacles.push_back({x - r, y - r, x + r, y + r});
    }
  }

  void add_line(const Series& series, PlacementProblem& problem) const {
    for (std::size_t i = 1; i < series.y.size(); ++i) {
      problem.strokes.push_back({layout_.pixel_x(series.x[i - 1]),
                                 layout_.pixel_y(series.y[i - 1]),
                                 layout_.pixel_x(series.x[i]),
                                 layout_.pixel_y(series.y[i])});
    }
  }

  void add_bars(const Series& series, int ordinal, PlacementProblem& problem) const {
    const BarGeometry bars = bar_geometry(chart_);
    const AxisScale& y = layout_.scales.y;
    const double base = layout_.pixel_y(y.logarithmic ? y.min : std::clamp(0.0, y.min, y.max));
    for (std::size_t i = 0; i < series.y.size(); ++i) {
      const double center = series.x[i] + bars.offset(ordinal);
      const double end = layout_.pixel_y(series.y[i]);
      problem.obstacles.push_back({layout_.pixel_x(center - 0.5 * bars.width),
                                   std::min(base, end),
                                   layout_.pixel_x(center + 0.5 * bars.width),
                                   std::max(base, end)});
    }
  }

  void add_span_borders(PlacementProblem& problem) const {
    for (const Span& span : chart_.spans) {
      for (double value : {span.x0, span.x1}) {
        const double x = clamped_x(value);
        problem.strokes.push_back({x, layout_.plot.top, x, layout_.plot.bottom});
      }
    }
  }

  LabelRequest request(const Series& series, std::size_t i, double shift) const {
    const bool bars = series.mark == Mark::kBars;
    const bool above_error_bar = bars && !series.high.empty() && series.y[i] >= 0.0;
    LabelRequest label;
    label.x = layout_.pixel_x(series.x[i] + shift);
    label.y = layout_.pixel_y(above_error_bar ? series.high[i] : series.y[i]);
    label.radius = series.mark == Mark::kLine || bars ? 2.0 : radius(series.mark);
    label.width = pixel_width(one_line(series.labels[i]), kSmallFontSize) + 2.0;
    label.height = kSmallFontSize + 2.0;
    label.above_first = bars;
    label.must_stand = series.mark == Mark::kStars;
    return label;
  }

  void place_point_labels() {
    const Box& plot = layout_.plot;
    PlacementProblem problem;
    problem.area = {plot.left + 2, plot.top + 1, plot.right + 4, plot.bottom - 2};
    add_span_borders(problem);
    std::vector<std::string> texts;
    int bar_ordinal = 0;
    for (const Series& series : chart_.series) {
      double shift = 0.0;
      if (series.mark == Mark::kBars) {
        shift = bar_geometry(chart_).offset(bar_ordinal);
        add_bars(series, bar_ordinal++, problem);
      } else if (series.mark == Mark::kLine) {
        add_line(series, problem);
      } else {
        add_marks(series, problem);
      }
      for (std::size_t i = 0; i < series.annotate.size(); ++i) {
        if (!series.annotate[i] || !visible(series.x[i], series.y[i])) continue;
        texts.push_back(one_line(series.labels[i]));
        problem.labels.push_back(request(series, i, shift));
      }
    }
    const std::vector<LabelPlace> places = place_labels(problem);
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places[i].placed) layout_.labels.push_back({texts[i], places[i]});
    }
  }

  const Chart& chart_;
  Layout layout_;
  double top_ = kMargin;
  double legend_width_ = 0.0;
  bool legend_beside_ = false;
  double axis_bottom_ = 0.0;
};

}  // namespace

double Layout::pixel_x(double value) const {
  return plot.left + scales.x.fraction(value) * (plot.right - plot.left);
}

double Layout::pixel_y(double value) const {
  return plot.bottom - scales.y.fraction(value) * (plot.bottom - plot.top);
}

std::vector<std::size_t> Layout::marked_points(const Series& series) const {
  constexpr double kDistance = 60.0;  // pixels
  std::vector<std::size_t> marked;
  const auto distance = [&](std::size_t a, std::size_t b) {
    return std::hypot(pixel_x(series.x[a]) - pixel_x(series.x[b]),
                      pixel_y(series.y[a]) - pixel_y(series.y[b]));
  };
  for (std::size_t i = 0; i < series.y.size(); ++i) {
    if (marked.empty() || distance(i, marked.back()) >= kDistance) marked.push_back(i);
  }
  if (marked.empty() || marked.back() + 1 == series.y.size()) return marked;
  const std::size_t last = series.y.size() - 1;
  if (marked.size() > 1 && distance(last, marked.back()) < 0.5 * kDistance) marked.pop_back();
  marked.push_back(last);
  return marked;
}

Layout make_layout(const Chart& chart, PictureSize size) {
  check_size(size);
  check(chart);
  return Builder(chart, size).build();
}

}  // namespace tenfold::report
