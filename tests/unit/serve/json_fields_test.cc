// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/json_fields.h"

#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tenfold/serve/errors.h"

namespace tenfold::serve {
namespace {

using config::FileUse;
using nlohmann::json;
using testing::ElementsAre;

struct Inner {
  double rate = 0.5;
  void visit_fields(auto&& field) { field("rate", rate, {.help = "a rate", .min = 0.0, .max = 1.0}); }
};

struct SampleOptions {
  bool flag = false;
  std::int64_t count = 3;
  double size = 1.0;
  std::string name = "x";
  std::optional<double> level;
  std::vector<std::int64_t> sizes;
  std::vector<double> weights;
  std::vector<std::string> words;
  Inner inner;
  std::string table;
  std::vector<std::string> tables;
  std::string picture = "a.svg";
  std::string runs = "runs";
  std::string model;
  std::string python = "python3";

  void visit_fields(auto&& field) {
    field("flag", flag, {.help = "a switch"});
    field("count", count, {.help = "a count", .min = 1, .max = 1e9, .served_max = 100});
    field("size", size, {.help = "a size"});
    field("name", name, {.help = "a name", .choices = {"x", "y"}});
    field("level", level, {.help = "a level"});
    field("sizes", sizes, {.help = "sizes", .served_max = 10});
    field("weights", weights, {.help = "weights"});
    field("words", words, {.help = "words"});
    field("inner", inner, {});
    field("table", table, {.help = "a table", .file = FileUse::kRead});
    field("tables", tables, {.help = "tables", .file = FileUse::kRead});
    field("picture", picture, {.help = "a picture", .file = FileUse::kWrite});
    field("runs", runs, {.help = "runs", .file = FileUse::kRuns});
    field("model", model, {.help = "a model", .file = FileUse::kRunFolder});
    field("python", python, {.help = "a program", .file = FileUse::kRunProgram});
  }
};

std::string resolve(const config::BoundField& field, const std::string& value) {
  return "<" + field.path + ":" + value + ">";
}

std::string code_of(const std::string& text, const ResolveFile& files = resolve) {
  SampleOptions options;
  try {
    apply_json(config::Fields(options), json::parse(text), files);
    check_served(config::Fields(options));
    return "accepted";
  } catch (const Error& error) {
    return error.code();
  }
}

TEST(JsonFields, SetsEveryType) {
  SampleOptions options;
  apply_json(
      config::Fields(options),
      json::parse(R"({"flag":true,"count":7,"size":2,"name":"y","level":null,"sizes":[1,2],"weights":[0.5,1],
                             "words":["a","b"],"inner":{"rate":0.25}})"),
      {});
  EXPECT_TRUE(options.flag);
  EXPECT_EQ(options.count, 7);
  EXPECT_EQ(options.size, 2.0);
  EXPECT_EQ(options.name, "y");
  EXPECT_FALSE(options.level);
  EXPECT_THAT(options.sizes, ElementsAre(1, 2));
  EXPECT_THAT(options.weights, ElementsAre(0.5, 1.0));
  EXPECT_THAT(options.words, ElementsAre("a", "b"));
  EXPECT_EQ(options.inner.rate, 0.25);
}

TEST(JsonFields, TakesDotsAndWholeFloats) {
  SampleOptions options;
  apply_json(config::Fields(options), json::parse(R"({"inner.rate":0.75,"count":1e1,"level":3})"), {});
  EXPECT_EQ(options.inner.rate, 0.75);
  EXPECT_EQ(options.count, 10);
  EXPECT_EQ(options.level, 3.0);
}

TEST(JsonFields, RefusesWrongTypesUnknownKeysAndRanges) {
  for (const char* text : {R"({"flag":1})",
                           R"({"flag":"true"})",
                           R"({"count":1.5})",
                           R"({"count":"7"})",
                           R"({"count":18446744073709551615})",
                           R"({"count":1e300})",
                           R"({"size":"1"})",
                           R"({"name":3})",
                           R"({"sizes":3})",
                           R"({"sizes":[1,"2"]})",
                           R"({"words":[null]})",
                           R"({"inner":{"rate":[]}})",
                           R"({"count":null})",
                           "[]",
                           "3",
                           "null"}) {
    EXPECT_EQ(code_of(text), "config.bad_value") << text;
  }
  for (const char* text :
       {R"({"cuont":7})", R"({"inner":3})", R"({"inner":{"x":1}})", R"({"":1})", R"({"flag":{"a":1}})"}) {
    const std::string code = code_of(text);
    EXPECT_TRUE(code == "config.unknown_key" || code == "config.bad_value") << text << code;
  }
  EXPECT_EQ(code_of(R"({"count":0})"), "config.out_of_range");
  EXPECT_EQ(code_of(R"({"inner":{"rate":2}})"), "config.out_of_range");
  EXPECT_EQ(code_of(R"({"name":"z"})"), "config.not_a_choice");
}

TEST(JsonFields, AnUnknownKeyOfAMegabyteIsRefusedShortly) {
  SampleOptions options;
  try {
    apply_json(config::Fields(options), json{{std::string(1 << 20, 'k'), 1}}, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "config.unknown_key");
    EXPECT_LT(error.text().seen.size(), 200u);
  }
}

TEST(JsonFields, AServerTakesLessThanTheCommandLine) {
  EXPECT_EQ(code_of(R"({"count":100})"), "accepted");
  EXPECT_EQ(code_of(R"({"count":101})"), "config.out_of_range");
  EXPECT_EQ(code_of(R"({"sizes":[3,11]})"), "config.out_of_range");
}

TEST(JsonFields, FilesGoThroughTheResolver) {
  SampleOptions options;
  apply_json(config::Fields(options),
             json::parse(R"({"table":"t","tables":["a","b"],"picture":"b.png","model":"m"})"),
             resolve);
  EXPECT_EQ(options.table, "<table:t>");
  EXPECT_THAT(options.tables, ElementsAre("<tables:a>", "<tables:b>"));
  EXPECT_EQ(options.picture, "<picture:b.png>");
  EXPECT_EQ(options.model, "<model:m>");
}

TEST(JsonFields, NoClientNamesAFileProgramOrFolder) {
  EXPECT_EQ(code_of(R"({"table":"/etc/passwd"})", {}), "serve.file_field");
  EXPECT_EQ(code_of(R"({"python":"/bin/sh"})"), "serve.file_field");
  EXPECT_EQ(code_of(R"({"runs":"/home"})"), "serve.file_field");
  SampleOptions options;
  EXPECT_THROW(apply_query(config::Fields(options), {{"python", "/bin/sh"}}, resolve), HttpError);
}

TEST(JsonFields, DefaultsMayBeSentBack) {
  EXPECT_EQ(code_of(R"({"table":"","tables":[],"picture":"a.svg","runs":"runs","python":"python3"})", {}),
            "accepted");
}

TEST(JsonFields, ReadsAQueryAsTheCommandLine) {
  SampleOptions options;
  apply_query(
      config::Fields(options), {{"count", "9"}, {"words", "a,b"}, {"flag", "true"}, {"inner.rate", "1"}}, {});
  EXPECT_EQ(options.count, 9);
  EXPECT_THAT(options.words, ElementsAre("a", "b"));
  EXPECT_TRUE(options.flag);
  EXPECT_THROW(apply_query(config::Fields(options), {{"count", "x"}}, {}), Error);
  EXPECT_THROW(apply_query(config::Fields(options), {{"nothing", "x"}}, {}), Error);
}

TEST(JsonFields, SchemaSaysWhatAClientMaySend) {
  SampleOptions options;
  const json schema = json::parse(served_schema(config::Fields(options), "sample"));
  EXPECT_FALSE(schema.contains("$schema"));
  EXPECT_FALSE(schema["properties"].contains("python"));
  EXPECT_FALSE(schema["properties"].contains("runs"));
  EXPECT_EQ(schema["properties"]["count"]["maximum"], 100.0);
  EXPECT_EQ(schema["properties"]["sizes"]["items"]["maximum"], 10.0);
  EXPECT_EQ(schema["properties"]["table"]["pattern"], "^(upload:[0-9a-f]{32})?$");
  EXPECT_EQ(schema["properties"]["tables"]["items"]["pattern"], "^(upload:[0-9a-f]{32})?$");
  EXPECT_EQ(schema["properties"]["inner"]["properties"]["rate"]["maximum"], 1.0);
}

TEST(RequestJson, KeepsItsLimits) {
  Limits limits;
  limits.json_bytes = 100;
  const auto status = [&](const std::string& text) {
    try {
      parse_request_json(text, limits);
      return 200;
    } catch (const Error& error) {
      return http_status(error);
    }
  };
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(status(nested(32)), 200);
  EXPECT_EQ(status(nested(33)), 413);
  EXPECT_EQ(status("[" + std::string(200, ' ') + "]"), 413);
  EXPECT_EQ(status("{\"a\":1,\"a\":2}"), 400);
  EXPECT_EQ(status("{\"a\":NaN}"), 400);
  EXPECT_EQ(status("\xff"), 400);
}

}  // namespace
}  // namespace tenfold::serve
