// SPDX-License-Identifier: Apache-2.0
// Wrong units when a table is loaded: mixes and whole columns are refused, honest tables of any size are not.
#include "tenfold/systems/compute_trends/units.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/systems/compute_trends/check.h"

namespace tenfold::compute_trends {
namespace {

const std::string kHeader = "name,date,training_flop\n";
const std::string kMixed =
    kHeader + "A,2010-01-01,1e22\nB,2011-01-01,300\nC,2012-01-01,500\nD,2013-01-01,1e23\nE,2014-01-01,1e23\n";

// Code of the error, "" when the table is accepted.
std::string verdict(const std::string& csv, const std::string& columns = "") {
  try {
    check_units(parse_table(csv, "f.csv", {.columns = columns}));
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

std::string embedded_with(int from_year, const std::function<double(double)>& change) {
  std::string csv = kHeader;
  for (const SystemRow& row : embedded_table().rows) {
    if (row.date.year < from_year) continue;
    csv += fmt::format("\"{}\",{},{}\n", row.name, to_string(row.date), change(row.flop));
  }
  return csv;
}

TEST(Units, RefusesPetaflopAmongFlopWithTheLineTheRangeAndTheWaysOut) {
  try {
    check_units(parse_table(kMixed, "f.csv"));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "table.mixed_units");
    EXPECT_EQ(error.error_class(), ErrorClass::kData);
    EXPECT_NE(error.text().what.find("f.csv line 3:"), std::string::npos) << error.text().what;
    EXPECT_NE(error.text().seen.find("300"), std::string::npos);
    EXPECT_NE(error.text().wanted.find("FLOP for 2011-01-01"), std::string::npos);
    EXPECT_NE(error.text().remedy.find("--skip-bad"), std::string::npos);
  }
}

TEST(Units, SkipsTheRowsInAnotherUnitAsBadOnes) {
  Table table = parse_table(kMixed, "f.csv");
  skip_wrong_units(table);
  EXPECT_EQ(table.rows.size(), 3u);
  ASSERT_EQ(table.skipped.size(), 2u);
  EXPECT_EQ(table.skipped[0].line, 3);
  EXPECT_EQ(table.skipped[1].line, 4);
  EXPECT_TRUE(table.skipped[0].bad);
  EXPECT_EQ(table.skipped[0].code, "table.mixed_units");
}

TEST(Units, RefusesAPetaflopColumnReadAsFlop) {
  const auto petaflop = [](double flop) { return flop / 1e15; };
  EXPECT_EQ(verdict(embedded_with(1952, petaflop)), "table.wrong_unit");
  EXPECT_EQ(verdict(embedded_with(2010, petaflop)), "table.wrong_unit");
  EXPECT_EQ(verdict(embedded_with(2018, petaflop)), "table.wrong_unit");
  EXPECT_EQ(verdict(kHeader + "A,2010,1e-5\n"), "table.wrong_unit");
  EXPECT_EQ(verdict(kHeader + "A,2018,3e5\nB,2020,3e8\nC,2022,2.5e9\n"), "table.wrong_unit");
  EXPECT_EQ(verdict(kHeader + "A,2020,3.1e8\n"), "table.wrong_unit");
  EXPECT_EQ(verdict(kHeader + "A,2019,3\nB,2020,50\n"), "table.wrong_unit");
  EXPECT_EQ(verdict(embedded_with(2010, [](double flop) { return std::log10(flop); })), "table.wrong_unit");
  Table table = parse_table(embedded_with(2018, petaflop), "f.csv");
  EXPECT_THROW(skip_wrong_units(table), Error);
  EXPECT_FALSE(table.rows.empty());
}

TEST(Units, AcceptsTheSameColumnOnceItsUnitIsNamed) {
  const std::string csv = embedded_with(1952, [](double flop) { return flop / 1e15; });
  EXPECT_EQ(verdict(csv, "unit=petaFLOP"), "");
}

TEST(Units, RefusesFlopReadAsPetaflop) {
  const std::string csv = embedded_with(1952, [](double flop) { return flop; });
  EXPECT_EQ(verdict(csv, "unit=petaFLOP"), "table.wrong_unit");
}

TEST(Units, AcceptsTheEmbeddedTableAndSmallHonestOnes) {
  EXPECT_NO_THROW(check_units(embedded_table()));
  EXPECT_EQ(verdict(kHeader + "A,2010,1e15\nB,2012,1e16\n"), "");
  EXPECT_EQ(verdict(kHeader + "A,2010,1e18\nB,2012,1e17\nC,2014,1e16\n"), "");
  EXPECT_EQ(verdict(kHeader + "A,2019,1e21\n"), "");
}

TEST(Units, AcceptsSmallRunsOfOnesOwn) {
  EXPECT_EQ(verdict(kHeader + "A,2024-01-01,1e10\n"), "");
  EXPECT_EQ(verdict(kHeader + "A,2024-01-01,1e10\nB,2024-03-01,3e10\nC,2024-06-01,8e9\n"), "");
  EXPECT_EQ(verdict(kHeader + "A,2020,2e10\nB,2022,1e10\nC,2024,3e10\nD,2025,1e10\n"), "");
  // Such runs that grow like the trend are told apart by naming the unit.
  const std::string growing = kHeader + "A,2018,3e5\nB,2020,3e8\nC,2022,2.5e9\n";
  EXPECT_EQ(verdict(growing, "unit=FLOP"), "");
  EXPECT_EQ(verdict(kHeader + "A,2024,3e8\nB,2025,2e8\n", "unit=FLOP"), "");
}

TEST(Units, AcceptsTheRealFiles) {
  const Path data = Path(TENFOLD_SOURCE_DIR).parent_path() / "shared" / "data";
  if (!std::filesystem::is_directory(data)) GTEST_SKIP() << "no folder " << data;
  std::size_t files = 0;
  for (const char* folder : {"compute_trends_paper", "compute_trends_snapshots"}) {
    for (const auto& entry : std::filesystem::directory_iterator(data / folder)) {
      if (entry.path().extension() != ".csv") continue;
      ++files;
      EXPECT_NO_THROW(check_units(load_table(entry.path(), {.skip_bad = true}))) << entry.path();
    }
  }
  EXPECT_GE(files, 5u);
}

}  // namespace
}  // namespace tenfold::compute_trends
