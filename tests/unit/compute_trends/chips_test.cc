// SPDX-License-Identifier: Apache-2.0
// The list of chips: look-up by any usual name, formats, the stand-in for a chip that is not named.
#include "tenfold/systems/compute_trends/chips.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

template <typename Call>
Error error_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "accepted";
  return Error(ErrorClass::kInternal, "none", {});
}

TEST(Chips, EmbeddedListHasTheRatesOfTheSpecification) {
  const std::vector<Chip> chips = embedded_chips();
  EXPECT_DOUBLE_EQ(find_chip(chips, "GTX 580").flop_per_second, 1.58e12);
  EXPECT_DOUBLE_EQ(find_chip(chips, "V100", "fp32").flop_per_second, 1.57e13);
  EXPECT_DOUBLE_EQ(find_chip(chips, "V100", "fp16").flop_per_second, 1.25e14);
  EXPECT_DOUBLE_EQ(find_chip(chips, "A100", "bf16").flop_per_second, 3.12e14);
  EXPECT_DOUBLE_EQ(find_chip(chips, "TPU v3").flop_per_second, 1.23e14);
  EXPECT_DOUBLE_EQ(find_chip(chips, "H100").flop_per_second, 9.9e14);
  const Chip& k40 = find_chip(chips, "Tesla K40");
  EXPECT_DOUBLE_EQ(k40.low, 4.3e12);
  EXPECT_DOUBLE_EQ(k40.high, 5.0e12);
  EXPECT_DOUBLE_EQ(find_chip(chips, "Titan X (Maxwell)").low, 6.1e12);
  for (const Chip& chip : chips) EXPECT_EQ(chip.confidence, "approximate") << chip.name;
}

TEST(Chips, FindsSpellingsOfAName) {
  const std::vector<Chip> chips = embedded_chips();
  for (const char* name : {"NVIDIA Tesla V100", "tesla-v100", "v100", "V100 SXM2"}) {
    EXPECT_EQ(find_chip(chips, name).name, "Tesla V100 SXM") << name;
  }
  EXPECT_EQ(find_chip(chips, "Google TPU v3").name, "TPU v3");
}

TEST(Chips, WithoutFormatTakesTheOneOfDataCentres) {
  const std::vector<Chip> chips = embedded_chips();
  EXPECT_EQ(find_chip(chips, "V100").format, "fp16");
  EXPECT_EQ(find_chip(chips, "P100").format, "fp32");
}

TEST(Chips, UnknownChipsAndFormatsNameTheAlternatives) {
  const std::vector<Chip> chips = embedded_chips();
  const Error unknown = error_of([&] { find_chip(chips, "TPU v33"); });
  EXPECT_EQ(unknown.code(), "chips.unknown");
  EXPECT_EQ(unknown.error_class(), ErrorClass::kUsage);
  EXPECT_NE(unknown.text().remedy.find("TPU v3"), std::string::npos);
  EXPECT_EQ(error_of([&] { find_chip(chips, ""); }).code(), "chips.unknown");
  const Error format = error_of([&] { find_chip(chips, "GTX 580", "bf16"); });
  EXPECT_EQ(format.code(), "chips.no_format");
  EXPECT_EQ(format.text().wanted, "fp32");
}

TEST(Chips, StandInIsTheDataCentreChipOfTheYearBefore) {
  const std::vector<Chip> chips = embedded_chips();
  EXPECT_EQ(usual_chip_before(chips, {2017, 6, 12}).name, "Tesla P100");
  EXPECT_EQ(usual_chip_before(chips, {2018, 1, 1}).name, "Tesla V100 SXM");
  EXPECT_EQ(usual_chip_before(chips, {2020, 4, 28}).name, "Tesla V100 SXM");  // none is listed for 2019
  EXPECT_EQ(usual_chip_before(chips, {2021, 1, 1}).name, "A100");
  EXPECT_EQ(error_of([&] { usual_chip_before(chips, {2009, 1, 1}); }).code(), "chips.none_before");
}

TEST(Chips, RefusesBrokenListsWithTheirLine) {
  EXPECT_EQ(error_of([] { parse_chips("name,year,format\nA,2020,fp32\n", "c.csv"); }).code(),
            "chips.missing_column");
  const std::string header = "name,year,format,flop_per_second,low,high\n";
  for (const char* row : {"A,2020,fp32,fast,,",
                          "A,2020,fp32,-1,,",
                          "A,20,fp32,1e12,,",
                          ",2020,fp32,1e12,,",
                          "A,2020,,1e12,,",
                          "A,2020,fp32,1e12,2e12,3e12",
                          "A,2020,fp32,nan,,"}) {
    const Error error = error_of([&] { parse_chips(header + row + "\n", "c.csv"); });
    EXPECT_EQ(error.code(), "chips.bad_row") << row;
    EXPECT_NE(error.text().what.find("c.csv line 2"), std::string::npos);
  }
  EXPECT_DOUBLE_EQ(parse_chips(header + "A,2020,FP32,1e12,,\n", "c.csv").at(0).high, 1e12);
}

}  // namespace
}  // namespace tenfold::compute_trends
