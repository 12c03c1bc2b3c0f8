// SPDX-License-Identifier: Apache-2.0
// The table: embedded figures, bad rows with their line, nothing left out in silence, filters.
#include "tenfold/systems/compute_trends/table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"

namespace tenfold::compute_trends {
namespace {

constexpr std::string_view kHeader = "System,Publication date,Domain,Organization,Training compute (FLOP)\n";

std::string csv(std::string_view rows) {
  return std::string(kHeader) + std::string(rows);
}

Error error_of(const std::string& text, const TableOptions& options = {}) {
  try {
    parse_table(text, "f.csv", options);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "accepted: " << text;
  return Error(ErrorClass::kInternal, "none", {});
}

// Doubling time by textbook sums, independent of the library's fit.
double doubling_months(const std::vector<SystemRow>& rows) {
  double mean_x = 0, mean_y = 0, sxx = 0, sxy = 0;
  for (const SystemRow& row : rows) {
    mean_x += row.decimal_year / static_cast<double>(rows.size());
    mean_y += std::log10(row.flop) / static_cast<double>(rows.size());
  }
  for (const SystemRow& row : rows) {
    sxx += (row.decimal_year - mean_x) * (row.decimal_year - mean_x);
    sxy += (row.decimal_year - mean_x) * (std::log10(row.flop) - mean_y);
  }
  return 12.0 * std::log10(2.0) * sxx / sxy;
}

TEST(Table, EmbeddedHoldsThePapersSystems) {
  const Table table = embedded_table();
  ASSERT_EQ(table.rows.size(), 123u);
  EXPECT_TRUE(table.skipped.empty());
  EXPECT_TRUE(table.warnings.empty());
  EXPECT_EQ(table.rows.front().name, "Theseus");
  EXPECT_EQ(table.rows.back().name, "LaMDA");
  EXPECT_EQ(table.sha256.size(), 64u);
  EXPECT_NE(table.license.find("CC BY 4.0"), std::string::npos);
  EXPECT_NE(table.license.find("2202.05924"), std::string::npos);
  EXPECT_EQ(domains(table),
            (std::vector<std::string>{"Drawing",
                                      "Driving",
                                      "Games",
                                      "Language",
                                      "Multimodal",
                                      "Other",
                                      "Recommendation",
                                      "Robotics",
                                      "Speech",
                                      "Vision"}));
}

// Expected doubling times: NumPy's polyfit on the same table.
TEST(Table, EmbeddedGivesTheTwoDoublingTimes) {
  const Table table = embedded_table();
  const Selection before = select(table, {.period = parse_period("1952", "2010", "")});
  EXPECT_EQ(before.rows.size(), 19u);
  EXPECT_EQ(before.excluded.size(), 104u);
  EXPECT_NEAR(doubling_months(before.rows), 20.963, 0.0005);
  const Selection after = select(table, {.period = parse_period("2010", "", "")});
  EXPECT_EQ(after.rows.size(), 104u);
  EXPECT_NEAR(doubling_months(after.rows), 5.7204, 0.00005);
}

TEST(Table, SortsByDateAndKeepsLines) {
  const Table table = parse_table(
      csv("B,2020-01-01,Games,X,2e20\n\"A\nlong\",2019,Games,X,1e20\nC,2021,Vision,Y,3e20\n"), "f.csv");
  ASSERT_EQ(table.rows.size(), 3u);
  EXPECT_EQ(table.rows[0].name, "A long");
  EXPECT_EQ(table.rows[0].line, 3);
  EXPECT_EQ(table.rows[1].line, 2);
  EXPECT_EQ(table.rows[2].line, 5);
  EXPECT_DOUBLE_EQ(log10_flop(table.rows[0]), 20.0);
}

TEST(Table, ListsRowsWithoutComputeOrDate) {
  const Table table = parse_table(csv("A,2019,Games,X,1e20\nB,2020,Games,X,\nC,,Games,X,1e20\n"), "f.csv");
  EXPECT_EQ(table.rows.size(), 1u);
  ASSERT_EQ(table.skipped.size(), 2u);
  EXPECT_EQ(table.skipped[0].name, "B");
  EXPECT_EQ(table.skipped[0].line, 3);
  EXPECT_EQ(table.skipped[0].reason, "no training compute");
  EXPECT_EQ(table.skipped[1].reason, "no date");
  EXPECT_FALSE(table.skipped[1].bad);
}

TEST(Table, RefusesComputeThatIsNotAPositiveNumber) {
  for (const char* cell :
       {"abc", "NaN", "nan", "inf", "-inf", "0", "-1e20", "1e20 FLOP", "1e999", "\"1,000\"", "0x10"}) {
    const Error error = error_of(csv("A,2019,Games,X,1e20\nB,2020,Games,X," + std::string(cell) + "\n"));
    EXPECT_EQ(error.error_class(), ErrorClass::kData) << cell;
    EXPECT_EQ(error.code(), "table.bad_compute") << cell;
    EXPECT_NE(error.text().what.find("f.csv line 3"), std::string::npos) << error.what();
  }
}

TEST(Table, RefusesOverflowOfTheUnit) {
  EXPECT_EQ(error_of("name,date,compute (petaFLOP)\nA,2019,1e300\n").code(), "table.bad_compute");
  EXPECT_EQ(error_of("name,date,log10 FLOP\nA,2019,400\n").code(), "table.bad_compute");
}

TEST(Table, RefusesDatesThatDoNotExistWithTheirLine) {
  const Error error = error_of(csv("A,2019-00-01,Games,X,1e20\n"));
  EXPECT_EQ(error.code(), "date.not_in_calendar");
  EXPECT_NE(error.text().what.find("line 2"), std::string::npos);
  EXPECT_EQ(error_of(csv("A,12-01-19,Games,X,1e20\n")).code(), "date.bad_form");
}

TEST(Table, RefusesTheSameRowTwice) {
  const Error error = error_of(csv("A,2019,Games,X,1e20\nB,2020,Games,X,1e20\na,2019-01-01,Games,X,1E20\n"));
  EXPECT_EQ(error.code(), "table.duplicate_system");
  EXPECT_NE(error.text().what.find("line 4"), std::string::npos);
  EXPECT_NE(error.text().seen.find("line 2"), std::string::npos);
}

TEST(Table, ListsBadRowsOnRequest) {
  const Table table = parse_table(
      csv("A,2019,Games,X,1e20\nB,2020,Games,X,NaN\nC,2020-02-31,Games,X,1\nA,2019,Games,X,1e20\nD,2020\n"),
      "f.csv",
      {.skip_bad = true});
  EXPECT_EQ(table.rows.size(), 1u);
  ASSERT_EQ(table.skipped.size(), 4u);
  EXPECT_EQ(table.skipped[0].code, "table.bad_compute");
  EXPECT_TRUE(table.skipped[0].bad);
  EXPECT_NE(table.skipped[0].reason.find("'NaN'"), std::string::npos);
  EXPECT_EQ(table.skipped[1].code, "date.not_in_calendar");
  EXPECT_EQ(table.skipped[2].code, "table.duplicate_system");
  EXPECT_EQ(table.skipped[3].code, "table.field_count");
}

TEST(Table, RefusesRowsThatDoNotFitTheHeader) {
  EXPECT_EQ(error_of(csv("A,2019,Games,X,1e20,extra\n")).code(), "table.field_count");
  EXPECT_EQ(error_of(csv("A,2019,Games,X,1e20\nB,2020,Ga")).code(), "table.field_count");
  EXPECT_EQ(error_of(csv("A,2019,Games,X,1e20\nB")).code(), "table.field_count");
  EXPECT_EQ(error_of(csv("A\nB,2019,Games,X,1e20\n")).code(), "table.field_count");
  EXPECT_EQ(error_of(csv("A,2019,Games,X,1e20\nB,2020,\"Games")).code(), "csv.unterminated_quote");
}

TEST(Table, JoinsANameBrokenOverTwoLinesAndSaysSo) {
  const Table table =
      parse_table(csv("Denoising\n (LSUN),2020-06-19,Drawing,X,1.6e18\nB,2021,Games,X,1e20\n"), "f.csv");
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0].name, "Denoising (LSUN)");
  ASSERT_EQ(table.warnings.size(), 1u);
  EXPECT_NE(table.warnings[0].find("lines 2 and 3"), std::string::npos);
  EXPECT_EQ(table.rows[1].line, 4);
}

TEST(Table, EmptyTablesAreErrors) {
  EXPECT_EQ(error_of(csv("")).code(), "table.empty");
  EXPECT_EQ(error_of(csv("A,2019,Games,X,\n")).code(), "table.empty");
  EXPECT_EQ(error_of("").code(), "csv.no_header");
}

TEST(Table, MissingColumnNamesTheHeaders) {
  EXPECT_EQ(error_of("System,Publication date\nA,2019\n").code(), "columns.missing");
}

TEST(Table, LimitsBytesAndRows) {
  const std::string text = csv("A,2019,Games,X,1e20\nB,2020,Games,X,1e20\n");
  const Error rows = error_of(text, {.max_rows = 1});
  EXPECT_EQ(rows.code(), "table.too_large");
  EXPECT_EQ(rows.error_class(), ErrorClass::kResource);
  EXPECT_EQ(error_of(text, {.max_bytes = 20}).code(), "table.too_large");
}

TEST(Table, RefusesALargeFileBeforeReadingIt) {
  const Path path = Path(testing::TempDir()) / "tenfold_large_table.csv";
  std::ofstream(path) << kHeader;
  std::filesystem::resize_file(path, std::uint64_t{100} << 20);  // sparse: no disk is used
  try {
    load_table(path);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "table.too_large");
    EXPECT_NE(std::string(error.what()).find("64 MiB"), std::string::npos) << error.what();
  }
  std::filesystem::remove(path);
}

