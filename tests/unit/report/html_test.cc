// SPDX-License-Identifier: Apache-2.0
#include "tenfold/report/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/report/chart_json.h"
#include "tests/unit/report/sample_charts.h"

namespace tenfold::report {
namespace {

using testing::HasSubstr;
using testing::Not;

// One rendering for all tests that only read it.
const std::string& page() {
  static const std::string html = to_html(samples::sample_report());
  return html;
}

// Contents of all elements that begin with `open`, up to `close`.
std::vector<std::string> contents(const std::string& html,
                                  const std::string& open,
                                  const std::string& close) {
  std::vector<std::string> found;
  for (std::size_t at = html.find(open); at != std::string::npos; at = html.find(open, at)) {
    const std::size_t begin = at + open.size();
    const std::size_t end = html.find(close, begin);
    if (end == std::string::npos) break;
    found.push_back(html.substr(begin, end - begin));
    at = end;
  }
  return found;
}

std::size_t count(const std::string& text, const std::string& piece) {
  std::size_t times = 0;
  for (std::size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1)) ++times;
  return times;
}

std::string base64_of_hex(const std::string& hex) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bits, text;
  for (char c : hex) {
    const int value = c <= '9' ? c - '0' : c - 'a' + 10;
    for (int shift = 3; shift >= 0; --shift) bits += (value >> shift & 1) != 0 ? '1' : '0';
  }
  while (bits.size() % 6 != 0) bits += '0';
  for (std::size_t i = 0; i < bits.size(); i += 6) text += digits[std::stoul(bits.substr(i, 6), nullptr, 2)];
  while (text.size() % 4 != 0) text += '=';
  return text;
}

TEST(Html, PolicyAllowsExactlyTheEmbeddedScriptsAndStyle) {
  const std::string policy = contents(page(), "Content-Security-Policy\" content=\"", "\"").at(0);
  EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
  EXPECT_THAT(policy, Not(HasSubstr("unsafe")));
  const std::vector<std::string> scripts = contents(page(), "<script>", "</script>");
  ASSERT_EQ(scripts.size(), 2u);
  for (const std::string& script : scripts) {
    EXPECT_THAT(policy, HasSubstr("'sha256-" + base64_of_hex(sha256_hex(script)) + "'"));
  }
  const std::vector<std::string> styles = contents(page(), "<style>", "</style>");
  ASSERT_EQ(styles.size(), 1u);
  EXPECT_THAT(policy, HasSubstr("style-src 'sha256-" + base64_of_hex(sha256_hex(styles[0])) + "'"));
}

TEST(Html, AsksNoOtherHost) {
  std::string own = page();
  for (const std::string& script : contents(page(), "<script>", "</script>"))
    own.erase(own.find(script), script.size());
  EXPECT_THAT(own, Not(HasSubstr("http://")));
  EXPECT_THAT(own, Not(HasSubstr("https://")));
  EXPECT_THAT(own, Not(HasSubstr("<link")));
  EXPECT_THAT(own, Not(HasSubstr("@import")));
  EXPECT_THAT(own, Not(HasSubstr("url(")));
}

TEST(Html, HostileTextsStayTexts) {
  EXPECT_THAT(page(), Not(HasSubstr("alert(1)</script>")));
  EXPECT_THAT(page(), Not(HasSubstr("<script>alert")));
  EXPECT_THAT(page(), HasSubstr("&lt;script&gt;alert(1)&lt;/script&gt; --&gt;"));
  // Four data blocks and two scripts; a text that opens or closes a script would change the balance.
  EXPECT_EQ(count(page(), "<script type=\"application/json\""), 4u);
  EXPECT_EQ(count(page(), "</script>"), 6u);
  EXPECT_EQ(count(page(), "<!--"), 0u);
}

TEST(Html, HostileReportTexts) {
  Report report{.title = "</title><script>alert(1)</script>",
                .subtitle = "-->",
                .sections = {},
                .footer = "<img src=x>"};
  report.sections.push_back(
      {"a", "</h2><script>alert(1)</script>", "\"><script>", {Preformatted{"</pre><script>"}}});
  const std::string html = to_html(report);
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, Not(HasSubstr("<img src=x")));
  EXPECT_THAT(html, HasSubstr("<title>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;</title>"));
}

