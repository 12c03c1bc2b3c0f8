// SPDX-License-Identifier: Apache-2.0
#include "tenfold/report/gnuplot_script.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>

#include "tenfold/base/error.h"
#include "tenfold/report/layout.h"
#include "tests/unit/report/sample_charts.h"

namespace tenfold::report {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string script(const Chart& chart, PictureFormat format = PictureFormat::kSvg) {
  return gnuplot_script(chart, {}, format);
}

TEST(GnuplotQuote, WritesEverythingSpecialAsOctal) {
  EXPECT_EQ(gnuplot_quote("plain text 1.5"), "\"plain text 1.5\"");
  EXPECT_EQ(gnuplot_quote("\"`@\\"), "\"\\042\\140\\100\\134\"");
  EXPECT_EQ(gnuplot_quote("a{b}_c^d"), "\"a\\173b\\175\\137c\\136d\"");
  EXPECT_EQ(gnuplot_quote("'%$"), "\"\\047\\045\\044\"");
  EXPECT_EQ(gnuplot_quote("a\nb"), "\"a b\"");
}

TEST(GnuplotQuote, LeavesNoCharacterThatGnuplotInterprets) {
  std::string all;
  for (int c = 1; c < 256; ++c) all.push_back(static_cast<char>(c));
  const std::string quoted = gnuplot_quote(all);
  const std::string inside = quoted.substr(1, quoted.size() - 2);
  EXPECT_THAT(inside, Not(testing::ContainsRegex("[\"'`@{}_^$%~&#\n]")));
  for (std::size_t i = 0; i < inside.size(); ++i) {
    if (inside[i] != '\\') continue;
    ASSERT_LT(i + 3, inside.size());
    for (std::size_t k = 1; k <= 3; ++k)
      EXPECT_NE(std::isdigit(static_cast<unsigned char>(inside[i + k])), 0);
  }
}

TEST(GnuplotQuote, KeepsUnicodeAndSeparatesCharacterReferences) {
  EXPECT_EQ(gnuplot_quote("10\u00B2"), "\"10\u00B2\"");
  EXPECT_EQ(gnuplot_quote("&#65;"), "\"\\046\u200B\\04365;\"");
  EXPECT_EQ(gnuplot_quote("]]>"), "\"]\u200B]\\076\"");
}

TEST(GnuplotScript, TerminalsAreLiteralAndOpaque) {
  EXPECT_THAT(script(samples::line_chart()),
              HasSubstr("set terminal svg size 1000,640 font \"DejaVu Sans,13\" noenhanced background rgb "
                        "\"#ffffff\" name \"lines\"\n"));
  EXPECT_THAT(script(samples::line_chart(), PictureFormat::kPng),
              HasSubstr("set terminal pngcairo size 1000,640 font \"DejaVu Sans,13\" noenhanced"));
}

TEST(GnuplotScript, LogarithmicAxisHasNamedAndMinorTicks) {
  const std::string text = script(samples::growth_chart());
  EXPECT_THAT(text, HasSubstr("set logscale y 10\n"));
  EXPECT_THAT(text, HasSubstr("\"10\u00B2\u2074\" 1e+24"));
  EXPECT_THAT(text, HasSubstr("\"\" "));
  EXPECT_THAT(text, Not(HasSubstr("set logscale x")));
}

TEST(GnuplotScript, DataStandsInDatablocks) {
  Chart chart{.id = "data"};
  chart.series = {{.x = {1, 2}, .y = {0.5, 0.25}, .low = {0.4, 0.2}, .high = {0.6, 0.3}}};
  EXPECT_THAT(script(chart),
              HasSubstr("$data0 << END_OF_DATA\n1 0.5 0.4 0.6\n2 0.25 0.2 0.3\nEND_OF_DATA\n"));
}

TEST(GnuplotScript, BandsLieUnderLinesAndPointsOnTop) {
  const std::string text = script(samples::growth_chart());
  const std::size_t band = text.find("with filledcurves"), line = text.find("with lines");
  const std::size_t points = text.find("with points"), stars = text.find("with labels");
  ASSERT_NE(band, std::string::npos);
  ASSERT_NE(stars, std::string::npos);
  EXPECT_LT(band, line);
  EXPECT_LT(line, points);
  EXPECT_LT(points, stars);
  EXPECT_THAT(text, HasSubstr("fillstyle transparent solid 0.2 noborder"));
  EXPECT_THAT(text, HasSubstr("dashtype (7,4)"));
  EXPECT_THAT(text, HasSubstr("pointtype 6"));  // rings
}

TEST(GnuplotScript, BarsOfAGroupStandSideBySide) {
  const std::string text = script(samples::bar_chart());
  EXPECT_THAT(text, HasSubstr("$data0 << END_OF_DATA\n-0.2 21 16 31\n"));
  EXPECT_THAT(text, HasSubstr("$data1 << END_OF_DATA\n0.2 20 20 20\n"));
  EXPECT_THAT(text, HasSubstr("with boxes"));
  EXPECT_THAT(text, HasSubstr("with vectors heads"));  // error bars
}

TEST(GnuplotScript, SpansHaveBordersShadeAndName) {
  const std::string text = script(samples::growth_chart());
  EXPECT_THAT(text, HasSubstr("\"second era\""));
  EXPECT_THAT(text, HasSubstr("fillcolor rgb \"#f3f3f3\" fillstyle solid noborder behind"));
  EXPECT_THAT(text, HasSubstr("nohead back dashtype (6,5)"));
}

TEST(GnuplotScript, HostileTextsNeverLeaveTheirQuotes) {
  const std::string text = script(samples::hostile_chart());
  EXPECT_THAT(text, Not(HasSubstr("system('")));
  EXPECT_THAT(text, Not(HasSubstr("`")));
  EXPECT_THAT(text, Not(HasSubstr("@")));
  EXPECT_THAT(text, HasSubstr("\\140date\\140"));
  EXPECT_THAT(text, HasSubstr("\"50 \\045\""));
}

TEST(GnuplotScript, SameChartSameText) {
  EXPECT_EQ(script(samples::growth_chart()), script(samples::growth_chart()));
}

TEST(GnuplotScript, SizeOutOfRangeIsRefused) {
  for (PictureSize size : {PictureSize{0, 640}, {1000, 100000}, {-5, 640}}) {
    try {
      gnuplot_script(samples::line_chart(), size, PictureFormat::kSvg);
      ADD_FAILURE();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "report.picture_size");
      EXPECT_EQ(error.error_class(), ErrorClass::kUsage);
    }
  }
}

