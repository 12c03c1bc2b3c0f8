// SPDX-License-Identifier: Apache-2.0
// Every system and every verb: options that print and read back, presets that fit, errors that are not ours.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "tenfold/base/error.h"
#include "tenfold/config/schema.h"
#include "tenfold/config/toml.h"
#include "tenfold/systems/registry.h"
#include "tests/conformance/verb_run.h"

namespace tenfold::conformance {
namespace {

class EverySystem : public testing::TestWithParam<systems::System> {};

std::vector<std::string> tables_of(const systems::System& system) {
  std::vector<std::string> tables;
  for (const systems::Verb& verb : system.verbs) tables.push_back(verb.name);
  return tables;
}

TEST_P(EverySystem, HasNameSummaryPaperAndVerbs) {
  const systems::System& system = GetParam();
  EXPECT_FALSE(system.title.empty());
  EXPECT_FALSE(system.summary.empty());
  EXPECT_FALSE(system.paper.empty());
  ASSERT_FALSE(system.verbs.empty());
  std::set<std::string> names;
  for (const systems::Verb& verb : system.verbs) {
    EXPECT_TRUE(names.insert(verb.name).second) << "two verbs are called " << verb.name;
    EXPECT_FALSE(verb.summary.empty()) << verb.name;
  }
}

TEST_P(EverySystem, OptionsOfEachVerbPrintAndReadBack) {
  for (const systems::Verb& verb : GetParam().verbs) {
    const systems::VerbCall first = verb.prepare(), second = verb.prepare();
    const nlohmann::json schema = nlohmann::json::parse(config::to_json_schema(first.fields, verb.name));
    EXPECT_EQ(schema["additionalProperties"], false) << verb.name;
    config::apply_toml(second.fields, config::to_toml(first.fields, verb.name), verb.name, {}, "printed");
    EXPECT_EQ(config::to_json(first.fields), config::to_json(second.fields)) << verb.name;
    EXPECT_EQ(config::hash(first.fields), config::hash(second.fields)) << verb.name;
  }
}

TEST_P(EverySystem, PresetsFitEachVerb) {
  const systems::System& system = GetParam();
  for (const systems::Preset& preset : system.presets) {
    for (const systems::Verb& verb : system.verbs) {
      const systems::VerbCall call = verb.prepare();
      EXPECT_NO_THROW(config::apply_toml(call.fields, preset.toml, verb.name, tables_of(system), preset.name))
          << preset.name << " " << verb.name;
    }
  }
}

TEST_P(EverySystem, ExamplesNameTheSystemAndItsVerb) {
  const systems::System& system = GetParam();
  for (const systems::Verb& verb : system.verbs) {
    for (const std::string& example : verb.examples) {
      EXPECT_TRUE(example.starts_with("tenfold " + system.name + " " + verb.name)) << example;
    }
  }
}

TEST_P(EverySystem, AMisspeltOptionIsAConfigurationErrorWithTheNearestName) {
  for (const systems::Verb& verb : GetParam().verbs) {
    const systems::VerbCall call = verb.prepare();
    if (call.fields.all().empty()) continue;
    const std::string path = call.fields.all().front().path;
    const std::string misspelt = path + "x";
    try {
      config::apply_toml(
          call.fields, "[" + verb.name + "]\n" + misspelt + " = 1\n", verb.name, {}, "file.toml");
      FAIL() << verb.name << " took " << misspelt;
    } catch (const Error& error) {
      EXPECT_EQ(error.error_class(), ErrorClass::kConfig) << verb.name;
      EXPECT_NE((error.text().what + error.text().remedy).find(path), std::string::npos) << verb.name;
    }
  }
}

TEST_P(EverySystem, ClaimsAreWhole) {
  for (const systems::Claim& claim : GetParam().claims) {
    EXPECT_FALSE(claim.sentence.empty()) << claim.id;
    EXPECT_FALSE(claim.source.empty()) << claim.id;
    EXPECT_FALSE(claim.expected.empty()) << claim.id;
    EXPECT_FALSE(claim.setup.empty()) << claim.id;
    EXPECT_FALSE(claim.seeds.empty()) << claim.id;
    EXPECT_TRUE(claim.measure) << claim.id;
    EXPECT_TRUE(claim.judge) << claim.id;
  }
}

std::string test_name(const testing::TestParamInfo<systems::System>& info) {
  std::string name = info.param.name;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Conformance, EverySystem, testing::ValuesIn(systems::all_systems()), test_name);

}  // namespace
}  // namespace tenfold::conformance
