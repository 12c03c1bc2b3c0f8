// SPDX-License-Identifier: Apache-2.0
// Hygiene checks: unit mixes, duplicates, dates, schema; healthy tables pass.
#include "tenfold/systems/compute_trends/check.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

constexpr Date kToday{2026, 1, 1};

CheckReport check(const std::string& csv) {
  return check_text(csv, "f.csv", {.today = kToday});
}

std::vector<Finding> with_code(const CheckReport& report, std::string_view code) {
  std::vector<Finding> found;
  std::copy_if(
      report.findings.begin(), report.findings.end(), std::back_inserter(found), [&](const Finding& finding) {
        return finding.code == code;
      });
  return found;
}

// The embedded table written again, each compute changed by `change(row number, flop)`.
std::string embedded_with(const std::function<double(std::size_t, double)>& change) {
  std::string csv = "name,date,training_flop\n";
  const Table table = embedded_table();
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    const SystemRow& row = table.rows[i];
    csv += fmt::format("\"{}\",{},{}\n", row.name, to_string(row.date), change(i, row.flop));
  }
  return csv;
}

TEST(Check, TheEmbeddedTableHasNoErrors) {
  const CheckReport report = check_file("", {.today = kToday});
  EXPECT_EQ(report.errors, 0u);
  EXPECT_EQ(report.rows, 123u);
  ASSERT_EQ(with_code(report, "check.same_figures").size(), 1u);  // the two MnasNets
  EXPECT_EQ(with_code(report, "check.same_figures")[0].system, "MnasNet-A3");
}

TEST(Check, FindsPetaflopInAFlopColumn) {
  const CheckReport report = check(embedded_with([](std::size_t, double flop) { return flop / 1e15; }));
  ASSERT_EQ(with_code(report, "check.unit_file").size(), 1u);
  const Finding finding = with_code(report, "check.unit_file")[0];
  EXPECT_EQ(finding.severity, Severity::kError);
  EXPECT_NE(finding.message.find("looks like petaFLOP"), std::string::npos) << finding.message;
  EXPECT_NE(finding.remedy.find("unit=petaFLOP"), std::string::npos);
}

TEST(Check, FindsFlopInAPetaflopColumn) {
  std::string csv = embedded_with([](std::size_t, double flop) { return flop; });
  csv.replace(csv.find("training_flop"), 13, "compute (petaFLOP)");
  const CheckReport report = check(csv);
  ASSERT_EQ(with_code(report, "check.unit_file").size(), 1u);
  EXPECT_NE(with_code(report, "check.unit_file")[0].message.find("read as petaFLOP and looks like FLOP"),
            std::string::npos);
}

TEST(Check, FindsPetaflopDaysAndLogarithms) {
  const CheckReport days = check(embedded_with([](std::size_t, double flop) { return flop / 8.64e19; }));
  ASSERT_EQ(with_code(days, "check.unit_file").size(), 1u);
  EXPECT_NE(with_code(days, "check.unit_file")[0].message.find("petaflop/s-day"), std::string::npos);
  const CheckReport logs = check(embedded_with([](std::size_t, double flop) { return std::log10(flop); }));
  ASSERT_EQ(with_code(logs, "check.unit_file").size(), 1u);
  EXPECT_NE(with_code(logs, "check.unit_file")[0].message.find("log10 FLOP"), std::string::npos);
}

TEST(Check, FindsSingleRowsInAnotherUnitWithTheirLine) {
  for (std::size_t bad : {std::size_t{3}, std::size_t{25}, std::size_t{52}, std::size_t{122}}) {
    const CheckReport low =
        check(embedded_with([&](std::size_t i, double flop) { return i == bad ? flop / 1e15 : flop; }));
    ASSERT_EQ(with_code(low, "check.unit_row").size(), 1u) << bad;
    EXPECT_EQ(with_code(low, "check.unit_row")[0].line, static_cast<std::int64_t>(bad) + 2);
    EXPECT_TRUE(with_code(low, "check.unit_file").empty());
    const CheckReport high =
        check(embedded_with([&](std::size_t i, double flop) { return i == bad ? flop * 1e15 : flop; }));
    ASSERT_EQ(with_code(high, "check.unit_row").size(), 1u) << bad;
    EXPECT_NE(with_code(high, "check.unit_row")[0].message.find("FLOP multiplied by 1e15"),
              std::string::npos);
  }
}

