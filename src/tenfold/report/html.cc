// SPDX-License-Identifier: Apache-2.0
// Puts the page together: escaped content, embedded style and scripts, and a policy that allows nothing else.
#include "tenfold/report/html.h"

#include <fmt/format.h>

#include <cstddef>
#include <optional>
#include <set>
#include <string_view>

#include "tenfold/base/error.h"
#include "tenfold/base/log.h"
#include "tenfold/base/sha256.h"
#include "tenfold/base/strings.h"
#include "tenfold/report/chart_json.h"
#include "tenfold/report/gnuplot.h"
#include "tenfold/report/text.h"
#include "tenfold_report_embedded.h"

namespace tenfold::report {
namespace {

constexpr std::size_t kMostDataRows = 500;  // longer data tables are left to the CSV download
constexpr PictureSize kStillSize{1000, 640};

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  result.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    unsigned group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) result += k <= count ? kDigits[group >> (18 - 6 * k) & 63u] : '=';
  }
  return result;
}

// The source expression of Content Security Policy for one inline element's text.
std::string policy_hash(std::string_view content) {
  const std::string hex = sha256_hex(content);
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return fmt::format("'sha256-{}'", base64(bytes));
}

void check_id(const std::string& id, const std::string& what) {
  const bool good =
      !id.empty() && id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos;
  if (good) return;
  throw Error(ErrorClass::kInternal,
              "report.section_id",
              {.what = what + ": the identifier cannot name an element",
               .seen = printable(id),
               .wanted = "one or more of a-z 0-9 _ -",
               .remedy = "give it another identifier"});
}

class Page {
 public:
  explicit Page(const Report& report) : report_(report) {}

  std::string build() {
    head();
    header();
    for (const Section& section : report_.sections) add(section);
    footer();
    return std::move(html_);
  }

 private:
  template <typename... Args>
  void add_format(fmt::format_string<Args...> format, Args&&... args) {
    html_ += fmt::format(format, std::forward<Args>(args)...);
  }

  void head() {
    const std::string_view style = embedded::report_css();
    const std::string policy = fmt::format(
        "default-src 'none'; script-src {} {}; style-src {}; img-src data:; base-uri 'none'; "
        "form-action 'none'",
        policy_hash(embedded::chart_js()),
        policy_hash(embedded::report_js()),
        policy_hash(style));
    add_format(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n",
        policy,
        escape_html(report_.title),
        style);
  }

  void header() {
    add_format(
        "<a class=\"skip\" href=\"#content\">Skip to the content</a>\n<div class=\"page\">\n"
        "<header class=\"top\">\n<h1>{}</h1>\n",
        escape_html(report_.title));
    if (!report_.subtitle.empty())
      add_format("<p class=\"subtitle\">{}</p>\n", escape_html(report_.subtitle));
    html_ +=
        "</header>\n<nav class=\"contents\" aria-labelledby=\"contents-title\">\n"
        "<h2 id=\"contents-title\">Contents</h2>\n<ol>\n";
    for (const Section& section : report_.sections) {
      add_format("<li><a href=\"#section-{}\">{}</a></li>\n", section.id, escape_html(section.title));
    }
    html_ += "</ol>\n</nav>\n<main id=\"content\" tabindex=\"-1\">\n";
  }

  void add(const Section& section) {
    check_id(section.id, "section " + printable(section.title));
    take_name(section.id);
    add_format("<section id=\"section-{0}\" aria-labelledby=\"title-{0}\">\n<h2 id=\"title-{0}\">{1}</h2>\n",
               section.id,
               escape_html(section.title));
    if (!section.summary.empty()) add_format("<p class=\"lead\">{}</p>\n", escape_html(section.summary));
    for (const Block& block : section.blocks) {
      std::visit([&](const auto& content) { add(section, content); }, block);
    }
    html_ += "</section>\n";
  }

  void add(const Section&, const Paragraph& paragraph) {
    add_format("<p>{}</p>\n", escape_html(paragraph.text));
  }
  void add(const Section&, const Table& table) { html_ += to_html(table); }
  void add(const Section&, const Preformatted& block) {
    add_format("<pre tabindex=\"0\">{}</pre>\n", escape_html(block.text));
  }

  void add(const Section& section, const Chart& chart) {
    check(chart);
    const std::string id = section.id + "--" + chart.id;
    take_name(id);
    const std::string still = still_picture(chart);
    const std::string description = escape_html(chart.title + ". " + chart.caption);
    add_format("<figure class=\"chart{}\" id=\"chart-{}\">\n", still.empty() ? "" : " has-still", id);
    if (!chart.title.empty()) add_format("<h3>{}</h3>\n", escape_html(chart.title));
    add_format(
        "<div class=\"legend\" role=\"group\" aria-label=\"Series: press to hide or show\"></div>\n"
        "<div class=\"canvas-box\"><canvas tabindex=\"0\" role=\"img\" aria-label=\"{} Arrow keys walk "
        "through "
        "the points.\"></canvas></div>\n",
        description);
    if (!still.empty()) {
      add_format(
          "<img class=\"still\" width=\"{}\" height=\"{}\" alt=\"{}\" "
          "src=\"data:image/svg+xml;base64,{}\">\n",
          kStillSize.width,
          kStillSize.height,
          description,
          still);
    }
    add_format("<figcaption>{}</figcaption>\n", escape_html(chart.caption));
    Table data = chart_table(chart);
    if (data.rows.size() <= kMostDataRows) {
      data.title = "Data of the chart: " + chart.title;
      add_format("<details class=\"data\"><summary>Data ({} points)</summary>\n{}</details>\n",
                 data.rows.size(),
                 to_html(data));
    }
    add_format("<script type=\"application/json\" class=\"chart-data\">{}</script>\n</figure>\n",
               chart_json(chart));
  }

  // SVG in base64; empty without gnuplot: the page then shows the interactive chart and the data alone.
  std::string still_picture(const Chart& chart) {
    if (!has_gnuplot_) return {};
    Chart untitled = chart;  // the figure has its title as a heading
    untitled.title.clear();
    try {
      return base64(to_svg(untitled, kStillSize));
    } catch (const Error& error) {
      if (error.error_class() != ErrorClass::kResource) throw;
      log::warning("report without still pictures: {}", error.what());
      has_gnuplot_ = false;
      return {};
    }
  }

  void take_name(const std::string& id) {
    if (names_.insert(id).second) return;
    throw Error(ErrorClass::kInternal,
                "report.duplicate_id",
                {.what = "two parts of the report have the same identifier",
                 .seen = id,
                 .wanted = "identifiers that differ within the report and within a section",
                 .remedy = "rename one of them"});
  }

  void footer() {
    html_ += "</main>\n<footer>\n";
    for (const std::string& line : split(report_.footer, '\n')) {
      if (!trim(line).empty()) add_format("<p>{}</p>\n", escape_html(line));
    }
    add_format("</footer>\n</div>\n<script>{}</script>\n<script>{}</script>\n</body>\n</html>\n",
               embedded::chart_js(),
               embedded::report_js());
  }

  const Report& report_;
  std::string html_;
  std::set<std::string> names_;
  bool has_gnuplot_ = true;
};

}  // namespace

std::string to_html(const Report& report) {
  return Page(report).build();
}

std::string_view chart_library() {
  return embedded::chart_js();
}

}  // namespace tenfold::report
