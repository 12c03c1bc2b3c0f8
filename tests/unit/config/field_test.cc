// SPDX-License-Identifier: Apache-2.0
// The field list: paths, types, values from text, ranges, choices, required fields, unknown keys.
#include "tenfold/config/field.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tests/unit/config/sample_options.h"

namespace tenfold::config {
namespace {

using Strings = std::vector<std::string>;

class Field : public testing::Test {
 protected:
  void set(std::string_view path, std::string_view text) {
    set_from_text(field_of(fields_, path), text, "command line");
  }
  // Code of the error of a setting.
  std::string set_error(std::string_view path, std::string_view text) {
    return config_error_of([&] { set(path, text); }).code();
  }

  SampleOptions options_;
  Fields fields_{options_};
};

TEST_F(Field, PathsComeInDeclarationOrderWithDotsForNestedStructs) {
  EXPECT_EQ(fields_.paths(),
            (Strings{"shuffle",
                     "steps",
                     "sigma",
                     "any",
                     "csv",
                     "mode",
                     "limit",
                     "sizes",
                     "weights",
                     "domains",
                     "out",
                     "optimizer.learning_rate",
                     "optimizer.inner.betas",
                     "optimizer.inner.name"}));
}

TEST_F(Field, FindTakesWholePathsOnly) {
  ASSERT_NE(fields_.find("optimizer.inner.name"), nullptr);
  EXPECT_EQ(std::get<std::string*>(fields_.find("optimizer.inner.name")->ref),
            &options_.optimizer.inner.name);
  EXPECT_EQ(fields_.find("sigma")->info.unit, "OOM");
  for (const std::string_view path : {"", "optimizer", "optimizer.inner", "name", "sig", "sigma."}) {
    EXPECT_EQ(fields_.find(path), nullptr) << path;
  }
}

TEST_F(Field, EveryTypeHasAName) {
  const auto name = [&](std::string_view path) { return type_name(field_of(fields_, path).ref); };
  EXPECT_EQ(name("shuffle"), "true or false");
  EXPECT_EQ(name("steps"), "an integer");
  EXPECT_EQ(name("sigma"), "a number");
  EXPECT_EQ(name("csv"), "text");
  EXPECT_EQ(name("limit"), "a number or nothing");
  EXPECT_EQ(name("sizes"), "a list of integers");
  EXPECT_EQ(name("weights"), "a list of numbers");
  EXPECT_EQ(name("domains"), "a list of texts");
}

TEST_F(Field, ValuesAreWrittenInTomlSyntax) {
  options_.csv = "a\"b\\c\nd\te\rf\x01\x7Fé";
  options_.weights = {1.0, -0.5, 1e300, 0.1};
  options_.any = -std::numeric_limits<double>::infinity();
  options_.domains = {};
  const auto text = [&](std::string_view path) { return to_toml_value(field_of(fields_, path).ref); };
  EXPECT_EQ(text("shuffle"), "true");
  EXPECT_EQ(text("steps"), "100");
  EXPECT_EQ(text("sigma"), "0.15");
  EXPECT_EQ(text("any"), "-inf");
  EXPECT_EQ(text("csv"), "\"a\\\"b\\\\c\\nd\\te\\rf\\u0001\\u007Fé\"");
  EXPECT_EQ(text("limit"), "");
  EXPECT_EQ(text("sizes"), "[1, 2]");
  EXPECT_EQ(text("weights"), "[1.0, -0.5, 1e+300, 0.1]");
  EXPECT_EQ(text("domains"), "[]");
  options_.any = std::nan("");
  options_.limit = 3;
  EXPECT_EQ(text("any"), "nan");
  EXPECT_EQ(text("limit"), "3.0");
}

TEST_F(Field, TextSetsBooleansInTheUsualSpellings) {
  for (const std::string_view text : {"false", "0", "no", "off", "False", "OFF"}) {
    options_.shuffle = true;
    set("shuffle", text);
    EXPECT_FALSE(options_.shuffle) << text;
  }
  for (const std::string_view text : {"true", "1", "yes", "on", "TRUE", "Yes"}) {
    options_.shuffle = false;
    set("shuffle", text);
    EXPECT_TRUE(options_.shuffle) << text;
  }
  for (const std::string_view text : {"", "2", "t", "truee", " true", "-1"}) {
    EXPECT_EQ(set_error("shuffle", text), "config.bad_value") << text;
  }
}

TEST_F(Field, TextSetsNumbersExactly) {
  set("steps", "17");
  set("sigma", "2.5e-1");
  set("any", "-1e300");
  set("optimizer.learning_rate", "0.1");
  EXPECT_EQ(options_.steps, 17);
  EXPECT_EQ(options_.sigma, 0.25);
  EXPECT_EQ(options_.any, -1e300);
  EXPECT_EQ(options_.optimizer.learning_rate, 0.1);
}

TEST_F(Field, TextThatIsNoNumberIsABadValue) {
  for (const std::string_view text :
       {"", "abc", "1.5", "1e2", "0x10", " 1", "1 ", "+-1", "9223372036854775808"}) {
    EXPECT_EQ(set_error("steps", text), "config.bad_value") << text;
  }
  for (const std::string_view text : {"", "abc", "1,5", "1e400", "0x10", " 1", "+-1"}) {
    EXPECT_EQ(set_error("sigma", text), "config.bad_value") << text;
  }
  EXPECT_EQ(options_.steps, 100);
  EXPECT_EQ(options_.sigma, 0.15);
}

TEST_F(Field, BadValueSaysWhereWhatWasSeenAndWhatTheFieldIs) {
  const Error error = config_error_of([&] { set("steps", "many\x1b"); });
  EXPECT_EQ(error.text().what, "command line: the value of steps cannot be read");
  EXPECT_EQ(error.text().seen, "many\\x1b");
  EXPECT_EQ(error.text().wanted, "an integer");
  EXPECT_EQ(error.text().remedy, "steps is: number of steps");
}

TEST_F(Field, TextSetsAndClearsAnOptional) {
  set("limit", "1e25");
  EXPECT_EQ(options_.limit, 1e25);
  set("limit", "");
  EXPECT_EQ(options_.limit, std::nullopt);
  EXPECT_EQ(set_error("limit", "none"), "config.bad_value");
  EXPECT_EQ(set_error("limit", "-1"), "config.out_of_range");
}

TEST_F(Field, TextSetsLists) {
  set("sizes", "3,4,-5");
  EXPECT_EQ(options_.sizes, (std::vector<std::int64_t>{3, 4, -5}));
  set("sizes", "[6, 7]");
  EXPECT_EQ(options_.sizes, (std::vector<std::int64_t>{6, 7}));
  set("sizes", "");
  EXPECT_TRUE(options_.sizes.empty());
  set("weights", " 0.5 , 1e3 ");
  EXPECT_EQ(options_.weights, (std::vector<double>{0.5, 1000.0}));
  set("weights", "[ ]");
  EXPECT_TRUE(options_.weights.empty());
  set("domains", "games,language");
  EXPECT_EQ(options_.domains, (Strings{"games", "language"}));
}

TEST_F(Field, BadListsAreRefusedAndLeaveTheOldOne) {
  for (const std::string_view text : {"1,,2", "1,", ",1", "1;2", "1.5", "[1", "1]", "[[1]]", "a"}) {
    EXPECT_EQ(set_error("sizes", text), "config.bad_value") << text;
  }
  EXPECT_EQ(options_.sizes, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(set_error("weights", "1,x"), "config.bad_value");
}

TEST_F(Field, TextIsTakenLiterallyButMustBeUtf8) {
  set("csv", "  a,b [c] \"d\" ");
  EXPECT_EQ(options_.csv, "  a,b [c] \"d\" ");
  EXPECT_EQ(set_error("csv", "\xC3("), "config.bad_value");
  EXPECT_EQ(options_.csv, "  a,b [c] \"d\" ");
}

TEST_F(Field, RangesAreInclusive) {
  for (const std::string_view text : {"1", "1000"}) EXPECT_NO_THROW(set("steps", text));
  for (const std::string_view text : {"0", "1001", "-9223372036854775808"}) {
    EXPECT_EQ(set_error("steps", text), "config.out_of_range") << text;
  }
  for (const std::string_view text : {"0", "3", "3.0"}) EXPECT_NO_THROW(set("sigma", text));
  for (const std::string_view text : {"-1e-9", "3.0000001", "inf", "-inf"}) {
    EXPECT_EQ(set_error("sigma", text), "config.out_of_range") << text;
  }
}

TEST_F(Field, NanIsRefusedEvenWithoutLimits) {
  for (const std::string_view path : {"sigma", "any", "limit", "weights"}) {
    EXPECT_EQ(set_error(path, "nan"), "config.out_of_range") << path;
  }
  EXPECT_EQ(config_error_of([&] { set("any", "-nan"); }).text().wanted, "a number");
}

TEST_F(Field, RangeErrorsNameTheLimitsAndTheUnit) {
  const auto wanted = [&](std::string_view path, std::string_view text) {
    return config_error_of([&] { set(path, text); }).text().wanted;
  };
  EXPECT_EQ(wanted("sigma", "4"), "0 to 3 OOM");
  EXPECT_EQ(wanted("steps", "0"), "1 to 1000");
  EXPECT_EQ(wanted("limit", "-1"), "at least 0 FLOP");
  EXPECT_EQ(wanted("sizes", "1,65"), "at most 64");
  const Error error = config_error_of([&] { set("sigma", "4.5"); });
  EXPECT_EQ(error.text().what, "command line: sigma is out of range");
  EXPECT_EQ(error.text().seen, "4.5");
}

TEST_F(Field, EachItemOfAListIsChecked) {
  EXPECT_EQ(set_error("optimizer.inner.betas", "0.5,1.5"), "config.out_of_range");
  EXPECT_EQ(set_error("domains", "vision,langage"), "config.not_a_choice");
  EXPECT_EQ(set_error("domains", "vision,"), "config.not_a_choice");
}

TEST_F(Field, ChoicesAreExactAndTheNearestIsNamed) {
  set("mode", "theil_sen");
  EXPECT_EQ(options_.mode, "theil_sen");
  set("mode", "");  // not chosen
  EXPECT_EQ(options_.mode, "");
  const Error error = config_error_of([&] { set("mode", "teil_sen"); });
  EXPECT_EQ(error.code(), "config.not_a_choice");
  EXPECT_EQ(error.text().seen, "teil_sen");
  EXPECT_EQ(error.text().wanted, "one of ols, theil_sen, quantile");
  EXPECT_EQ(error.text().remedy, "did you mean theil_sen?");
  EXPECT_EQ(config_error_of([&] { set("mode", "bayesian"); }).text().remedy, "choose one of them");
  EXPECT_EQ(set_error("mode", "OLS"), "config.not_a_choice");
}

TEST_F(Field, CheckAllAcceptsTheDefaultsAndFindsAnyBadValue) {
  EXPECT_NO_THROW(check_all(fields_));
  options_.optimizer.inner.betas = {0.9, 2.0};
  const Error error = config_error_of([&] { check_all(fields_); });
  EXPECT_EQ(error.code(), "config.out_of_range");
  EXPECT_EQ(error.text().what, "configuration: optimizer.inner.betas is out of range");
}

TEST_F(Field, CheckAllWantsRequiredTexts) {
  options_.csv.clear();
  const Error error = config_error_of([&] { check_all(fields_); });
  EXPECT_EQ(error.code(), "config.missing_value");
  EXPECT_EQ(error.text().what, "csv is needed");
  EXPECT_EQ(error.text().seen, "nothing");
  EXPECT_EQ(error.text().remedy, "pass --csv (table to read)");
  options_.csv = "x";
  options_.optimizer.inner.name.clear();
  EXPECT_EQ(config_error_of([&] { check_all(fields_); }).text().what, "optimizer.inner.name is needed");
}

struct RequiredOptions {
  std::optional<double> number;
  std::vector<std::int64_t> integers;
  std::vector<double> numbers;
  std::vector<std::string> texts;
  bool flag = false;
  void visit_fields(auto&& field) {
    field("number", number, {.required = true});
    field("integers", integers, {.required = true});
    field("numbers", numbers, {.required = true});
    field("texts", texts, {.required = true});
    field("flag", flag, {.required = true});  // always has a value
  }
};

TEST(RequiredField, MayBeAnOptionalOrAList) {
  RequiredOptions options;
  const Fields fields(options);
  const auto missing = [&] { return config_error_of([&] { check_all(fields); }).text().what; };
  EXPECT_EQ(missing(), "number is needed");
  options.number = 0.0;
  EXPECT_EQ(missing(), "integers is needed");
  options.integers = {0};
  EXPECT_EQ(missing(), "numbers is needed");
  options.numbers = {0.0};
  EXPECT_EQ(missing(), "texts is needed");
  options.texts = {""};
  EXPECT_NO_THROW(check_all(fields));
}

TEST_F(Field, UnknownKeyErrorNamesTheNearestKeyOrTheWayToAll) {
  const Error near = config_error_of([&] { throw_unknown_key(fields_, "optimizer.lerning_rate", "--set"); });
  EXPECT_EQ(near.code(), "config.unknown_key");
  EXPECT_EQ(near.text().what, "--set: unknown key");
  EXPECT_EQ(near.text().seen, "optimizer.lerning_rate");
  EXPECT_EQ(near.text().remedy, "did you mean optimizer.learning_rate?");
  EXPECT_NE(near.text().wanted.find("shuffle, steps"), std::string::npos);
  const Error far = config_error_of([&] { throw_unknown_key(fields_, "zzz\n", "--set"); });
  EXPECT_EQ(far.text().seen, "zzz\\n");
  EXPECT_EQ(far.text().remedy, "see --print-config for all keys");
}

struct NoOptions {
  void visit_fields(auto&&) {}
};

TEST(EmptyStruct, HasNoFieldsAndRefusesEveryKey) {
  NoOptions options;
  const Fields fields(options);
  EXPECT_TRUE(fields.all().empty());
  EXPECT_NO_THROW(check_all(fields));
  EXPECT_EQ(config_error_of([&] { throw_unknown_key(fields, "a", "file"); }).text().wanted, "no key at all");
}

}  // namespace
}  // namespace tenfold::config