TEST(Layout, PlotAndLegendStayInsideThePicture) {
  for (const Chart& chart :
       {samples::growth_chart(), samples::bar_chart(), samples::line_chart(), samples::hostile_chart()}) {
    for (PictureSize size : {PictureSize{1000, 640}, {800, 520}, {400, 480}}) {
      const Layout layout = make_layout(chart, size);
      EXPECT_GE(layout.plot.left, 12);
      EXPECT_LT(layout.plot.left + 100, layout.plot.right);
      EXPECT_LT(layout.plot.top + 40, layout.plot.bottom + 1);
      EXPECT_LT(layout.plot.right, size.width);
      for (const LegendEntry& entry : layout.legend) {
        EXPECT_GE(entry.x, 0);
        EXPECT_LT(entry.y, size.height) << chart.id << " " << size.width;
      }
      for (std::size_t i = 0; i < layout.labels.size(); ++i) {
        for (std::size_t k = 0; k < i; ++k) {
          EXPECT_FALSE(overlaps(layout.labels[i].place.box, layout.labels[k].place.box));
        }
      }
    }
  }
}

TEST(Layout, OverlappingSpansAreNamedInRowsAboveEachOther) {
  const Layout layout = make_layout(samples::growth_chart(), {});
  ASSERT_EQ(layout.spans.size(), 3u);
  EXPECT_EQ(layout.spans[0].y, layout.spans[1].y);
  EXPECT_LT(layout.spans[2].y, layout.spans[1].y);
}

TEST(Layout, MostAnnotatedPointsOfTheGrowthChartAreNamed) {
  const Layout layout = make_layout(samples::growth_chart(), {});
  EXPECT_GE(layout.labels.size(), 12u);  // of 16
}

}  // namespace
}  // namespace tenfold::report
