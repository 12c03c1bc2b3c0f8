// SPDX-License-Identifier: Apache-2.0
// TOML in and out: round trips, wrong types with their line, unknown keys and tables, hostile files.
#include "tenfold/config/toml.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/unit/config/sample_options.h"

namespace tenfold::config {
namespace {

using Strings = std::vector<std::string>;

void apply(SampleOptions& options, std::string_view text, const Strings& other_tables = {"plot"}) {
  const Fields fields(options);
  apply_toml(fields, text, "fit", other_tables, "run.toml");
}

SampleOptions applied(std::string_view text) {
  SampleOptions options;
  apply(options, text);
  return options;
}

Error apply_error(std::string_view text) {
  return config_error_of([&] { applied(text); });
}

std::string written(SampleOptions options) {
  return to_toml(Fields(options), "fit");
}

SampleOptions unusual_options() {
  SampleOptions options;
  options.shuffle = false;
  options.steps = 7;
  options.sigma = 0.1;
  options.any = 5e-324;
  options.csv = "C:\\data\\\"q\" 'x' # no comment\n\t\r\x01\x7F é 日本 😀 \"\"\"";
  options.mode = "quantile";
  options.limit = 1e25;
  options.sizes = {0, -1, std::numeric_limits<std::int64_t>::min()};
  options.weights = {-0.0, 1.7976931348623157e308, 1.0 / 3.0, std::numeric_limits<double>::infinity()};
  options.domains = {"games", "language"};
  options.out = "";
  options.optimizer.learning_rate = 3;
  options.optimizer.inner.betas = {};
  options.optimizer.inner.name = "sgd";
  return options;
}

TEST(TomlRoundTrip, GivesTheSameValuesForEveryType) {
  const SampleOptions before = unusual_options();
  const SampleOptions after = applied(written(before));
  EXPECT_EQ(after.shuffle, before.shuffle);
  EXPECT_EQ(after.steps, before.steps);
  EXPECT_EQ(after.sigma, before.sigma);
  EXPECT_EQ(after.any, before.any);
  EXPECT_EQ(after.csv, before.csv);
  EXPECT_EQ(after.mode, before.mode);
  EXPECT_EQ(after.limit, before.limit);
  EXPECT_EQ(after.sizes, before.sizes);
  EXPECT_EQ(after.weights, before.weights);
  EXPECT_TRUE(std::signbit(after.weights[0]));
  EXPECT_EQ(after.domains, before.domains);
  EXPECT_EQ(after.out, before.out);
  EXPECT_EQ(after.optimizer.learning_rate, before.optimizer.learning_rate);
  EXPECT_EQ(after.optimizer.inner.betas, before.optimizer.inner.betas);
  EXPECT_EQ(after.optimizer.inner.name, before.optimizer.inner.name);
  EXPECT_EQ(written(after), written(before));
}

TEST(TomlRoundTrip, KeepsDefaultsAndUnsetOptionals) {
  const SampleOptions after = applied(written(SampleOptions()));
  EXPECT_EQ(after.limit, std::nullopt);
  EXPECT_EQ(written(after), written(SampleOptions()));
}

TEST(TomlWriter, ExplainsEachFieldAndCommentsOutUnsetOptionals) {
  const std::string text = written(SampleOptions());
  EXPECT_TRUE(text.starts_with("[fit]\n# shuffle the rows\nshuffle = true\n"));
  EXPECT_NE(text.find("\n# noise of an estimate [OOM]; at least 0; at most 3\nsigma = 0.15\n"),
            std::string::npos);
  EXPECT_NE(text.find("\n# how to fit; one of ols, theil_sen, quantile\nmode = \"\"\n"), std::string::npos);
  EXPECT_NE(text.find("\n# upper limit [FLOP]; at least 0\n# limit =\n"), std::string::npos);
  EXPECT_NE(text.find("\noptimizer.inner.betas = [0.9, 0.999]\n"), std::string::npos);
}

TEST(TomlReader, ChangesOnlyTheKeysThatAreGiven) {
  const SampleOptions options = applied("[fit]\nsteps = 5\n");
  EXPECT_EQ(options.steps, 5);
  EXPECT_EQ(options.sigma, SampleOptions().sigma);
  EXPECT_EQ(options.domains, SampleOptions().domains);
}

TEST(TomlReader, AcceptsAnEmptyFileOrOnlyOtherTables) {
  for (const std::string_view text : {"", "\n# a comment\n", "[plot]\nanything = [1, \"x\"]\n", "[fit]\n"}) {
    EXPECT_EQ(written(applied(text)), written(SampleOptions())) << text;
  }
}

TEST(TomlReader, TakesNestedTablesDottedKeysAndInlineTablesAlike) {
  for (const std::string_view text :
       {"[fit.optimizer]\nlearning_rate = 0.5\n[fit.optimizer.inner]\nname = \"sgd\"\n",
        "[fit]\noptimizer.learning_rate = 0.5\noptimizer.inner.name = \"sgd\"\n",
        "fit.optimizer = {learning_rate = 0.5, inner = {name = \"sgd\"}}\n",
        "[\"fit\".'optimizer']\nlearning_rate = 0.5\ninner.name = 'sgd'\n"}) {
    const SampleOptions options = applied(text);
    EXPECT_EQ(options.optimizer.learning_rate, 0.5) << text;
    EXPECT_EQ(options.optimizer.inner.name, "sgd") << text;
  }
}

TEST(TomlReader, TakesCarriageReturnsAndAByteOrderMark) {
  const SampleOptions options = applied("\xEF\xBB\xBF[fit]\r\nsteps = 5\r\n# comment\r\ncsv = \"x\"\r\n");
  EXPECT_EQ(options.steps, 5);
  EXPECT_EQ(options.csv, "x");
  EXPECT_NE(apply_error("[fit]\r\n\r\nsteps = true\r\n").text().what.find("line 3"), std::string::npos);
}

TEST(TomlReader, ReadsEscapesAndLiteralStrings) {
  EXPECT_EQ(applied("[fit]\ncsv = \"\\u00e9\\U0001F600\\\\n\"").csv, "é😀\\n");
  EXPECT_EQ(applied("[fit]\ncsv = 'C:\\new'").csv, "C:\\new");
  EXPECT_EQ(applied("[fit]\ncsv = \"\"\"\na\nb\"\"\"").csv, "a\nb");
  EXPECT_EQ(apply_error("[fit]\ncsv = \"\\q\"").code(), "config.syntax");
  EXPECT_EQ(apply_error("[fit]\ncsv = \"\\uD800\"").code(), "config.syntax");
}

TEST(TomlReader, TakesAnIntegerWhereANumberIsWantedButNotTheOtherWay) {
  EXPECT_EQ(applied("[fit]\nsigma = 2").sigma, 2.0);
  EXPECT_EQ(applied("[fit]\nlimit = 2").limit, 2.0);
  EXPECT_EQ(applied("[fit]\nweights = [1, 2.5]").weights, (std::vector<double>{1.0, 2.5}));
  EXPECT_EQ(applied("[fit]\nsteps = 0x10").steps, 16);
  EXPECT_EQ(apply_error("[fit]\nsteps = 2.0").code(), "config.bad_value");
  EXPECT_EQ(apply_error("[fit]\nsizes = [1, 2.0]").code(), "config.bad_value");
}

TEST(TomlReader, RefusesWrongTypesWithTheirLine) {
  for (const std::string_view line : {"shuffle = 1",
                                      "shuffle = \"true\"",
                                      "steps = \"5\"",
                                      "steps = true",
                                      "sigma = \"0.1\"",
                                      "sigma = [0.1]",
                                      "sigma = {a = 1}",
                                      "csv = 5",
                                      "csv = [\"a\"]",
                                      "csv = 2022-02-15",
                                      "limit = \"\"",
                                      "sizes = 5",
                                      "sizes = [[1]]",
                                      "sizes = [\"1\"]",
                                      "domains = \"vision\"",
                                      "domains = [1]",
                                      "optimizer.learning_rate = 10:00:00"}) {
    const Error error = apply_error("# first\n[fit]\n" + std::string(line) + "\n");
    EXPECT_EQ(error.code(), "config.bad_value") << line;
    EXPECT_TRUE(error.text().what.starts_with("run.toml line 3: ")) << error.what();
    EXPECT_FALSE(error.text().seen.empty());
    EXPECT_FALSE(error.text().wanted.empty());
  }
  EXPECT_EQ(apply_error("[fit]\nsteps = \"5\"").text().seen, "string");
}

TEST(TomlReader, ChecksRangesAndChoicesWithTheLine) {
  const Error range = apply_error("[fit]\n\nsigma = 3.5\n");
  EXPECT_EQ(range.code(), "config.out_of_range");
  EXPECT_EQ(range.text().what, "run.toml line 3: sigma is out of range");
  EXPECT_EQ(range.text().wanted, "0 to 3 OOM");
  const Error choice = apply_error("[fit]\nmode = \"old\"\n");
  EXPECT_EQ(choice.code(), "config.not_a_choice");
  EXPECT_TRUE(choice.text().what.starts_with("run.toml line 2: "));
  EXPECT_EQ(apply_error("[fit]\ndomains = [\"vision\", \"audio\"]").code(), "config.not_a_choice");
}

TEST(TomlReader, RefusesNanAndNumbersThatDoNotFit) {
  EXPECT_EQ(apply_error("[fit]\nany = nan").code(), "config.out_of_range");
  EXPECT_EQ(apply_error("[fit]\nany = -nan").code(), "config.out_of_range");
  EXPECT_EQ(apply_error("[fit]\nlimit = nan").code(), "config.out_of_range");
  EXPECT_EQ(apply_error("[fit]\nweights = [1.0, nan]").code(), "config.out_of_range");
  EXPECT_EQ(apply_error("[fit]\nany = 1e400").code(), "config.syntax");
  EXPECT_EQ(apply_error("[fit]\nsteps = 9223372036854775808").code(), "config.syntax");
}

TEST(TomlReader, RefusesUnknownKeysWithTheNearestName) {
  const Error error = apply_error("[fit]\nsteps = 5\nsigmaa = 0.1\n");
  EXPECT_EQ(error.code(), "config.unknown_key");
  EXPECT_EQ(error.text().what, "run.toml line 3: unknown key");
  EXPECT_EQ(error.text().seen, "sigmaa");
  EXPECT_EQ(error.text().remedy, "did you mean sigma?");
  const Error nested = apply_error("[fit.optimizer]\nlerning_rate = 0.1\n");
  EXPECT_EQ(nested.text().seen, "optimizer.lerning_rate");
  EXPECT_EQ(nested.text().remedy, "did you mean optimizer.learning_rate?");
  EXPECT_EQ(apply_error("[fit]\n\"\" = 1\n").code(), "config.unknown_key");
}

TEST(TomlReader, RefusesUnknownInnerTablesAndAValueInPlaceOfATable) {
  const Error table = apply_error("[fit]\n[fit.optimiser]\nlearning_rate = 1\n");
  EXPECT_EQ(table.code(), "config.unknown_key");
  EXPECT_EQ(table.text().seen, "optimiser");
  EXPECT_NE(table.text().what.find("line 2"), std::string::npos);
  EXPECT_EQ(apply_error("[fit]\noptimizer = 3\n").code(), "config.unknown_key");
  EXPECT_EQ(apply_error("[[fit.optimizer]]\nlearning_rate = 1\n").code(), "config.unknown_key");
}

TEST(TomlReader, AQuotedKeyWithADotIsNotANestedField) {
  EXPECT_EQ(apply_error("[fit]\n\"optimizer.learning_rate\" = 1\n").code(), "config.unknown_key");
  EXPECT_EQ(apply_error("[fit]\n\"optimizer.inner\" = {name = \"sgd\"}\n").code(), "config.unknown_key");
}

TEST(TomlReader, RefusesUnknownTablesWithTheNearestName) {
  const Error error = apply_error("[fit]\n[plott]\na = 1\n");
  EXPECT_EQ(error.code(), "config.unknown_table");
  EXPECT_EQ(error.text().what, "run.toml line 2: unknown table");
  EXPECT_EQ(error.text().seen, "plott");
  EXPECT_EQ(error.text().wanted, "a table: [plot], [fit]");
  EXPECT_EQ(error.text().remedy, "did you mean [plot]?");
  EXPECT_EQ(apply_error("[something_else]\n").text().remedy, "put the keys under [fit]");
}

TEST(TomlReader, RefusesKeysOutsideOfTables) {
  const Error error = apply_error("steps = 5\n[fit]\n");
  EXPECT_EQ(error.code(), "config.unknown_table");
  EXPECT_EQ(error.text().what, "run.toml line 1: a key stands outside of any table");
  EXPECT_EQ(error.text().remedy, "put the keys under [fit]");
  EXPECT_EQ(apply_error("fit = 5\n").code(), "config.unknown_table");
  EXPECT_EQ(apply_error("[[fit]]\nsteps = 5\n").code(), "config.unknown_table");
}

TEST(TomlReader, ItsTableMayAlsoBeAmongTheKnownOnes) {
  SampleOptions options;
  apply(options, "[fit]\nsteps = 5\n[plot]\n", {"fit", "plot"});
  EXPECT_EQ(options.steps, 5);
  const Error error = config_error_of([&] { apply(options, "[zz]\n", {"fit", "plot"}); });
  EXPECT_EQ(error.text().wanted, "a table: [fit], [plot]");
}

TEST(TomlReader, RefusesBrokenSyntaxAndDuplicatesWithTheLine) {
  for (const std::string_view line : {"steps = ",
                                      "steps 5",
                                      "steps = 5 5",
                                      "csv = \"open",
                                      "sizes = [1, 2",
                                      "steps = 1\nsteps = 2",
                                      "[fit]",
                                      "optimizer.learning_rate = 1\noptimizer = {}",
                                      "= 1"}) {
    const Error error = apply_error("[fit]\n" + std::string(line) + "\n");
    EXPECT_EQ(error.code(), "config.syntax") << line;
    EXPECT_TRUE(error.text().what.starts_with("run.toml line ")) << error.what();
    EXPECT_FALSE(error.text().seen.empty());
  }
  EXPECT_EQ(apply_error("[fit]\nsteps = 1\nsteps = 2\n").text().what, "run.toml line 3 is not valid TOML");
}

TEST(TomlReader, RefusesTextThatIsNotUtf8) {
  for (const std::string_view text :
       {"[fit]\ncsv = \"\xC3(\"", "# \xFF\n", "[fit]\ncsv = \"\xED\xA0\x80\""}) {
    EXPECT_EQ(apply_error(text).code(), "config.not_utf8");
  }
  EXPECT_EQ(apply_error(std::string_view("[fit]\ncsv = \"\0\"", 14)).code(), "config.syntax");
}

std::string repeated(std::string_view text, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

// Each would otherwise nest a table a dot, whose destruction by recursion overflows the stack.
TEST(TomlReader, RefusesKeysOfVeryManyParts) {
  constexpr int kMany = 300000;
  for (const std::string& text : {
           "[fit" + repeated(".a", kMany) + "]\n",
           "[fit]\n" + repeated("a.", kMany) + "a = 1\n",
           "[fit]\n" + repeated("a . ", kMany) + "a = 1\n",
           "[fit]\n" + repeated("\"=\".", kMany) + "a = 1\n",
           "[fit]\n" + repeated("'\"'.", kMany) + "a = 1\n",
           "[fit]\nx = {" + repeated("a.", kMany) + "a = 1}\n",
           "[fit]\nx = {s = \"\"\"b\"\"\"\", " + repeated("a.", kMany) + "a = 1}\n",
           "[fit]\nx = {s = \"\\\"\", " + repeated("a.", kMany) + "a = 1}\n",
           "[fit]\n# it's\n" + repeated("a.", kMany) + "a = 1\n",
       }) {
    const Error error = apply_error(text);
    EXPECT_EQ(error.code(), "config.too_deep") << text.substr(0, 30);
  }
}

TEST(TomlReader, RefusesDeepArraysAndInlineTables) {
  EXPECT_EQ(apply_error("[fit]\nsizes = " + repeated("[", 100000)).code(), "config.syntax");
  EXPECT_EQ(apply_error("[fit]\nx = " + repeated("{a=", 100000)).code(), "config.syntax");
  EXPECT_EQ(apply_error("[fit]\nsizes = " + repeated("[", 50) + repeated("]", 50)).code(),
            "config.bad_value");
}

TEST(TomlReader, DotsInValuesAndCommentsAreNoKeyParts) {
  const std::string dots = repeated(".", 500);
  EXPECT_EQ(applied("[fit]\ncsv = \"" + dots + "\"").csv, dots);
  EXPECT_EQ(applied("[fit]\ncsv = '" + dots + "'").csv, dots);
  EXPECT_EQ(applied("[fit]\ncsv = \"\"\"" + dots + "\n\"" + dots + "\"\"\"").csv, dots + "\n\"" + dots);
  EXPECT_EQ(applied("# " + dots + "\n[fit]\nweights = [" + repeated("0.5, ", 400) + "0.5]").weights.size(),
            401u);
  EXPECT_EQ(applied("[fit]\n" + repeated("# a.b\n", 100) + "steps = 3 # " + dots).steps, 3);
}

}  // namespace
}  // namespace tenfold::config