TEST(Html, NoInlineStyleOrHandlerThatThePolicyWouldBlock) {
  std::string own = page();
  for (const std::string& script : contents(page(), "<script>", "</script>"))
    own.erase(own.find(script), script.size());
  for (const char* attribute : {" style=", " onclick=", " onload=", " onerror="}) {
    EXPECT_THAT(own, Not(HasSubstr(attribute)));
  }
}

TEST(Html, HasTheMarksOfAnAccessiblePage) {
  EXPECT_THAT(page(), HasSubstr("<html lang=\"en\">"));
  EXPECT_EQ(count(page(), "<h1>"), 1u);
  EXPECT_THAT(page(), HasSubstr("<a href=\"#section-one\">First section</a>"));
  EXPECT_THAT(page(), HasSubstr("<section id=\"section-one\" aria-labelledby=\"title-one\">"));
  EXPECT_THAT(page(), HasSubstr("<caption>A table</caption>"));
  EXPECT_EQ(count(page(), "<canvas tabindex=\"0\" role=\"img\" aria-label=\""), 4u);
  EXPECT_EQ(count(page(), "<figcaption>"), 4u);
  EXPECT_THAT(page(), HasSubstr("<summary>Data (212 points)</summary>"));  // 2 * 41 + 7 * 18 + 2 + 2
}

TEST(Html, RendersWithoutGnuplot) {
  const std::string path = std::getenv("PATH");
  ASSERT_EQ(setenv("PATH", "/nonexistent", 1), 0);
  std::string html;
  EXPECT_NO_THROW(html = to_html(samples::sample_report()));
  setenv("PATH", path.c_str(), 1);
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_EQ(count(html, "<canvas"), 4u);
  EXPECT_THAT(html, HasSubstr("</html>"));
}

TEST(Html, IsTheSameEveryTime) {
  EXPECT_TRUE(to_html(samples::sample_report()) == page());
}

TEST(Html, RefusesDoubleAndMalformedIdentifiers) {
  Report twice{.title = "t"};
  twice.sections = {{"a", "A", "", {}}, {"a", "B", "", {}}};
  Report charts{.title = "t"};
  charts.sections = {{"a", "A", "", {samples::line_chart(), samples::line_chart()}}};
  Report malformed{.title = "t"};
  malformed.sections = {{"a b", "A", "", {}}};
  for (const auto& [report, code] : {std::pair{&twice, "report.duplicate_id"},
                                     {&charts, "report.duplicate_id"},
                                     {&malformed, "report.section_id"}}) {
    try {
      to_html(*report);
      ADD_FAILURE() << code;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
    }
  }
}

TEST(ChartJson, IsValidAndHasNoMarkup) {
  const std::string text = chart_json(samples::hostile_chart());
  EXPECT_THAT(text, Not(testing::ContainsRegex("[<>&]")));
  const nlohmann::json json = nlohmann::json::parse(text);
  EXPECT_THAT(json["title"].get<std::string>(), HasSubstr("<script>alert(1)</script>"));
  EXPECT_EQ(json["series"][1]["name"], "</script>");
}

TEST(ChartJson, CarriesDataExactlyAndTheAxis) {
  Chart chart{.id = "exact"};
  chart.y.logarithmic = true;
  chart.series = {{.name = "s", .x = {0.1, 1.0 / 3.0}, .y = {3.14e23, 1e-300}}};
  const nlohmann::json json = nlohmann::json::parse(chart_json(chart));
  EXPECT_EQ(json["series"][0]["x"][1].get<double>(), 1.0 / 3.0);
  EXPECT_EQ(json["series"][0]["y"][0].get<double>(), 3.14e23);
  EXPECT_TRUE(json["y"]["log"].get<bool>());
  EXPECT_LT(json["y"]["min"].get<double>(), 1e-300);
  EXPECT_FALSE(json["y"]["ticks"].empty());
}

TEST(ChartTable, HasOneRowAPoint) {
  const Table table = chart_table(samples::bar_chart());
  EXPECT_EQ(table.columns, (std::vector<std::string>{"series", "name", "x", "time [months]", "low", "high"}));
  ASSERT_EQ(table.rows.size(), 6u);
  EXPECT_EQ(table.rows[1], (std::vector<std::string>{"ours", "5.7", "second", "5.7", "5", "6.5"}));
  EXPECT_EQ(table.rows[3],
            (std::vector<std::string>{"other", "", "first period, 1952 to 2010", "20", "", ""}));
}

}  // namespace
}  // namespace tenfold::report
