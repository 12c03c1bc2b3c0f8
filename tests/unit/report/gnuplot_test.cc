// SPDX-License-Identifier: Apache-2.0
// Runs gnuplot when it is installed and looks at what it drew.
#include "tenfold/report/gnuplot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/report/child_process.h"
#include "tests/unit/report/sample_charts.h"

namespace tenfold::report {
namespace {

using testing::HasSubstr;
using testing::Not;

bool installed(const std::string& program) {
  return run_child({.arguments = {program, "--version"}}).found;
}

#define SKIP_WITHOUT_GNUPLOT() \
  if (!installed("gnuplot")) GTEST_SKIP() << "gnuplot is not installed"

// The documents as Python's XML parser sees them: all their text content, or its error.
std::string xml_text(const std::vector<std::string>& documents) {
  const char* program =
      "import sys, xml.etree.ElementTree as e\n"
      "for document in sys.stdin.buffer.read().split(b'\\0')[:-1]:\n"
      "  sys.stdout.buffer.write('\\n'.join(e.fromstring(document).itertext()).encode())";
  std::string input;
  for (const std::string& document : documents) input += document + '\0';
  const ChildResult result = run_child({.arguments = {"python3", "-c", program}, .input = input});
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  return result.output;
}

TEST(Svg, IsWellFormedAndItsTextIsText) {
  SKIP_WITHOUT_GNUPLOT();
  if (!installed("python3")) GTEST_SKIP() << "python3 is not installed";
  const std::vector<Chart> charts = {
      samples::growth_chart(), samples::bar_chart(), samples::line_chart(), samples::hostile_chart()};
  std::vector<std::string> pictures;
  for (const Chart& chart : charts) {
    pictures.push_back(to_svg(chart));
    EXPECT_THAT(pictures.back(), HasSubstr("viewBox=\"0 0 1000 640\""));
  }
  const std::string text = xml_text(pictures);
  for (const Chart& chart : charts) EXPECT_THAT(text, HasSubstr(chart.series.back().name)) << chart.id;
  EXPECT_THAT(text, HasSubstr("10\u00B2\u2074"));
}

TEST(Svg, PrintsHostileTextsLiterally) {
  SKIP_WITHOUT_GNUPLOT();
  if (!installed("python3")) GTEST_SKIP() << "python3 is not installed";
  Chart chart = samples::hostile_chart();
  chart.title = "\"; system('x') `date` @x {a}_b^c \\n %s <b> &amp;";
  chart.categories = {"50 %", "%d `x`"};
  const std::string text = xml_text({to_svg(chart)});
  EXPECT_THAT(text, HasSubstr(chart.title));
  EXPECT_THAT(text, HasSubstr("50 %"));
  EXPECT_THAT(text, HasSubstr("%d `x`"));
}

// gnuplot joins neighbouring legend lines of one colour and width to one path, with the dashes of the first.
TEST(Svg, ASolidLegendLineStaysSolidBesideADashedOneOfItsColour) {
  SKIP_WITHOUT_GNUPLOT();
  Chart chart;
  chart.id = "legend";
  for (bool dashed : {true, false}) {
    Series series;
    series.name = dashed ? "forecast" : "trend";
    series.x = {0.0, 1.0};
    series.y = {0.0, dashed ? 2.0 : 1.0};
    series.low = series.high = series.y;
    series.color = 0;
    series.dashed = dashed;
    chart.series.push_back(series);
  }
  const std::string picture = to_svg(chart);
  std::size_t dashed_paths = 0;
  for (std::size_t at = picture.find("stroke-dasharray='7"); at != std::string::npos;
       at = picture.find("stroke-dasharray='7", at + 1)) {
    const std::string path = picture.substr(at, picture.find("/>", at) - at);
    EXPECT_EQ(std::count(path.begin(), path.end(), 'M'), 1) << path;
    ++dashed_paths;
  }
  EXPECT_EQ(dashed_paths, 2u);  // in the plot and in the legend
}

TEST(Svg, IsTheSameEveryTime) {
  SKIP_WITHOUT_GNUPLOT();
  EXPECT_EQ(to_svg(samples::growth_chart()), to_svg(samples::growth_chart()));
}

TEST(Svg, HasNoScript) {
  SKIP_WITHOUT_GNUPLOT();
  EXPECT_THAT(to_svg(samples::hostile_chart()), Not(HasSubstr("<script")));
}

TEST(Svg, EmptyChartsAreDrawnToo) {
  SKIP_WITHOUT_GNUPLOT();
  EXPECT_THAT(to_svg(Chart{.id = "empty"}), HasSubstr("</svg>"));
  Chart chart{.id = "no_points", .title = "nothing"};
  chart.y.logarithmic = true;
  chart.series = {{.name = "empty line"}, {.name = "empty points", .mark = Mark::kPoints}};
  EXPECT_THAT(to_svg(chart), HasSubstr("empty points"));
}

TEST(Svg, ErrorBarsStandOnLogarithmicAxes) {
  SKIP_WITHOUT_GNUPLOT();
  Chart chart{.id = "bars"};
  chart.x.logarithmic = chart.y.logarithmic = true;
  chart.series = {{.mark = Mark::kPoints, .x = {1, 10}, .y = {10, 1e5}, .low = {1, 1e4}, .high = {100, 1e6}}};
  EXPECT_THAT(to_svg(chart), HasSubstr("</svg>"));
}

TEST(Svg, LargeChartsPassThroughThePipes) {
  SKIP_WITHOUT_GNUPLOT();
  Chart chart{.id = "large"};
  Series line{.name = "noise"};
  for (int i = 0; i < 20000; ++i) {
    line.x.push_back(i);
    line.y.push_back((i * 7919) % 104729);
  }
  chart.series = {line};
  const std::string svg = to_svg(chart);
  EXPECT_GT(svg.size(), 100000u);
  EXPECT_THAT(svg, HasSubstr("</svg>"));
}

TEST(Png, HasTheMagicBytesAndTheSize) {
  SKIP_WITHOUT_GNUPLOT();
  const std::string png = to_png(samples::bar_chart(), {640, 400});
  ASSERT_GT(png.size(), 33u);
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  const auto number = [&png](std::size_t at) {
    unsigned value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(png[at + i]);
    return value;
  };
  EXPECT_EQ(number(16), 640u);  // IHDR: width and height, big-endian
  EXPECT_EQ(number(20), 400u);
}

TEST(Svg, RefusesWhatCheckRefuses) {
  Chart chart{.id = "bad"};
  chart.y.logarithmic = true;
  chart.series = {{.name = "loss", .x = {1}, .y = {0}}};
  EXPECT_THROW(to_svg(chart), Error);
}

// A folder put before PATH holds the program `gnuplot` with this text.
class FakeGnuplot {
 public:
  explicit FakeGnuplot(const std::string& script) : old_path_(std::getenv("PATH")) {
    folder_ = std::filesystem::path(testing::TempDir()) / ("fake_gnuplot_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    const std::filesystem::path program = folder_ / "gnuplot";
    std::ofstream(program) << "#!/bin/sh\n" << script;
    std::filesystem::permissions(program, std::filesystem::perms::owner_all);
    setenv("PATH", (folder_.string() + ":" + old_path_).c_str(), 1);
  }
  ~FakeGnuplot() {
    setenv("PATH", old_path_.c_str(), 1);
    std::filesystem::remove_all(folder_);
  }

 private:
  std::string old_path_;
  std::filesystem::path folder_;
};

TEST(Svg, FailureOfGnuplotCarriesItsReason) {
  const FakeGnuplot fake("cat >/dev/null\necho 'plot x' >&2\necho 'line 7: out of ink' >&2\nexit 1\n");
  try {
    to_svg(samples::line_chart());
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "report.gnuplot_failed");
    EXPECT_EQ(error.error_class(), ErrorClass::kInternal);
    EXPECT_THAT(error.text().seen, HasSubstr("message: line 7: out of ink"));
    EXPECT_THAT(error.text().seen, HasSubstr("exit code 1"));
  }
}

TEST(Svg, OutputThatIsNoPictureIsAFailure) {
  const FakeGnuplot fake("cat >/dev/null\necho hello\n");
  EXPECT_THROW(to_svg(samples::line_chart()), Error);
  EXPECT_THROW(to_png(samples::line_chart()), Error);
}

TEST(Svg, MissingGnuplotNamesThePackage) {
  const std::string path = std::getenv("PATH");
  ASSERT_EQ(setenv("PATH", "/nonexistent", 1), 0);
  std::string code, remedy;
  try {
    to_svg(samples::line_chart());
  } catch (const Error& error) {
    code = error.code();
    remedy = error.text().remedy;
    EXPECT_EQ(error.error_class(), ErrorClass::kResource);
  }
  setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(code, "report.no_gnuplot");
  EXPECT_THAT(remedy, HasSubstr("gnuplot-nox"));
}

}  // namespace
}  // namespace tenfold::report
