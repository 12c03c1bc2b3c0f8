// SPDX-License-Identifier: Apache-2.0
// Writes the script: terminal, axes, spans, data, legend and labels at positions that layout.h chose.
#include "tenfold/report/gnuplot_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <vector>

#include "tenfold/base/strings.h"
#include "tenfold/report/layout.h"
#include "tenfold/report/text.h"

namespace tenfold::report {
namespace {

constexpr const char* kInk = "#333333";
constexpr const char* kFaint = "#8a8a8a";
constexpr double kPngPointScale = 1.35;  // the PNG terminal draws smaller marks
constexpr const char* kStarFont = "DejaVu Sans,19";
constexpr std::array<int, kShapeCount> kPointTypes = {7, 5, 9, 13, 11, 2, 1};
// Sizes that give the shapes the same visual weight.
constexpr std::array<double, kShapeCount> kPointSizes = {0.72, 0.66, 0.8, 0.72, 0.8, 0.95, 1.1};

class Writer {
 public:
  Writer(const Chart& chart, PictureSize size, PictureFormat format)
      : chart_(chart), layout_(make_layout(chart, size)), format_(format) {}

  std::string write() {
    terminal();
    frame();
    axis("x", layout_.scales.x);
    axis("y", layout_.scales.y);
    categories();
    spans();
    data();
    texts();
    legend();
    plot();
    return fmt::to_string(script_);
  }

 private:
  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(script_), format, std::forward<Args>(args)...);
    script_.push_back('\n');
  }

  // Screen coordinates: fractions of the picture, y up.
  double screen_x(double pixel) const { return pixel / layout_.size.width; }
  double screen_y(double pixel) const { return 1.0 - pixel / layout_.size.height; }
  std::string at(double x, double y) const {
    return fmt::format("screen {:.5f}, screen {:.5f}", screen_x(x), screen_y(y));
  }

  void terminal() {
    line("set encoding utf8");
    const std::string common =
        fmt::format("size {},{} font \"DejaVu Sans,{:g}\" noenhanced background rgb \"#ffffff\"",
                    layout_.size.width,
                    layout_.size.height,
                    kFontSize);
    if (format_ == PictureFormat::kPng) {
      line("set terminal pngcairo {} fontscale 0.75", common);
      return;
    }
    std::string name = chart_.id;
    for (char& c : name) c = c == '-' ? '_' : c;
    line("set terminal svg {} name \"{}\"", common, name);
  }

  void frame() {
    line("unset key");
    line("set lmargin at screen {:.5f}", screen_x(layout_.plot.left));
    line("set rmargin at screen {:.5f}", screen_x(layout_.plot.right));
    line("set tmargin at screen {:.5f}", screen_y(layout_.plot.top));
    line("set bmargin at screen {:.5f}", screen_y(layout_.plot.bottom));
    line("set border 3 linecolor rgb \"{}\" linewidth 1", kFaint);
    line("set grid back linetype 1 linecolor rgb \"#e4e4e4\" linewidth 1");
    line("set style fill solid 1.0 noborder");
  }

  void axis(const char* name, const AxisScale& scale) {
    if (scale.logarithmic) line("set logscale {} 10", name);
    line("set {}range [{:.10g}:{:.10g}] noextend", name, scale.min, scale.max);
    if (name[0] == 'x' && !chart_.categories.empty()) {
      line("unset xtics");
      return;
    }
    std::vector<std::string> ticks;
    for (const Tick& tick : scale.ticks) {
      ticks.push_back(
          fmt::format("{} {:.10g}{}", gnuplot_quote(tick.text), tick.value, tick.text.empty() ? " 1" : ""));
    }
    // The SVG terminal leaves more room above the labels of the x axis than the PNG terminal.
    const bool raised = name[0] == 'x' && format_ == PictureFormat::kSvg;
    line("set {}tics nomirror out scale 0.6,0.3{} textcolor rgb \"{}\" ({})",
         name,
         raised ? " offset 0,0.4" : "",
         kInk,
         join(ticks, ", "));
    if (name[0] == 'y' && scale.min < 0.0 && scale.max > 0.0) {
      line("set xzeroaxis linetype 1 linewidth 1 linecolor rgb \"{}\"", kFaint);
    }
  }

  // Names of categories are labels, not ticks: gnuplot reads tick texts as formats and cuts them.
  void categories() {
    for (const TickLabel& label : layout_.categories) {
      const double x = layout_.pixel_x(label.value);
      double y = layout_.plot.bottom + (layout_.rotated_categories ? 10.0 : 14.0);
      for (const std::string& content : label.lines) {
        text(content, at(x, y), layout_.rotated_categories ? "right rotate by 40" : "center");
        y += kCategoryRow;
      }
    }
  }

