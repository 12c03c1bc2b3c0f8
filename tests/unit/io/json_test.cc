// SPDX-License-Identifier: Apache-2.0
#include "tenfold/io/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/io/json_string.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::io {
namespace {

using nlohmann::json;

std::string error_for(const std::string& text, const JsonLimits& limits = {}) {
  return error_of([&] { parse_json(text, "case", limits); });
}

TEST(Json, ReadsEveryKindOfValue) {
  const json value =
      parse_json(R"( {"a": [1, -2, 2.5e-1, true, false, null, "x\u00e9\ud83d\ude00"], "b": {}} )", "case");
  EXPECT_EQ(value.at("a").size(), 7u);
  EXPECT_EQ(value.at("a")[0].get<int>(), 1);
  EXPECT_EQ(value.at("a")[1].get<int>(), -2);
  EXPECT_DOUBLE_EQ(value.at("a")[2].get<double>(), 0.25);
  EXPECT_TRUE(value.at("a")[3].get<bool>());
  EXPECT_FALSE(value.at("a")[4].get<bool>());
  EXPECT_TRUE(value.at("a")[5].is_null());
  EXPECT_EQ(value.at("a")[6].get<std::string>(), "x\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_TRUE(value.at("b").is_object());
  EXPECT_EQ(parse_json("7", "case").get<int>(), 7);
  EXPECT_EQ(parse_json("18446744073709551615", "case").get<std::uint64_t>(), 18446744073709551615u);
}

TEST(Json, KeepsStructureOfNestedContainers) {
  const json value = parse_json(R"([[1,[2]],{"k":[{"m":3}],"n":[]},4])", "case");
  EXPECT_EQ(value.dump(), R"([[1,[2]],{"k":[{"m":3}],"n":[]},4])");
}

TEST(Json, RefusesWhatIsNotJson) {
  const std::vector<std::string> texts = {"",
                                          " ",
                                          "{",
                                          "}",
                                          "{}{}",
                                          "{} x",
                                          "[1,]",
                                          "{\"a\":1,}",
                                          "{a:1}",
                                          "{'a':1}",
                                          "[01]",
                                          "[+1]",
                                          "[.5]",
                                          "[1.]",
                                          "[NaN]",
                                          "[Infinity]",
                                          "// comment\n{}",
                                          "[\"\t\"]",
                                          "[\"\\x\"]",
                                          "[\"\\ud800\"]",
                                          "tru",
                                          "\xEF\xBB\xBF{}",
                                          std::string("{}\0", 3),
                                          std::string("{}\0garbage", 10),
                                          std::string("[\"a\0\"]", 6)};
  for (const std::string& text : texts) EXPECT_EQ(error_for(text), "data json.syntax") << text;
}

TEST(Json, NamesTheLineAndColumnOfASyntaxError) {
  const std::string message = message_of([] { parse_json("{\n  \"a\": 1,\n  oops\n}", "run.json"); });
  EXPECT_NE(message.find("run.json: line 3, column 3"), std::string::npos) << message;
}

TEST(Json, RefusesTheSameKeyTwiceAtEveryLevel) {
  EXPECT_EQ(error_for(R"({"a":1,"a":1})"), "data json.duplicate_key");
  EXPECT_EQ(error_for(R"({"b":[{"a":1,"c":2,"a":3}]})"), "data json.duplicate_key");
  EXPECT_EQ(error_for(R"({"a":1,"\u0061":1})"), "data json.duplicate_key");
  EXPECT_EQ(error_for(R"({"a":{"a":1},"b":{"a":1}})"), "no error");
}

TEST(Json, RefusesInvalidUtf8) {
  EXPECT_EQ(error_for("\"\xC0\xAF\""), "data json.bad_utf8");
  EXPECT_EQ(error_for("\"\xED\xA0\x80\""), "data json.bad_utf8");
  EXPECT_EQ(error_for("\"\xFF\""), "data json.bad_utf8");
}

TEST(Json, HoldsEachLimitExactly) {
  EXPECT_EQ(error_for("[[[]]]", {.max_depth = 3}), "no error");
  EXPECT_EQ(error_for("[[[[]]]]", {.max_depth = 3}), "data json.too_deep");
  EXPECT_EQ(error_for(R"({"a":{"a":{}}})", {.max_depth = 2}), "data json.too_deep");
  EXPECT_EQ(error_for("1", {.max_depth = 0}), "no error");
  EXPECT_EQ(error_for("[1,2]", {.max_nodes = 3}), "no error");
  EXPECT_EQ(error_for("[1,2,3]", {.max_nodes = 3}), "data json.too_many_nodes");
  EXPECT_EQ(error_for("[1,2]", {.max_bytes = 5}), "no error");
  EXPECT_EQ(error_for("[1,22]", {.max_bytes = 5}), "data json.too_large");
  EXPECT_EQ(error_for(std::string(10'000'000, '[')), "data json.too_deep");
}

TEST(Json, RefusesANumberThatNoDoubleHolds) {
  EXPECT_EQ(error_for("[1e999]"), "data json.number_too_large");
  EXPECT_EQ(error_for("[-1e999]"), "data json.number_too_large");
  EXPECT_EQ(error_for("[1e-999]"), "no error");
}

TEST(Json, ThrowsTheClassTheCallerNames) {
  EXPECT_EQ(error_for("{", {.error_class = ErrorClass::kFile}), "file json.syntax");
}

// --- written strings ---

WrittenString written(std::string_view text_with_quote) {
  const auto found = scan_written_string(text_with_quote);
  EXPECT_TRUE(found.has_value()) << text_with_quote;
  return found.value_or(WrittenString{});
}

TEST(JsonString, DecodesEveryEscapeAsTheLibraryDoes) {
  const std::vector<std::string> texts = {R"(plain")",
                                          R"(\"\\\/\b\f\n\r\t")",
                                          R"(\u0000\u007f\u0080\u07ff\u0800\uffff")",
                                          R"(\ud800\udc00 \uDBFF\uDFFF")",
                                          "\xE2\x82\xAC\"",
                                          "\""};
  for (const std::string& text : texts) {
    EXPECT_EQ(decode(written(text)), json::parse("\"" + text).get<std::string>()) << text;
  }
}

