// SPDX-License-Identifier: Apache-2.0
// Text helpers at their edges: UTF-8 rules, number parsing, nearest names, terminal-safe text.
#include "tenfold/base/strings.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tenfold {
namespace {

using namespace std::string_literals;
using Strings = std::vector<std::string>;

TEST(Trim, RemovesAsciiWhiteSpaceAtBothEndsOnly) {
  EXPECT_EQ(trim(" \t\r\n\f\va b \n"), "a b");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim("x"), "x");
  EXPECT_EQ(trim("\u00A0x"), "\u00A0x");  // a no-break space is not ASCII
}

TEST(Split, KeepsEmptyParts) {
  EXPECT_EQ(split("a,b", ','), (Strings{"a", "b"}));
  EXPECT_EQ(split("", ','), (Strings{""}));
  EXPECT_EQ(split(",", ','), (Strings{"", ""}));
  EXPECT_EQ(split(",a,,b,", ','), (Strings{"", "a", "", "b", ""}));
  EXPECT_EQ(split("a\0b"s, '\0'), (Strings{"a", "b"}));
}

TEST(Join, IsTheInverseOfSplit) {
  EXPECT_EQ(join(Strings{}, ", "), "");
  EXPECT_EQ(join(Strings{"a"}, ", "), "a");
  EXPECT_EQ(join(Strings{"a", "", "b"}, ", "), "a, , b");
  for (const std::string text : {"", ",", "a,b", ",a,,b,"}) EXPECT_EQ(join(split(text, ','), ","), text);
}

TEST(ToLower, ChangesAsciiLettersOnly) {
  EXPECT_EQ(to_lower("AZaz[@`{09"), "azaz[@`{09");
  EXPECT_EQ(to_lower("ÄÉ"), "ÄÉ");
}

TEST(Utf8, AcceptsTheFirstAndLastCodePointOfEachLength) {
  for (const std::string& text : {
           ""s,
           "\0"s,
           "\x7F"s,
           "\xC2\x80"s,          // U+0080
           "\xDF\xBF"s,          // U+07FF
           "\xE0\xA0\x80"s,      // U+0800
           "\xED\x9F\xBF"s,      // U+D7FF, the last before the surrogates
           "\xEE\x80\x80"s,      // U+E000, the first after them
           "\xEF\xBF\xBF"s,      // U+FFFF
           "\xF0\x90\x80\x80"s,  // U+10000
           "\xF4\x8F\xBF\xBF"s,  // U+10FFFF
           "a\xC3\xA9z\xF0\x9F\x98\x80!"s,
       }) {
    EXPECT_TRUE(is_valid_utf8(text)) << printable(text);
  }
}

TEST(Utf8, RefusesOverlongForms) {
  for (const std::string_view text : {"\xC0\x80",
                                      "\xC0\xAF",
                                      "\xC1\xBF",
                                      "\xE0\x80\x80",
                                      "\xE0\x9F\xBF",
                                      "\xF0\x80\x80\x80",
                                      "\xF0\x8F\xBF\xBF"}) {
    EXPECT_FALSE(is_valid_utf8(text)) << printable(text);
  }
}

TEST(Utf8, RefusesSurrogatesAndCodePointsPastTheLast) {
  for (const std::string_view text : {"\xED\xA0\x80",
                                      "\xED\xBF\xBF",
                                      "\xED\xA0\xBD\xED\xB8\x80",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xF8\x88\x80\x80\x80",
                                      "\xFE",
                                      "\xFF"}) {
    EXPECT_FALSE(is_valid_utf8(text)) << printable(text);
  }
}

TEST(Utf8, RefusesTruncatedSequencesAndStrayContinuations) {
  for (const std::string_view text : {"\xC3",
                                      "\xE2\x82",
                                      "\xE2",
                                      "\xF0\x9F\x98",
                                      "\xF0\x9F",
                                      "\xF0",
                                      "\x80",
                                      "a\xBF",
                                      "\xC3(",
                                      "\xE2\x82(",
                                      "\xE2(\x82",
                                      "\xF0\x9F\x98(",
                                      "\xF0(\x9F\x98"}) {
    EXPECT_FALSE(is_valid_utf8(text)) << printable(text);
  }
}

