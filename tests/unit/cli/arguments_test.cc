// SPDX-License-Identifier: Apache-2.0
#include "tenfold/cli/arguments.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "tenfold/base/error.h"

namespace tenfold::cli {
namespace {

struct Options {
  std::string file;
  std::int64_t count = 1;
  double learning_rate = 0.5;
  bool fast = false;
  std::vector<std::string> tags;

  void visit_fields(auto&& field) {
    field("file", file, {.help = "a file", .positional = true});
    field("count", count, {.help = "how many", .min = 1, .max = 9});
    field("learning_rate", learning_rate, {.help = "step size", .min = 0});
    field("fast", fast, {.help = "hurry"});
    field("tags", tags, {.help = "names"});
  }
};

struct Parsed {
  Options options;
  config::Fields fields{options};
  Arguments arguments;
};

void resolve_words(Parsed& parsed, const std::vector<std::string>& words, const ConfigSources& sources) {
  parsed.arguments = parse_arguments(parsed.fields, "tenfold test", words);
  resolve(parsed.fields, parsed.arguments, sources);
}

std::string error_code(const std::vector<std::string>& words,
                       const ConfigSources& sources = {"run", {}, {}, {}}) {
  Parsed parsed;
  try {
    resolve_words(parsed, words, sources);
  } catch (const Error& error) {
    return error.code();
  }
  return "no error";
}

TEST(Arguments, TakesFlagsInBothSpellingsAndPositionalValues) {
  Parsed parsed;
  resolve_words(parsed,
                {"in.csv", "--learning-rate", "0.25", "--fast", "--tags", "a,b", "--tags", "c"},
                {"run", {}, {}, {}});
  EXPECT_EQ(parsed.options.file, "in.csv");
  EXPECT_EQ(parsed.options.learning_rate, 0.25);
  EXPECT_TRUE(parsed.options.fast);
  EXPECT_EQ(parsed.options.tags, (std::vector<std::string>{"a", "b", "c"}));
  Parsed other;
  resolve_words(other, {"--learning_rate=0.125", "--no-fast"}, {"run", {}, {}, {}});
  EXPECT_EQ(other.options.learning_rate, 0.125);
  EXPECT_FALSE(other.options.fast);
}

TEST(Arguments, AppliesSourcesInTheDocumentedOrder) {
  const std::string path = testing::TempDir() + "tenfold-arguments-test.toml";
  std::ofstream(path) << "[run]\ncount = 3\nlearning_rate = 3.0\n";
  ConfigSources sources{
      "run",
      {"run", "other"},
      {{"small", "[run]\ncount = 2\nlearning_rate = 2.0\nfile = \"preset\"\ntags = [\"p\"]\n"}},
      {}};
  sources.environment = {{"learning_rate", "4"}};
  Parsed parsed;
  resolve_words(parsed, {"--preset", "small", "--config", path}, sources);
  EXPECT_EQ(parsed.options.file, "preset");      // preset over default
  EXPECT_EQ(parsed.options.count, 3);            // file over preset
  EXPECT_EQ(parsed.options.learning_rate, 4.0);  // environment over file
  Parsed later;
  resolve_words(
      later,
      {"--preset", "small", "--config", path, "--set", "learning_rate=5", "--set", "count=5", "--count", "6"},
      sources);
  EXPECT_EQ(later.options.learning_rate, 5.0);  // --set over environment
  EXPECT_EQ(later.options.count, 6);            // the flag over --set
}

TEST(Arguments, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(error_code({"--lerning-rate", "1"}), "usage.unknown_flag");
  EXPECT_EQ(error_code({"a.csv", "b.csv"}), "usage.extra_argument");
  EXPECT_EQ(error_code({"--set", "count"}), "usage.bad_set");
  EXPECT_EQ(error_code({"--set", "cuont=3"}), "config.unknown_key");
  EXPECT_EQ(error_code({"--count", "10"}), "config.out_of_range");
  EXPECT_EQ(error_code({"--count", "many"}), "config.bad_value");
  EXPECT_EQ(error_code({"--count"}), "usage.syntax");
  EXPECT_EQ(error_code({"--count", "1", "--count", "2"}), "usage.repeated");
  EXPECT_EQ(error_code({"--preset", "none"}), "config.unknown_preset");
  EXPECT_EQ(error_code({"--config", "/nonexistent/x.toml"}), "file.not_found");
  EXPECT_EQ(error_code({"--threads", "5000"}), "usage.bad_threads");
  EXPECT_EQ(error_code({"--log-level", "loud"}), "usage.bad_log_level");
  EXPECT_EQ(error_code({}, {"run", {}, {}, {{"bogus", "1"}}}), "config.unknown_key");
}

TEST(Arguments, AFlagTakesOneWordAndLeavesTheNext) {
  Parsed parsed;
  resolve_words(parsed, {"--count", "3", "in.csv"}, {"run", {}, {}, {}});
  EXPECT_EQ(parsed.options.count, 3);
  EXPECT_EQ(parsed.options.file, "in.csv");
}

struct StartOptions {
  std::int64_t ranks = 2;
  std::vector<std::string> command;
  void visit_fields(auto&& field) {
    field("ranks", ranks, {.help = "how many", .min = 1, .letter = 'n'});
    field("command", command, {.help = "what to start", .required = true, .rest = true});
  }
};

std::string start_error(const std::vector<std::string>& words, StartOptions& options) {
  const config::Fields fields(options);
  try {
    resolve(fields, parse_arguments(fields, "tenfold start", words), {"start", {}, {}, {}});
    return "";
  } catch (const Error& error) {
    return error.code();
  }
}

TEST(Arguments, WordsAfterTheDashesAreLeftAsTheyAre) {
  StartOptions options;
  EXPECT_EQ(start_error({"-n", "3", "--", "cc", "-n", "5", "--json", "a,b", "", "--"}, options), "");
  EXPECT_EQ(options.ranks, 3);
  EXPECT_EQ(options.command, (std::vector<std::string>{"cc", "-n", "5", "--json", "a,b", "", "--"}));
  StartOptions other;
  EXPECT_EQ(start_error({"--ranks=4", "--", "x"}, other), "");
  EXPECT_EQ(other.ranks, 4);
}

TEST(Arguments, WordsAfterTheDashesCanBeNeeded) {
  StartOptions options;
  EXPECT_EQ(start_error({"-n", "3"}, options), "config.missing_value");
  EXPECT_EQ(start_error({"-n", "3", "--"}, options), "config.missing_value");
  EXPECT_EQ(start_error({"-n", "3", "cc"}, options), "usage.extra_argument");
  EXPECT_EQ(start_error({"--command", "cc"}, options), "usage.unknown_flag");
}

TEST(Arguments, OwnWordsEndAtTheDashes) {
  const std::vector<std::string> words = {"a", "--", "--json"}, plain = {"a", "b"};
  EXPECT_EQ(own_words(words).size(), 1u);
  EXPECT_EQ(own_words(plain).size(), 2u);
}

TEST(Arguments, UnknownFlagNamesTheNearestOne) {
  Parsed parsed;
  const std::vector<std::string> words = {"--lerning-rate", "1"};
  try {
    parse_arguments(parsed.fields, "tenfold test", words);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.text().remedy, "did you mean --learning-rate?");
    EXPECT_EQ(error.exit_code(), 2);
  }
}

TEST(Arguments, ReadsSettingsFromTheEnvironment) {
  ::setenv("TENFOLD_SET_A__B_C", "7", 1);
  const auto settings = environment_settings();
  ::unsetenv("TENFOLD_SET_A__B_C");
  ASSERT_EQ(settings.size(), 1u);
  EXPECT_EQ(settings[0].first, "a.b_c");
  EXPECT_EQ(settings[0].second, "7");
}

}  // namespace
}  // namespace tenfold::cli