TEST(Table, ReadsFilesAndHashesThem) {
  const Path path = Path(testing::TempDir()) / "tenfold_small_table.csv";
  const std::string text = csv("A,2019,Games,X,1e20\n");
  std::ofstream(path) << text;
  const Table table = load_table(path);
  EXPECT_EQ(table.source, "tenfold_small_table.csv");
  EXPECT_EQ(table.sha256, sha256_hex(text));
  std::filesystem::remove(path);
  EXPECT_THROW(load_table(path), Error);
  EXPECT_EQ(load_or_embedded("").rows.size(), 123u);
}

TEST(Table, KeepsContextFiguresAndReportsThoseItCannotRead) {
  const Table table = parse_table(
      "Model,Publication date,Training compute (FLOP),Parameters,Hardware utilization (MFU),Training "
      "hardware\n"
      "A,2019,1e20,many,45%,NVIDIA V100\nB,2020,2e20,3e9,0.3,\n",
      "f.csv");
  EXPECT_EQ(table.rows[0].parameters, std::nullopt);
  EXPECT_DOUBLE_EQ(table.rows[0].utilisation.value(), 0.45);
  EXPECT_EQ(table.rows[0].hardware, "NVIDIA V100");
  EXPECT_DOUBLE_EQ(table.rows[1].parameters.value(), 3e9);
  ASSERT_EQ(table.warnings.size(), 1u);
  EXPECT_NE(table.warnings[0].find("line 2: 'many'"), std::string::npos);
}

