// SPDX-License-Identifier: Apache-2.0
#include "tenfold/base/unknown_name.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tenfold {
namespace {

const std::vector<std::string> kVerbs = {"train", "eval", "export"};

TEST(UnknownName, NamesTheNearestOne) {
  const Error error = unknown_name({.error_class = ErrorClass::kUsage,
                                    .code = "usage.unknown_command",
                                    .what = "unknown command",
                                    .name = "exprot",
                                    .known = kVerbs,
                                    .remedy = "see --help"});
  EXPECT_EQ(error.error_class(), ErrorClass::kUsage);
  EXPECT_EQ(error.code(), "usage.unknown_command");
  EXPECT_EQ(error.text().what, "unknown command");
  EXPECT_EQ(error.text().seen, "exprot");
  EXPECT_EQ(error.text().wanted, "one of train, eval, export");
  EXPECT_EQ(error.text().remedy, "did you mean export?");
}

TEST(UnknownName, GivesTheRemedyWhenNothingIsNear) {
  const Error error = unknown_name(
      {.error_class = ErrorClass::kConfig, .name = "zzzzzz", .known = kVerbs, .remedy = "see --help"});
  EXPECT_EQ(error.error_class(), ErrorClass::kConfig);
  EXPECT_EQ(error.text().remedy, "see --help");
}

TEST(UnknownName, SaysWhenNothingWasWrittenOrNothingIsKnown) {
  EXPECT_EQ(unknown_name({.name = "", .known = kVerbs}).text().seen, "nothing");
  EXPECT_EQ(unknown_name({.name = "a", .known = {}, .none_known = "no key at all"}).text().wanted,
            "no key at all");
}

TEST(UnknownName, StaysReadableWithManyNames) {
  std::vector<std::string> many;
  for (int i = 0; i < 100'000; ++i) many.push_back("domain-" + std::to_string(i));
  const std::string wanted = unknown_name({.name = "qqq", .known = many}).text().wanted;
  EXPECT_LT(wanted.size(), 1000u);
  EXPECT_TRUE(wanted.ends_with(", and 99960 more")) << wanted;
}

TEST(UnknownName, PrintsHostileNamesSafely) {
  const std::vector<std::string> names = {"a\x1b[31mb"};
  const Error error = unknown_name({.name = "a\x1b[31mc", .known = names});
  for (const std::string& text : {error.text().seen, error.text().wanted, error.text().remedy})
    EXPECT_EQ(text.find('\x1b'), std::string::npos) << text;
}

}  // namespace
}  // namespace tenfold
