// SPDX-License-Identifier: Apache-2.0
// JSON schema, values as JSON, and the hash that identifies a run.
#include "tenfold/config/schema.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/config/sample_options.h"

namespace tenfold::config {
namespace {

using Json = nlohmann::json;

Json schema_of_sample() {
  SampleOptions options;
  return Json::parse(to_json_schema(Fields(options), "fit"));
}

std::string hash_of(SampleOptions options) {
  return hash(Fields(options));
}

TEST(JsonSchema, IsAClosedObjectOfDraft202012) {
  const Json schema = schema_of_sample();
  EXPECT_EQ(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema["title"], "fit");
  EXPECT_EQ(schema["type"], "object");
  EXPECT_EQ(schema["additionalProperties"], false);
  EXPECT_EQ(schema["properties"].size(), 12u);  // eleven plain fields and one nested struct
}

TEST(JsonSchema, GivesEachFieldItsType) {
  const Json properties = schema_of_sample()["properties"];
  EXPECT_EQ(properties["shuffle"]["type"], "boolean");
  EXPECT_EQ(properties["steps"]["type"], "integer");
  EXPECT_EQ(properties["sigma"]["type"], "number");
  EXPECT_EQ(properties["csv"]["type"], "string");
  EXPECT_EQ(properties["limit"]["type"], (Json{"number", "null"}));
  for (const auto& [name, item] :
       {std::pair{"sizes", "integer"}, {"weights", "number"}, {"domains", "string"}}) {
    EXPECT_EQ(properties[name]["type"], "array");
    EXPECT_EQ(properties[name]["items"]["type"], item);
  }
}

TEST(JsonSchema, GivesDefaultsLimitsChoicesAndHelp) {
  const Json properties = schema_of_sample()["properties"];
  EXPECT_EQ(properties["shuffle"]["default"], true);
  EXPECT_EQ(properties["steps"]["default"], 100);
  EXPECT_EQ(properties["steps"]["minimum"], 1);
  EXPECT_EQ(properties["steps"]["maximum"], 1000);
  EXPECT_EQ(properties["sigma"]["default"], 0.15);
  EXPECT_EQ(properties["sigma"]["description"], "noise of an estimate [OOM]");
  EXPECT_EQ(properties["any"]["description"], "a number without limits");
  EXPECT_FALSE(properties["any"].contains("minimum"));
  EXPECT_FALSE(properties["any"].contains("maximum"));
  EXPECT_TRUE(properties["limit"]["default"].is_null());
  EXPECT_EQ(properties["limit"]["minimum"], 0);
  EXPECT_EQ(properties["sizes"]["default"], (Json{1, 2}));
  EXPECT_EQ(properties["sizes"]["items"]["maximum"], 64);
  EXPECT_EQ(properties["weights"]["default"], Json::array());
  EXPECT_EQ(properties["mode"]["enum"], (Json{"ols", "theil_sen", "quantile", ""}));
  EXPECT_EQ(properties["domains"]["items"]["enum"], (Json{"vision", "language", "games"}));
  EXPECT_FALSE(properties["csv"].contains("enum"));
}

TEST(JsonSchema, ListsNestedStructsUnderPropertiesAsClosedObjects) {
  const Json optimizer = schema_of_sample()["properties"]["optimizer"];
  EXPECT_EQ(optimizer["type"], "object");
  EXPECT_EQ(optimizer["additionalProperties"], false);
  EXPECT_EQ(optimizer["properties"].size(), 2u);
  EXPECT_EQ(optimizer["properties"]["learning_rate"]["default"], 0.001);
  const Json inner = optimizer["properties"]["inner"];
  EXPECT_EQ(inner["type"], "object");
  EXPECT_EQ(inner["properties"].size(), 2u);
  EXPECT_EQ(inner["properties"]["betas"]["items"]["maximum"], 1);
  EXPECT_EQ(inner["properties"]["name"]["enum"], (Json{"adam", "sgd"}));  // required: "" is no choice
}

TEST(JsonSchema, RequiresNestedFieldsAndTheTablesAroundThem) {
  const Json schema = schema_of_sample();
  EXPECT_EQ(schema["required"], (Json{"csv", "optimizer"}));
  const Json optimizer = schema["properties"]["optimizer"];
  EXPECT_EQ(optimizer["required"], Json::array({"inner"}));
  EXPECT_EQ(optimizer["properties"]["inner"]["required"], Json::array({"name"}));
}

struct TwoOptions {
  double first = 1.0;
  std::int64_t second = 2;
  void visit_fields(auto&& field) {
    field("first", first, {});
    field("second", second, {});
  }
};

struct TwoOptionsInOtherOrder {
  double first = 1.0;
  std::int64_t second = 2;
  void visit_fields(auto&& field) {
    field("second", second, {.help = "other words", .max = 9.0});
    field("first", first, {});
  }
};

TEST(JsonSchema, LeavesOutAnEmptyListOfRequiredFields) {
  TwoOptions options;
  EXPECT_FALSE(Json::parse(to_json_schema(Fields(options), "t")).contains("required"));
}

TEST(JsonValues, AreNestedByTheDotsOfThePaths) {
  SampleOptions options;
  options.csv = "é\"\n";
  options.weights = {0.1, 1e300};
  const Json values = Json::parse(to_json(Fields(options)));
  EXPECT_EQ(values.size(), 12u);
  EXPECT_EQ(values["shuffle"], true);
  EXPECT_EQ(values["steps"], 100);
  EXPECT_TRUE(values["steps"].is_number_integer());
  EXPECT_EQ(values["csv"], "é\"\n");
  EXPECT_TRUE(values["limit"].is_null());
  EXPECT_EQ(values["weights"], (Json{0.1, 1e300}));
  EXPECT_EQ(values["optimizer"]["learning_rate"], 0.001);
  EXPECT_EQ(values["optimizer"]["inner"], (Json{{"betas", {0.9, 0.999}}, {"name", "adam"}}));
  options.limit = 2.5;
  EXPECT_EQ(Json::parse(to_json(Fields(options)))["limit"], 2.5);
}

TEST(JsonValues, AreValidJsonWhateverTheTextsAndNumbersAre) {
  SampleOptions options;
  options.csv = "\xFF\xC3(";
  options.any = std::nan("");
  EXPECT_TRUE(Json::accept(to_json(Fields(options))));
  EXPECT_TRUE(Json::accept(to_json_schema(Fields(options), "t")));
}

struct NoOptions {
  void visit_fields(auto&&) {}
};

TEST(JsonValues, OfAnEmptyStructAreAnEmptyObject) {
  NoOptions options;
  EXPECT_EQ(Json::parse(to_json(Fields(options))), Json::object());
  EXPECT_EQ(Json::parse(to_json_schema(Fields(options), "t"))["properties"], Json::object());
}

TEST(Hash, IsTheStartOfSha256OfTheSortedLines) {
  // printf 'first=1.0\nsecond=2' | sha256sum
  TwoOptions options;
  EXPECT_EQ(hash(Fields(options)), "c392db326c6a4a09");
}

TEST(Hash, DoesNotDependOnDeclarationOrderHelpOrLimits) {
  TwoOptions one;
  TwoOptionsInOtherOrder other;
  EXPECT_EQ(hash(Fields(one)), hash(Fields(other)));
  other.second = 3;
  EXPECT_NE(hash(Fields(one)), hash(Fields(other)));
}

TEST(Hash, ChangesWithEachFieldThatAffectsTheResult) {
  const std::vector<std::function<void(SampleOptions&)>> changes = {
      [](SampleOptions& o) { o.shuffle = false; },
      [](SampleOptions& o) { o.steps = 101; },
      [](SampleOptions& o) { o.sigma = std::nextafter(0.15, 1.0); },
      [](SampleOptions& o) { o.any = 1.0; },
      [](SampleOptions& o) { o.csv = "table.csv "; },
      [](SampleOptions& o) { o.mode = "ols"; },
      [](SampleOptions& o) { o.limit = 0.0; },
      [](SampleOptions& o) {
        o.sizes = {2, 1};
      },
      [](SampleOptions& o) { o.weights = {0.0}; },
      [](SampleOptions& o) {
        o.domains = {"vision", "games"};
      },
      [](SampleOptions& o) { o.domains = {}; },
      [](SampleOptions& o) { o.optimizer.learning_rate = 0.002; },
      [](SampleOptions& o) { o.optimizer.inner.betas = {0.9}; },
      [](SampleOptions& o) { o.optimizer.inner.name = "sgd"; },
  };
  std::set<std::string> hashes = {hash_of(SampleOptions())};
  for (const auto& change : changes) {
    SampleOptions options;
    change(options);
    hashes.insert(hash_of(options));
    EXPECT_EQ(hash_of(options).size(), 16u);
    EXPECT_EQ(hash_of(options).find_first_not_of("0123456789abcdef"), std::string::npos);
  }
  EXPECT_EQ(hashes.size(), changes.size() + 1);
}

TEST(Hash, IgnoresFieldsThatDoNotAffectTheResult) {
  SampleOptions options;
  options.out = "somewhere/else";
  EXPECT_EQ(hash_of(options), hash_of(SampleOptions()));
}

TEST(Hash, CannotBeForgedByTextThatLooksLikeAnotherField) {
  SampleOptions injected, honest;
  injected.csv = "a\"\nmode=\"ols";
  honest.csv = "a";
  honest.mode = "ols";
  EXPECT_NE(hash_of(injected), hash_of(honest));
}

}  // namespace
}  // namespace tenfold::config