TEST(JsonString, FindsTheEndAndRefusesMalformedStrings) {
  EXPECT_EQ(written(R"(a\"b" rest")").text, R"(a\"b)");
  for (const char* text : {"",
                           "a",
                           "a\\\"",
                           "\\x\"",
                           "\\u12\"",
                           "\\u12G4\"",
                           "\\ud800\"",
                           "\\ud800\\u0041\"",
                           "\\udc00\"",
                           "a\nb\"",
                           "\\"}) {
    EXPECT_FALSE(scan_written_string(text).has_value()) << text;
  }
}

TEST(JsonString, ComparesByDecodedBytes) {
  const std::vector<std::string> texts = {"\"",
                                          "a\"",
                                          "\\u0061\"",
                                          "ab\"",
                                          "a\\u0062\"",
                                          "b\"",
                                          "\\n\"",
                                          "\\u000A\"",
                                          "\xC3\xA9\"",
                                          "\\u00e9\"",
                                          "\\uffff\"",
                                          "\\ud83d\\ude00\"",
                                          "a\\n\"",
                                          "z\\\"\""};
  for (const std::string& a : texts) {
    for (const std::string& b : texts) {
      const std::string plain_a = json::parse("\"" + a).get<std::string>();
      const std::string plain_b = json::parse("\"" + b).get<std::string>();
      EXPECT_EQ(compare(written(a), written(b)) < 0, plain_a < plain_b) << a << " " << b;
      EXPECT_EQ(compare(written(a), written(b)) == 0, plain_a == plain_b) << a << " " << b;
      EXPECT_EQ(compare(written(a), plain_b) < 0, plain_a < plain_b) << a << " " << b;
      EXPECT_EQ(compare(written(a), plain_b) == 0, plain_a == plain_b) << a << " " << b;
    }
  }
}

}  // namespace
}  // namespace tenfold::io
