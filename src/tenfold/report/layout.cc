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
constexpr double kLegendShare = 0.3;  // widest legend beside the plot, of the picture's width

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
    top_ = chart_.title.empty() ? kMargin : kMargin + 34.0;
    choose_margins();
    place_title();
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
      legend_width_ = std::max(legend_width_, kSample + kSampleGap + pixel_width(text, kFontSize));
    }
  }

  // Beside the plot when there is room, else in columns below it.
  void choose_margins() {
    const std::size_t entries = layout_.legend.size();
    legend_beside_ = entries > 1 && width() >= 640 && legend_width_ <= kLegendShare * width() &&
                     static_cast<double>(entries) * kLegendRow <= height() - top_ - 80.0;
    double right = 22.0;
    double legend_height = 0.0;
    if (legend_beside_) {
      right = legend_width_ + 2 * kMargin + 6.0;
    } else if (entries > 0) {
      columns_ = std::max<std::size_t>(
          1, static_cast<std::size_t>((width() - 2 * kMargin) / (legend_width_ + 2 * kMargin)));
      legend_height = kLegendRow * static_cast<double>((entries + columns_ - 1) / columns_) + kMargin;
    }
    layout_.plot.top = top_ + kSpanRow * static_cast<double>(count_span_rows());
    layout_.plot.right = width() - right;
    const double x_title = chart_.x.title.empty() ? 0.0 : 24.0;
    const int y_ticks = static_cast<int>((height() - layout_.plot.top - legend_height - 60.0) / 42.0);
    layout_.scales = make_scales(chart_, static_cast<int>((width() - right - 80.0) / 78.0), y_ticks);
    const double y_title = chart_.y.title.empty() ? 0.0 : 24.0;
    layout_.plot.left = kMargin + y_title + widest(layout_.scales.y.ticks) + kTickRoom;
    const double x_labels = category_room();
    layout_.plot.bottom = height() - legend_height - x_title - x_labels - kTickRoom;
    axis_bottom_ = layout_.plot.bottom + x_labels + kTickRoom + x_title;
    layout_.x_title_y = axis_bottom_ - 14.0;
  }

  // Height of the tick labels under the x axis. Categories that do not fit side by side are turned and cut.
  double category_room() {
    if (chart_.categories.empty()) return 20.0;
    const double slot =
        (layout_.plot.right - layout_.plot.left) / static_cast<double>(chart_.categories.size());
    std::vector<Tick>& ticks = layout_.scales.x.ticks;
    if (widest(ticks) + 8.0 <= slot) return 20.0;
    layout_.rotated_categories = true;
    const double longest = 0.3 * height();
    for (Tick& tick : ticks) tick.text = cut_to_pixel_width(tick.text, kFontSize, longest);
    constexpr double kSine = 0.643;  // of 40 degrees
    return kSine * widest(ticks) + 14.0;
  }

  void place_title() {
    const std::string text =
        cut_to_pixel_width(one_line(chart_.title), kTitleFontSize, width() - 2 * kMargin);
    layout_.title = {text, kMargin, kMargin + 12.0};
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

  void place_spans() {
    const std::vector<int> rows = span_rows();
    for (std::size_t i = 0; i < chart_.spans.size(); ++i) {
      const Span& span = chart_.spans[i];
      const double left = clamped_x(span.x0), right = clamped_x(span.x1);
      const double room = right - left;
      if (rows[i] < 0) continue;
      const double y = layout_.plot.top - kSpanRow * (rows[i] + 0.5);
      const std::string name = one_line(span.label);
      if (span.x0 == span.x1) {
        place_line_name(name, left, y);
      } else if (room >= 30.0) {
        layout_.spans.push_back(
            {cut_to_pixel_width(name, kSmallFontSize, room - 4.0), 0.5 * (left + right), y});
      }
    }
  }

  // The name of a single line may stand to both sides of it, but inside the picture.
  void place_line_name(const std::string& name, double x, double y) {
    const std::string text = cut_to_pixel_width(name, kSmallFontSize, 0.5 * width());
    const double half = 0.5 * pixel_width(text, kSmallFontSize);
    layout_.spans.push_back({text, std::clamp(x, kMargin + half, width() - kMargin - half), y});
  }

  void place_legend() {
    const double left = legend_beside_ ? layout_.plot.right + 18.0 : kMargin + 4.0;
    const double top = legend_beside_ ? layout_.plot.top : axis_bottom_ + 4.0;
    for (std::size_t i = 0; i < layout_.legend.size(); ++i) {
      const std::size_t column = legend_beside_ ? 0 : i % columns_;
      const std::size_t row = legend_beside_ ? i : i / columns_;
      layout_.legend[i].x = left + static_cast<double>(column) * (legend_width_ + 2 * kMargin);
      layout_.legend[i].y = top + kLegendRow * (static_cast<double>(row) + 0.5);
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

  void place_point_labels() {
    PlacementProblem problem;
    problem.area = {
        layout_.plot.left + 2, layout_.plot.top + 1, layout_.plot.right + 4, layout_.plot.bottom - 2};
    std::vector<std::string> texts;
    int bar_ordinal = 0;
    for (const Series& series : chart_.series) {
      const bool bars = series.mark == Mark::kBars;
      const int ordinal = bars ? bar_ordinal++ : 0;
      if (bars) {
        add_bars(series, ordinal, problem);
      } else if (series.mark == Mark::kLine) {
        add_line(series, problem);
      } else {
        add_marks(series, problem);
      }
      const double shift = bars ? bar_geometry(chart_).offset(ordinal) : 0.0;
      for (std::size_t i = 0; i < series.annotate.size(); ++i) {
        if (!series.annotate[i] || !visible(series.x[i], series.y[i])) continue;
        texts.push_back(one_line(series.labels[i]));
        problem.labels.push_back({layout_.pixel_x(series.x[i] + shift),
                                  layout_.pixel_y(series.y[i]),
                                  series.mark == Mark::kLine || bars ? 2.0 : radius(series.mark),
                                  pixel_width(texts.back(), kSmallFontSize) + 2.0,
                                  kSmallFontSize + 2.0});
      }
    }
    const std::vector<LabelPlace> places = place_labels(problem);
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places[i].placed) layout_.labels.push_back({texts[i], places[i]});
    }
  }

  const Chart& chart_;
  Layout layout_;
  double top_ = 0.0;
  double legend_width_ = 0.0;
  bool legend_beside_ = false;
  std::size_t columns_ = 1;
  double axis_bottom_ = 0.0;
};

}  // namespace

double Layout::pixel_x(double value) const {
  return plot.left + scales.x.fraction(value) * (plot.right - plot.left);
}

double Layout::pixel_y(double value) const {
  return plot.bottom - scales.y.fraction(value) * (plot.bottom - plot.top);
}

Layout make_layout(const Chart& chart, PictureSize size) {
  check_size(size);
  check(chart);
  return Builder(chart, size).build();
}

}  // namespace tenfold::report