TEST(Table, NamesNamelessRowsByTheirLine) {
  const Table table = parse_table(csv(",2019,Games,X,1e20\n"), "f.csv");
  EXPECT_EQ(table.rows[0].name, "(no name, line 2)");
  EXPECT_EQ(table.warnings.size(), 1u);
}

TEST(Filter, GivesTheReasonOfEveryExcludedRow) {
  const Table table =
      parse_table(csv("Alpha,2019,\"Language,Vision\",\"DeepMind,Google\",1e20\nBeta,2020,Games,OpenAI,1e20\n"
                      "Gamma,2021,Vision,Google,1e20\nDelta,2009,Vision,Google,1e20\n"),
                  "f.csv");
  const Selection selection = select(table,
                                     {.period = parse_period("2010", "", ""),
                                      .domains = {"vision"},
                                      .organizations = {"google"},
                                      .name = "ALPH"});
  ASSERT_EQ(selection.rows.size(), 1u);
  EXPECT_EQ(selection.rows[0].name, "Alpha");
  ASSERT_EQ(selection.excluded.size(), 3u);
  EXPECT_EQ(selection.excluded[0].code, "filter.period");
  EXPECT_EQ(selection.excluded[1].code, "filter.domain");
  EXPECT_EQ(selection.excluded[2].code, "filter.name");
  EXPECT_EQ(select(table, {.organizations = {"openai"}}).rows.size(), 1u);
  EXPECT_EQ(select(table, {.organizations = {"openai"}}).excluded[0].code, "filter.organization");
  EXPECT_EQ(organizations(table.rows[1]), (std::vector<std::string>{"DeepMind", "Google"}));
}