TEST(Check, FindsEveryRowOfAMixBothWays) {
  const CheckReport third =
      check(embedded_with([](std::size_t i, double flop) { return i % 3 == 0 ? flop / 1e15 : flop; }));
  EXPECT_EQ(with_code(third, "check.unit_row").size(), 41u);
  EXPECT_TRUE(with_code(third, "check.unit_file").empty());
  const CheckReport two_thirds =
      check(embedded_with([](std::size_t i, double flop) { return i % 3 != 0 ? flop / 1e15 : flop; }));
  EXPECT_EQ(with_code(two_thirds, "check.unit_row").size(), 41u);
  EXPECT_EQ(with_code(two_thirds, "check.unit_file").size(), 1u);
}

TEST(Check, CountingOperationsDecidesWhereTheTrendCannot) {
  const std::string header =
      "Model,Publication date,Training compute (FLOP),Parameters,Training dataset size (datapoints)\n";
  // A tiny model of 2020: 10 orders below the trend, and right.
  EXPECT_EQ(check(header + "Tiny,2020-01-01,6e11,1e5,1e6\n").errors, 0u);
  // The trend alone would accept it: 9.0 orders below; 6 N D says 15.
  const CheckReport report = check(header + "Petaflop,2010-06-01,6e6,1e7,1e14\n");
  ASSERT_EQ(with_code(report, "check.unit_row").size(), 1u);
  EXPECT_NE(with_code(report, "check.unit_row")[0].message.find("6 N D is 15.0 orders higher"),
            std::string::npos);
}

TEST(Check, FindsSystemsListedTwice) {
  const std::string header = "name,date,training_flop\n";
  const CheckReport same = check(header + "AlexNet,2012-09-30,4.7e17\nalexnet,2012-09-30,5e17\n");
  ASSERT_EQ(with_code(same, "check.duplicate_name").size(), 1u);
  EXPECT_EQ(with_code(same, "check.duplicate_name")[0].severity, Severity::kError);
  EXPECT_EQ(with_code(same, "check.duplicate_name")[0].line, 3);
  const CheckReport later = check(header + "AlexNet,2012-09-30,4.7e17\nAlexNet,2014-01-01,4.7e18\n");
  EXPECT_EQ(later.errors, 0u);
  EXPECT_EQ(later.warnings, 1u);
  EXPECT_EQ(with_code(check(header + "AlexNet,2012-09-30,4.7e17\nAlexNet,2012-09-30,4.7e17\n"),
                      "table.duplicate_system")
                .size(),
            1u);
}

TEST(Check, WarnsOfNearlyIdenticalNames) {
  const std::string header = "name,date,training_flop\n";
  const CheckReport spelling =
      check(header + "wav2vec 2.0 LARGE,2020-06-20,1.9e21\nwave2vec 2.0 LARGE,2020-10-22,4.3e20\n");
  EXPECT_EQ(with_code(spelling, "check.near_duplicate").size(), 1u);
  const CheckReport version =
      check(header + "GPT-3 175B,2020-04-28,3.14e23\nGPT-3 175B (davinci),2020-05-28,3.14e23\n");
  EXPECT_EQ(with_code(version, "check.near_duplicate").size(), 1u);
  EXPECT_TRUE(check(header + "T5-3B,2019-10-23,1.04e22\nT5-11B,2019-10-23,4.05e22\n").findings.empty());
}

