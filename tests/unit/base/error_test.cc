// SPDX-License-Identifier: Apache-2.0
// The error type: rendered text, exit codes, stable codes, added places.
#include "tenfold/base/error.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace tenfold {
namespace {

TEST(Error, RendersWhatSeenWantedAndRemedyInThatOrder) {
  const Error error(ErrorClass::kData,
                    "csv.bad_number",
                    {.what = "line 12", .seen = "abc", .wanted = "a number", .remedy = "correct the cell"});
  EXPECT_STREQ(error.what(), "line 12; seen: abc; wanted: a number; remedy: correct the cell");
}

TEST(Error, LeavesEmptyPartsOutOfTheText) {
  EXPECT_STREQ(Error(ErrorClass::kFile, "a.b", {.what = "only this"}).what(), "only this");
  EXPECT_STREQ(Error(ErrorClass::kFile, "a.b", {.what = "x", .remedy = "y"}).what(), "x; remedy: y");
}

TEST(Error, KeepsItsPartsApartForCallers) {
  const Error error(ErrorClass::kUsage, "cli.flag", {.what = "w", .seen = "s", .wanted = "v", .remedy = "r"});
  EXPECT_EQ(error.code(), "cli.flag");
  EXPECT_EQ(error.error_class(), ErrorClass::kUsage);
  EXPECT_EQ(error.text().what, "w");
  EXPECT_EQ(error.text().seen, "s");
  EXPECT_EQ(error.text().wanted, "v");
  EXPECT_EQ(error.text().remedy, "r");
}

TEST(Error, HasTheDocumentedExitCodeAndNameOfItsClass) {
  const std::pair<ErrorClass, std::pair<int, std::string_view>> expected[] = {
      {ErrorClass::kUsage, {2, "usage"}},
      {ErrorClass::kConfig, {3, "config"}},
      {ErrorClass::kData, {4, "data"}},
      {ErrorClass::kFile, {5, "file"}},
      {ErrorClass::kResource, {6, "resource"}},
      {ErrorClass::kInternal, {70, "internal"}},
  };
  for (const auto& [error_class, code_and_name] : expected) {
    EXPECT_EQ(Error(error_class, "c", {.what = "w"}).exit_code(), code_and_name.first);
    EXPECT_EQ(to_string(error_class), code_and_name.second);
  }
}

TEST(Error, CanBeCaughtAsAStandardException) {
  try {
    throw Error(ErrorClass::kResource, "disk", {.what = "full"});
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "full");
  }
}

TEST(Error, WithPlaceOnlyPutsThePlaceInFront) {
  const Error inner(
      ErrorClass::kConfig, "config.x", {.what = "bad", .seen = "1", .wanted = "2", .remedy = "3"});
  const Error outer = with_place(inner, "run.toml line 3");
  EXPECT_STREQ(outer.what(), "run.toml line 3: bad; seen: 1; wanted: 2; remedy: 3");
  EXPECT_EQ(outer.code(), inner.code());
  EXPECT_EQ(outer.error_class(), inner.error_class());
  EXPECT_EQ(outer.text().what, "run.toml line 3: bad");
  EXPECT_STREQ(inner.what(), "bad; seen: 1; wanted: 2; remedy: 3");
}

TEST(CheckInternal, IsSilentWhenTheConditionHolds) {
  EXPECT_NO_THROW(check_internal(true, "never"));
}

TEST(CheckInternal, ThrowsAnInternalErrorThatAsksForAReport) {
  try {
    check_internal(false, "index past the end");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 70);
    EXPECT_EQ(error.code(), "internal.broken_invariant");
    EXPECT_EQ(error.text().what, "index past the end");
    EXPECT_NE(error.text().remedy.find("report"), std::string::npos);
  }
}

}  // namespace
}  // namespace tenfold