  void spans() {
    const Box& plot = layout_.plot;
    for (std::size_t i = 0; i < chart_.spans.size(); ++i) {
      const double from = std::clamp(layout_.pixel_x(chart_.spans[i].x0), plot.left, plot.right);
      const double to = std::clamp(layout_.pixel_x(chart_.spans[i].x1), plot.left, plot.right);
      if (i % 2 == 1 && to > from) {
        line("set object rectangle from {} to {} fillcolor rgb \"#f3f3f3\" fillstyle solid noborder behind",
             at(from, plot.bottom),
             at(to, plot.top));
      }
      for (double x : {from, to}) {
        if (x <= plot.left + 1.0 || x >= plot.right - 1.0) continue;
        line("set arrow from {} to {} nohead back dashtype (6,5) linewidth 1 linecolor rgb \"{}\"",
             at(x, plot.bottom),
             at(x, plot.top),
             kFaint);
      }
    }
    for (const PlacedText& span : layout_.spans) {
      text(span.text, at(span.x, span.y), fmt::format("center font \"DejaVu Sans,{:g}\"", kSmallFontSize));
    }
  }

  void text(const std::string& content, const std::string& position, const std::string& style) {
    line("set label {} at {} {} noenhanced textcolor rgb \"{}\"",
         gnuplot_quote(content),
         position,
         style,
         kInk);
  }

  void texts() {
    for (const PlacedText& title : layout_.title) {
      text(title.text, at(title.x, title.y), fmt::format("left font \"DejaVu Sans,{:g}\"", kTitleFontSize));
    }
    const Box& plot = layout_.plot;
    if (!chart_.x.title.empty()) {
      const double room = layout_.size.width - 24.0;
      text(cut_to_pixel_width(one_line(chart_.x.title), kFontSize, room),
           at(0.5 * (plot.left + plot.right), layout_.x_title_y),
           "center");
    }
    if (!chart_.y.title.empty()) {
      text(cut_to_pixel_width(one_line(chart_.y.title), kFontSize, layout_.y_title_room),
           at(18.0, 0.5 * (plot.top + plot.bottom)),
           "center rotate by 90");
    }
    for (const PointLabel& label : layout_.labels) {
      const Box& box = label.place.box;
      text(label.text,
           at(box.left + 1.0, 0.5 * (box.top + box.bottom)),
           fmt::format("left front font \"DejaVu Sans,{:g}\"", kSmallFontSize));
      if (!label.place.leader) continue;
      const Stroke& leader = label.place.leader_line;
      line("set arrow from {} to {} nohead back linewidth 0.8 linecolor rgb \"{}\"",
           at(leader.x0, leader.y0),
           at(leader.x1, leader.y1),
           kFaint);
    }
  }

  static std::string number_list(std::initializer_list<double> values) {
    std::string row;
    for (double value : values) row += fmt::format("{}{:.10g}", row.empty() ? "" : " ", value);
    return row;
  }

  void data() {
    const BarGeometry bars = bar_geometry(chart_);
    int bar_ordinal = 0;
    for (std::size_t i = 0; i < chart_.series.size(); ++i) {
      const Series& series = chart_.series[i];
      const double shift = series.mark == Mark::kBars ? bars.offset(bar_ordinal++) : 0.0;
      line("$data{} << END_OF_DATA", i);
      for (std::size_t k = 0; k < series.y.size(); ++k) {
        const bool band = !series.low.empty();
        line("{}",
             number_list({series.x[k] + shift,
                          series.y[k],
                          band ? series.low[k] : series.y[k],
                          band ? series.high[k] : series.y[k]}));
      }
      line("END_OF_DATA");
      if (!layout_.styles[i].line_markers) continue;
      line("$marks{} << END_OF_DATA", i);
      for (std::size_t k : layout_.marked_points(series)) line("{}", number_list({series.x[k], series.y[k]}));
      line("END_OF_DATA");
    }
  }

  std::string color(std::size_t i) const { return palette_color(layout_.styles[i].color); }

  static std::string dash_text(int dash) {
    std::vector<std::string> lengths;
    for (int length : dash_lengths(dash)) lengths.push_back(std::to_string(length));
    return lengths.empty() ? "solid" : "(" + join(lengths, ",") + ")";
  }

  std::string line_style(std::size_t i, double width = 2.2) const {
    return fmt::format("dashtype {} linewidth {:.4g} linecolor rgb \"{}\"",
                       dash_text(layout_.styles[i].dash),
                       width,
                       color(i));
  }

  std::string point_style(std::size_t i) const {
    const Series& series = chart_.series[i];
    if (series.mark == Mark::kRings) {
      return fmt::format("pointtype 6 pointsize {:.3g} linewidth 1.6 linecolor rgb \"{}\"",
                         1.35 * (format_ == PictureFormat::kPng ? kPngPointScale : 1.0),
                         color(i));
    }
    const auto shape = static_cast<std::size_t>(layout_.styles[i].shape);
    const double size = kPointSizes[shape] * (format_ == PictureFormat::kPng ? kPngPointScale : 1.0);
    return fmt::format(
        "pointtype {} pointsize {:.3g} linewidth 2 linecolor rgb \"{}\"", kPointTypes[shape], size, color(i));
  }