TEST(Check, FindsImpossibleDates) {
  const std::string header = "name,date,training_flop\n";
  const CheckReport report =
      check(header + "A,2030-01-01,1e25\nB,1890,1e3\nC,2012-00-01,1e17\nD,2020-01-01,1e21\n");
  EXPECT_EQ(with_code(report, "check.date_future").at(0).line, 2);
  EXPECT_EQ(with_code(report, "check.date_early").at(0).severity, Severity::kWarning);
  EXPECT_EQ(with_code(report, "date.not_in_calendar").at(0).line, 4);
  EXPECT_EQ(report.rows, 3u);
}

TEST(Check, ReportsSchemaAndCellsInsteadOfStopping) {
  const CheckReport schema = check("name,date\nA,2012\n");
  ASSERT_EQ(schema.errors, 1u);
  EXPECT_EQ(schema.findings[0].code, "columns.missing");
  EXPECT_EQ(schema.findings[0].line, 1);
  const CheckReport cells = check("name,date,training_flop\nA,2012,NaN\nB,2013,-3\nC,2014,\nD,2015,1e19\n");
  EXPECT_EQ(with_code(cells, "table.bad_compute").size(), 2u);
  EXPECT_EQ(cells.notes, 1u);
  EXPECT_EQ(cells.skipped, 1u);
  EXPECT_EQ(check("name,date,training_flop\n\"A,2012,1\n").findings.at(0).code, "csv.unterminated_quote");
  EXPECT_EQ(check("").findings.at(0).code, "csv.no_header");
  EXPECT_THROW(check_file("/nonexistent/x.csv", {}), Error);
}

TEST(Check, SortsErrorsFirstThenByLine) {
  const CheckReport report = check("name,date,training_flop\nA,2012,\nB,1800,1e3\nC,2030,1e24\nD,2013,x\n");
  for (std::size_t i = 1; i < report.findings.size(); ++i) {
    EXPECT_GE(report.findings[i - 1].severity, report.findings[i].severity);
  }
  EXPECT_EQ(report.findings.front().line, 4);
  EXPECT_EQ(report.errors + report.warnings + report.notes, report.findings.size());
}

TEST(Check, ListsEveryRowWhenNoneIsUsable) {
  const CheckReport report = check("name,date,training_flop\nA,2012,much\nB,2013-00-01,1e18\nC,2014,\n");
  ASSERT_EQ(with_code(report, "table.empty").size(), 1u);
  ASSERT_EQ(with_code(report, "table.bad_compute").size(), 1u);
  EXPECT_EQ(with_code(report, "table.bad_compute")[0].line, 2);
  EXPECT_EQ(with_code(report, "table.bad_compute")[0].message.find("f.csv"), std::string::npos);
  ASSERT_EQ(with_code(report, "date.not_in_calendar").size(), 1u);
  EXPECT_EQ(with_code(report, "date.not_in_calendar")[0].line, 3);
  ASSERT_EQ(with_code(report, "table.no_compute").size(), 1u);
  EXPECT_EQ(with_code(report, "table.no_compute")[0].line, 4);
}

TEST(Check, ComparesALoneRowWithTheTrendInsteadOfItsNeighbours) {
  const CheckReport report = check("name,date,training_flop\nA,2010-06-01,1e22\n");
  ASSERT_EQ(with_code(report, "check.far_from_trend").size(), 1u);
  EXPECT_NE(report.findings[0].message.find("what the embedded trend expects"), std::string::npos);
  EXPECT_EQ(report.findings[0].message.find("the rest"), std::string::npos);
}

TEST(Check, GivesNoVerdictOnTheFileWhenRowsContradictIt) {
  const CheckReport report =
      check("name,date,training_flop\nA,2010,300\nB,2011,1e24\nC,2012,500\nD,2013,700\nE,2014,1e26\n");
  EXPECT_TRUE(with_code(report, "check.unit_file").empty());
  EXPECT_EQ(with_code(report, "check.unit_row").size() + with_code(report, "check.far_from_trend").size(),
            5u);
}

}  // namespace
}  // namespace tenfold::compute_trends