TEST(ParseDouble, ReadsWholeNumbersOfEveryUsualForm) {
  EXPECT_EQ(parse_double("0"), 0.0);
  EXPECT_EQ(parse_double("+1"), 1.0);
  EXPECT_EQ(parse_double("-1.5"), -1.5);
  EXPECT_EQ(parse_double("1e15"), 1e15);
  EXPECT_EQ(parse_double("1E+15"), 1e15);
  EXPECT_EQ(parse_double(".5"), 0.5);
  EXPECT_EQ(parse_double("5."), 5.0);
  EXPECT_EQ(parse_double("0.1"), 0.1);
  EXPECT_EQ(parse_double("1.7976931348623157e308"), std::numeric_limits<double>::max());
  EXPECT_EQ(parse_double("5e-324"), std::numeric_limits<double>::denorm_min());
  EXPECT_TRUE(std::signbit(*parse_double("-0")));
}

TEST(ParseDouble, ReadsInfinityAndNan) {
  EXPECT_EQ(parse_double("inf"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse_double("-inf"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(parse_double("+Infinity"), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(parse_double("nan").value()));
}

TEST(ParseDouble, RefusesEverythingElse) {
  for (const std::string& text :
       {""s,    " 1"s,    "1 "s,  "1\n"s,    "+"s,    "-"s,   "+-1"s,   "-+1"s,   "++1"s,
        "--1"s, "1e400"s, "e5"s,  "1e"s,     "0x10"s, "1,5"s, "1_000"s, "1.2.3"s, "."s,
        "1f"s,  "abc"s,   "1\0"s, "-1e400"s, "１"s,   "in"s,  "infx"s,  "1e+"s}) {
    EXPECT_EQ(parse_double(text), std::nullopt) << printable(text);
  }
}

TEST(ParseInteger, ReadsTheWholeRange) {
  EXPECT_EQ(parse_integer("0"), 0);
  EXPECT_EQ(parse_integer("+7"), 7);
  EXPECT_EQ(parse_integer("-7"), -7);
  EXPECT_EQ(parse_integer("007"), 7);
  EXPECT_EQ(parse_integer("9223372036854775807"), std::numeric_limits<long long>::max());
  EXPECT_EQ(parse_integer("-9223372036854775808"), std::numeric_limits<long long>::min());
}

TEST(ParseInteger, RefusesOverflowAndEverythingElse) {
  for (const std::string& text : {"9223372036854775808"s,
                                  "-9223372036854775809"s,
                                  ""s,
                                  " 1"s,
                                  "1 "s,
                                  "+-1"s,
                                  "-+1"s,
                                  "++1"s,
                                  "+"s,
                                  "-"s,
                                  "0x10"s,
                                  "1.0"s,
                                  "1e3"s,
                                  "1_000"s,
                                  "a"s,
                                  "1\0"s}) {
    EXPECT_EQ(parse_integer(text), std::nullopt) << printable(text);
  }
}

TEST(NearestName, FindsTypingErrors) {
  const Strings names = {"learning_rate", "sigma", "seed", "batch_size", "csv"};
  EXPECT_EQ(nearest_name("lerning_rate", names), "learning_rate");    // a missing letter
  EXPECT_EQ(nearest_name("learning_ratee", names), "learning_rate");  // one too many
  EXPECT_EQ(nearest_name("sgima", names), "sigma");                   // two exchanged
  EXPECT_EQ(nearest_name("learning-rate", names), "learning_rate");   // a wrong one
  EXPECT_EQ(nearest_name("SEED", names), "seed");                     // case
  EXPECT_EQ(nearest_name("sig", names), "sigma");                     // a prefix
  EXPECT_EQ(nearest_name("learn", names), "learning_rate");
  EXPECT_EQ(nearest_name("tsv", names), "csv");
}

TEST(NearestName, GivesNoFarFetchedGuess) {
  const Strings names = {"learning_rate", "sigma", "seed", "batch_size"};
  for (const std::string_view name : {"momentum", "zzz", "xy", "q", "rate_of_learning_things"}) {
    EXPECT_EQ(nearest_name(name, names), std::nullopt) << name;
  }
  EXPECT_EQ(nearest_name("ab", Strings{"xy", "cd"}), std::nullopt);
  EXPECT_EQ(nearest_name("sigma", Strings{}), std::nullopt);
  EXPECT_EQ(nearest_name("", Strings{"ab", "seed"}), std::nullopt);
}

TEST(NearestName, PrefersTheNearestAndThenTheFirst) {
  EXPECT_EQ(nearest_name("seeds", Strings{"needs", "seed", "speeds"}), "needs");
  EXPECT_EQ(nearest_name("seeed", Strings{"needy", "seed"}), "seed");
  EXPECT_EQ(nearest_name("seed", Strings{"seeds", "seed"}), "seed");
}

TEST(NearestName, IsCheapForANameOfMegabytes) {
  // A full table of distances would be 4 MB x 1,000 names x 20 letters.
  const Strings names(1000, "twenty_letters_long_");
  EXPECT_EQ(nearest_name(std::string(4'000'000, 'x'), names), std::nullopt);
}

TEST(Printable, LeavesPlainAndForeignTextAlone) {
  EXPECT_EQ(printable("plain text"), "plain text");
  EXPECT_EQ(printable("naïve 日本 😀"), "naïve 日本 😀");
  EXPECT_EQ(printable(""), "");
}

TEST(Printable, EscapesControlsAndInvalidBytes) {
  EXPECT_EQ(printable("a\nb\tc"), "a\\nb\\tc");
  EXPECT_EQ(printable("\x1b[31mred\x7f"), "\\x1b[31mred\\x7f");
  EXPECT_EQ(printable("\0x"s), "\\x00x");
  EXPECT_EQ(printable("\r"), "\\x0d");
  EXPECT_EQ(printable("\xC2\x9B"
                      "31m"),
            "\\xc2\\x9b31m");  // the one-character form of ESC [
  EXPECT_EQ(printable("\xFF\xC3"), "\\xff\\xc3");
}

TEST(Printable, CutsAtTheLimitAndSaysSo) {
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("abc", 0), "...");
  EXPECT_EQ(printable("", 0), "");
  EXPECT_EQ(printable(std::string(200, 'x')), std::string(120, 'x') + "...");
}

TEST(Printable, NeverExceedsTheLimitNorCutsACharacterOrEscape) {
  EXPECT_EQ(printable("aé", 2), "a...");
  EXPECT_EQ(printable("aé", 3), "aé");
  EXPECT_EQ(printable("ab\x01", 3), "ab...");
  EXPECT_EQ(printable("ab\x01", 6), "ab\\x01");
  for (std::size_t limit = 0; limit < 40; ++limit) {
    const std::string text = printable("é\x01\xFF\nx😀é\x01\xFF\nx😀", limit);
    EXPECT_LE(text.size(), limit + 3);
    EXPECT_TRUE(is_valid_utf8(text));
  }
}

TEST(ShellQuote, GivesTheShellTheSameText) {
  EXPECT_EQ(shell_quote(""), "''");
  EXPECT_EQ(shell_quote("a b"), "'a b'");
  EXPECT_EQ(shell_quote("it's"), "'it'\\''s'");
  for (const std::string text : {"a b", "it's", "$HOME `id` \"x\" \\ ! * ~", "''", "-n", "a\nb"}) {
    const std::string command = "printf %s " + shell_quote(text);
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    ASSERT_NE(pipe, nullptr);
    char buffer[256] = {};
    const std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe.get());
    EXPECT_EQ(std::string(buffer, count), text);
  }
}

TEST(NearestName, AllowsOneEditInNamesOfThreeLetters) {
  EXPECT_EQ(nearest_name("foo", std::vector<std::string>{"moe", "bmm"}), std::nullopt);
  EXPECT_EQ(nearest_name("mo", std::vector<std::string>{"moe"}), "moe");
  EXPECT_EQ(nearest_name("meo", std::vector<std::string>{"moe"}), "moe");
}

}  // namespace
}  // namespace tenfold