  void legend() {
    for (const LegendEntry& entry : layout_.legend) {
      const std::size_t i = entry.series;
      const Series& series = chart_.series[i];
      const double right = entry.x + 30.0, middle = entry.x + 15.0;
      if (series.mark == Mark::kBars || (series.mark == Mark::kLine && !series.low.empty())) {
        const double opacity = series.mark == Mark::kBars ? 1.0 : 0.2;
        line(
            "set object rectangle from {} to {} fillcolor rgb \"{}\" fillstyle transparent solid {:g} "
            "noborder",
            at(entry.x, entry.y + 6.0),
            at(right, entry.y - 6.0),
            color(i),
            opacity);
      }
      if (series.mark == Mark::kLine) {
        // No two of the same width: gnuplot joins neighbours of one colour and width and draws both with the first dashes.
        const double width = 2.2 + 0.01 * static_cast<double>(i);
        line("set arrow from {} to {} nohead front {}",
             at(entry.x, entry.y),
             at(right, entry.y),
             line_style(i, width));
      }
      if (series.mark == Mark::kStars) {
        line("set label \"\u2605\" at {} center font \"{}\" textcolor rgb \"{}\"",
             at(middle, entry.y),
             kStarFont,
             color(i));
      } else if (series.mark != Mark::kBars &&
                 (series.mark != Mark::kLine || layout_.styles[i].line_markers)) {
        line("set label \"\" at {} front point {}", at(middle, entry.y), point_style(i));
      }
      text(entry.text, at(right + 8.0, entry.y), "left");
    }
  }

  // Bands lie under lines, lines under points, rings and stars on top.
  void plot() {
    std::vector<std::string> pieces;
    const auto add = [&](Mark mark, bool band) {
      for (std::size_t i = 0; i < chart_.series.size(); ++i) {
        const Series& series = chart_.series[i];
        if (series.mark != mark || series.y.empty() || (band && series.low.empty())) continue;
        pieces.push_back(band ? spread(i) : marks(i));
        if (layout_.styles[i].line_markers) {
          pieces.push_back(fmt::format("$marks{} using 1:2 with points {}", i, point_style(i)));
        }
      }
    };
    add(Mark::kBars, false);
    add(Mark::kBars, true);
    add(Mark::kLine, true);
    add(Mark::kLine, false);
    for (Mark mark : {Mark::kPoints, Mark::kRings, Mark::kStars}) {
      add(mark, true);
      add(mark, false);
    }
    if (pieces.empty()) pieces.emplace_back("NaN");
    for (std::string& piece : pieces) piece += " notitle";
    line("plot {}", join(pieces, ", \\\n     "));
  }

  // The uncertainty of a series: a band along a line, error bars elsewhere.
  std::string spread(std::size_t i) const {
    const Mark mark = chart_.series[i].mark;
    if (mark == Mark::kLine) {
      return fmt::format(
          "$data{} using 1:3:4 with filledcurves fillstyle transparent solid 0.2 noborder "
          "fillcolor rgb \"{}\"",
          i,
          color(i));
    }
    // Vectors with flat heads: gnuplot's error bars leave a hole around the point.
    return fmt::format(
        "$data{} using 1:3:(0):($4-$3) with vectors heads size screen 0.004,90 nofilled linewidth 1.3 "
        "linecolor rgb \"{}\"",
        i,
        mark == Mark::kBars ? kInk : color(i));
  }

  std::string marks(std::size_t i) const {
    const Series& series = chart_.series[i];
    if (series.mark == Mark::kBars) {
      const double width = bar_geometry(chart_).width * 0.94;
      return fmt::format(
          "$data{} using 1:2:({:.6g}) with boxes fillstyle solid 1.0 noborder linecolor rgb \"{}\"",
          i,
          width,
          color(i));
    }
    if (series.mark == Mark::kStars) {
      return fmt::format("$data{} using 1:2:(\"\u2605\") with labels font \"{}\" textcolor rgb \"{}\"",
                         i,
                         kStarFont,
                         color(i));
    }
    if (series.mark != Mark::kLine) return fmt::format("$data{} using 1:2 with points {}", i, point_style(i));
    return fmt::format("$data{} using 1:2 with lines {}", i, line_style(i));
  }

  const Chart& chart_;
  Layout layout_;
  PictureFormat format_;
  fmt::memory_buffer script_;
};

bool is_plain(unsigned char c) {
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return letter || c >= 0x80 ||
         std::string_view(" .,:;-+()[]/=").find(static_cast<char>(c)) != std::string_view::npos;
}

}  // namespace

std::string gnuplot_quote(std::string_view text) {
  std::string result = "\"";
  const std::string line = one_line(text);
  for (std::size_t i = 0; i < line.size(); ++i) {
    const auto c = static_cast<unsigned char>(line[i]);
    if (is_plain(c)) {
      result += line[i];
    } else {
      result += fmt::format("\\{:03o}", c);
    }
    // gnuplot's SVG output takes "&#" for a character reference and leaves "]]>" as it is, which XML forbids: a
    // zero-width space takes both apart.
    const std::string_view next = std::string_view(line).substr(i + 1);
    if ((c == '&' && next.starts_with('#')) || (c == ']' && next.starts_with("]>"))) result += "\u200B";
  }
  return result + "\"";
}

std::string gnuplot_script(const Chart& chart, PictureSize size, PictureFormat format) {
  return Writer(chart, size, format).write();
}

}  // namespace tenfold::report