TEST(Filter, RefusesADomainNoRowHas) {
  try {
    select(embedded_table(), {.domains = {"Visoin"}});
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "filter.unknown_domain");
    EXPECT_EQ(error.error_class(), ErrorClass::kUsage);
    EXPECT_NE(error.text().remedy.find("did you mean Vision?"), std::string::npos);
  }
}

TEST(Table, CreditsNobodyForATableOfTheUser) {
  EXPECT_EQ(parse_table("name,date,training_flop\nA,2012,1e17\n", "f.csv").license, "");
  EXPECT_EQ(parse_table("Entity,Day,compute (petaFLOP)\nA,2012,1e2\n", "f.csv").license, "");
  EXPECT_EQ(parse_table("Model,Publication date,Training compute (FLOP)\nA,2012,1e17\n", "f.csv").license,
            "");
}

TEST(Table, TakesTheCreditLineFromTheFilesOwnColumn) {
  const Table table = parse_table(
      "name,date,training_flop,license\nA,2012,1e17,Data: me\nB,2013,1e18,Data: me\nC,2014,1e19,Data: you\n",
      "f.csv");
  EXPECT_EQ(table.license, "Data: me; Data: you");
}

TEST(Table, WarnsOfDatesThatMayBeMonthFirst) {
  const Table table = parse_table(
      csv("A,3/4/2019,Vision,X,1e20\nB,5/6/2020,Vision,X,1e21\nC,25/6/2021,Vision,X,1e21\n"), "f.csv");
  EXPECT_EQ(to_string(table.rows.front().date), "2019-04-03");
  ASSERT_EQ(table.warnings.size(), 1u);
  EXPECT_NE(table.warnings[0].find("2 dates are read as day/month/year"), std::string::npos)
      << table.warnings[0];
  EXPECT_NE(table.warnings[0].find("line 2: '3/4/2019'"), std::string::npos) << table.warnings[0];
}

TEST(Table, WarnsOfOneSystemWithTwoFiguresOnOneDay) {
  const Table table =
      parse_table(csv("A,2019-01-01,,,1e20\na,2019-01-01,,,2e20\nA,2020-01-01,,,2e20\n"), "f.csv");
  EXPECT_EQ(table.rows.size(), 3u);
  ASSERT_EQ(table.warnings.size(), 1u);
  EXPECT_NE(table.warnings[0].find("lines 2 and 3:"), std::string::npos) << table.warnings[0];
}

}  // namespace
}  // namespace tenfold::compute_trends
