// SPDX-License-Identifier: Apache-2.0
#include "tenfold/report/text.h"

#include <gtest/gtest.h>

namespace tenfold::report {
namespace {

TEST(Text, DecodesAndEncodesEveryLengthOfUtf8) {
  const std::string text = "a\u00E9\u4E2D\U0001F600";
  EXPECT_EQ(decode_utf8(text), U"a\u00E9\u4E2D\U0001F600");
  EXPECT_EQ(encode_utf8(decode_utf8(text)), text);
}

TEST(Text, ReplacesIllFormedBytesOneByOne) {
  EXPECT_EQ(decode_utf8("a\xff"
                        "b"),
            U"a\uFFFDb");
  EXPECT_EQ(decode_utf8("\xC0\xAF"), U"\uFFFD\uFFFD");                      // overlong "/"
  EXPECT_EQ(decode_utf8("\xED\xA0\x80"), U"\uFFFD\uFFFD\uFFFD");            // a surrogate
  EXPECT_EQ(decode_utf8("\xF4\x90\x80\x80"), U"\uFFFD\uFFFD\uFFFD\uFFFD");  // beyond U+10FFFF
  EXPECT_EQ(decode_utf8("\xE4\xB8"), U"\uFFFD\uFFFD");                      // cut off
}

TEST(Text, OneLineHasNoControlsAndNoDirectionMarks) {
  EXPECT_EQ(one_line("a\nb\tc\x1b[31m"), "a b c [31m");
  EXPECT_EQ(one_line("a\u202Eb\u2066c"), "abc");
  EXPECT_EQ(one_line("a\u0085b\u2028c"), "a b c");
  EXPECT_EQ(one_line("a\uFFFFb"), "a\uFFFDb");
}

TEST(Text, CellsOfCombiningAndWideCharacters) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("e\u0301"), 1);       // e with a combining acute
  EXPECT_EQ(display_width("\u4E2D\u6587"), 4);  // Chinese
  EXPECT_EQ(display_width("\uAC00"), 2);        // Hangul
  EXPECT_EQ(display_width("\u200B"), 0);
  EXPECT_EQ(display_width("\U0001F600"), 2);
  EXPECT_EQ(display_width("\u2013\u2026\u00D7"), 3);  // dash, ellipsis, times
}

TEST(Text, CutsWithinTheWidth) {
  EXPECT_EQ(cut_to_display_width("abcdef", 6), "abcdef");
  EXPECT_EQ(cut_to_display_width("abcdef", 4), "abc\u2026");
  EXPECT_EQ(cut_to_display_width("\u4E2D\u6587\u5B57", 4), "\u4E2D\u2026");  // a wide one is never halved
}

TEST(Text, PixelWidthFollowsTheAdvanceWidthsOfTheFont) {
  // hmtx of DejaVu Sans: "i" 569, "W" 2025, space 651 of 2048 units.
  EXPECT_NEAR(pixel_width("i", 100), 100 * 569.0 / 2048, 0.1);
  EXPECT_NEAR(pixel_width("W W", 100), 100 * (2 * 2025.0 + 651) / 2048, 0.2);
}

TEST(Text, WrapsAtSpacesAndCutsTheLastLine) {
  using Lines = std::vector<std::string>;
  const double width = pixel_width("hello world", 10) + 1;
  EXPECT_EQ(wrap_to_pixel_width("hello world again", 10, width, 3), (Lines{"hello world", "again"}));
  EXPECT_EQ(wrap_to_pixel_width("hello world", 10, width, 1), Lines{"hello world"});
  EXPECT_EQ(wrap_to_pixel_width("", 10, width, 2), Lines{});
  const Lines cut = wrap_to_pixel_width("one two three four", 10, pixel_width("one two", 10) + 1, 2);
  ASSERT_EQ(cut.size(), 2u);
  EXPECT_EQ(cut[0], "one two");
  EXPECT_TRUE(cut[1].ends_with("\u2026")) << cut[1];
  const Lines one_word = wrap_to_pixel_width("incomprehensibilities", 10, 40, 3);
  ASSERT_EQ(one_word.size(), 1u);
  EXPECT_TRUE(one_word[0].ends_with("\u2026"));
}

TEST(Text, EscapesHtmlForContentAndAttributes) {
  EXPECT_EQ(escape_html("<a href=\"x\" o='y'>&</a>"),
            "&lt;a href=&quot;x&quot; o=&#39;y&#39;&gt;&amp;&lt;/a&gt;");
  EXPECT_EQ(escape_html(std::string("a\0b", 3)), "a\uFFFDb");
  EXPECT_EQ(escape_html("a\nb"), "a\nb");
}

TEST(Text, PowersOfTenHaveRaisedExponents) {
  EXPECT_EQ(power_of_ten(24), "10\u00B2\u2074");
  EXPECT_EQ(power_of_ten(-3), "10\u207B\u00B3");
  EXPECT_EQ(power_of_ten(0), "10\u2070");
}

}  // namespace
}  // namespace tenfold::report
