// SPDX-License-Identifier: Apache-2.0
// Real files: every embedded figure against the paper's own table, the layouts of four snapshots, and the counts that
// docs/data-compute-trends.md states. Skipped where the files are not there.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "tenfold/base/file_system.h"
#include "tenfold/systems/compute_trends/check.h"
#include "tenfold/systems/compute_trends/compare.h"
#include "tenfold/systems/compute_trends/six_nd.h"

namespace tenfold::compute_trends {
namespace {

Path data(const char* name) {
  return Path(TENFOLD_SOURCE_DIR).parent_path() / "shared" / "data" / name;
}

constexpr const char* kPaper = "compute_trends_paper/systems_123.csv";
constexpr const char* kOwid2022 = "compute_trends_snapshots/owid_2022-04_sevilla.csv";
constexpr const char* kOwid2023 = "compute_trends_snapshots/owid_2023-09_epoch.csv";
constexpr const char* kEpochAll = "compute_trends_snapshots/epoch_all_to_2022-02.csv";
constexpr const char* kEpochNotable = "compute_trends_snapshots/epoch_notable_to_2022-02.csv";

#define SKIP_WITHOUT(name)                                                       \
  if (!std::filesystem::exists(data(name))) {                                    \
    GTEST_SKIP() << "needs ../shared/data/" << (name) << ", which is not there"; \
  }

// Rows to the end of the paper's period.
Table load(const char* name) {
  Table table = load_table(data(name));
  table.rows = select(table, {.period = parse_period("", "", "2022-02-11")}).rows;
  return table;
}

double doubling_months(const Table& table, std::string_view from, std::string_view until) {
  const auto rows = select(table, {.period = parse_period(from, until, "")}).rows;
  double mean_x = 0, mean_y = 0, sxx = 0, sxy = 0;
  for (const SystemRow& row : rows) {
    mean_x += row.decimal_year / static_cast<double>(rows.size());
    mean_y += log10_flop(row) / static_cast<double>(rows.size());
  }
  for (const SystemRow& row : rows) {
    sxx += (row.decimal_year - mean_x) * (row.decimal_year - mean_x);
    sxy += (row.decimal_year - mean_x) * (log10_flop(row) - mean_y);
  }
  return 12.0 * std::log10(2.0) * sxx / sxy;
}

TEST(Snapshots, EveryEmbeddedFigureIsThePapers) {
  SKIP_WITHOUT(kPaper);
  const TableDifference difference = compare_tables(embedded_table(), load(kPaper), {.tolerance = 1e-12});
  EXPECT_EQ(difference.matched.size(), 123u);
  EXPECT_EQ(difference.same, 123u);
  EXPECT_TRUE(difference.only_a.empty());
  EXPECT_TRUE(difference.only_b.empty());
  EXPECT_EQ(difference.renamed, 4u);  // three without a name, one of the two OpenAI Fives
  for (const MatchedPair& pair : difference.matched) {
    EXPECT_EQ(pair.a.flop, pair.b.flop) << pair.a.name;
    EXPECT_EQ(pair.a.date, pair.b.date) << pair.a.name;
    EXPECT_EQ(pair.a.parameters, pair.b.parameters) << pair.a.name;
  }
}

TEST(Snapshots, EveryEmbeddedDomainIsThatOfOurWorldInData) {
  SKIP_WITHOUT(kOwid2022);
  const TableDifference difference = compare_tables(embedded_table(), load(kOwid2022));
  ASSERT_EQ(difference.matched.size(), 123u);
  for (const MatchedPair& pair : difference.matched) EXPECT_EQ(pair.a.domain, pair.b.domain) << pair.a.name;
}

// Acceptance checks 1 and 2 of the specification: NumPy gives 21.0 and 5.7 months.
TEST(Snapshots, OurWorldInDataOf2022GivesTheKnownFits) {
  SKIP_WITHOUT(kOwid2022);
  const Table table = load(kOwid2022);
  EXPECT_EQ(table.rows.size(), 130u);
  EXPECT_EQ(select(table, {.period = parse_period("1952", "2010", "")}).rows.size(), 19u);
  EXPECT_EQ(select(table, {.period = parse_period("2010", "", "")}).rows.size(), 111u);
  EXPECT_NEAR(doubling_months(table, "1952", "2010"), 21.0, 0.05);
  EXPECT_NEAR(doubling_months(table, "2010", ""), 5.7, 0.05);
}

TEST(Snapshots, AllLayoutsAreReadWhole) {
  SKIP_WITHOUT(kEpochAll);
  EXPECT_EQ(load(kOwid2023).rows.size(), 102u);
  EXPECT_EQ(load(kEpochNotable).rows.size(), 313u);
  const Table all = load(kEpochAll);
  EXPECT_EQ(all.rows.size(), 414u);
  EXPECT_TRUE(all.skipped.empty());
  EXPECT_TRUE(all.warnings.empty());
  EXPECT_EQ(all.columns.size(), 15u);
}

TEST(Snapshots, RealFilesPassTheUnitCheck) {
  SKIP_WITHOUT(kEpochAll);
  for (const char* name : {kPaper, kOwid2022, kOwid2023, kEpochAll, kEpochNotable}) {
    const CheckReport report = check_file(data(name).string(), {.today = Date{2026, 1, 1}});
    for (const Finding& finding : report.findings) {
      EXPECT_FALSE(finding.code.starts_with("check.unit")) << name << " " << finding.message;
    }
    EXPECT_EQ(report.errors, name == kPaper ? 1u : 0u) << name;  // two rows named OpenAI Five
  }
}

struct Counts {
  const char* file;
  const char* title;
};

// The sentence of the documentation about one snapshot.
std::string sentence(const char* title, const TableDifference& d) {
  return fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                     title,
                     d.rows_b,
                     d.matched.size(),
                     d.same,
                     d.compute_differs - d.rounding,
                     d.rounding,
                     d.date_differs,
                     d.only_a.size(),
                     d.only_b.size());
}

std::string revision(const MatchedPair& pair) {
  return fmt::format("| {} | {:.3g} | {:.3g} | {:.3g} |", pair.a.name, pair.a.flop, pair.b.flop, pair.ratio);
}

TEST(Snapshots, TheDocumentationStatesTheDifferences) {
  SKIP_WITHOUT(kEpochAll);
  const std::string text = read_text_file(Path(TENFOLD_SOURCE_DIR) / "docs" / "data-compute-trends.md");
  for (const Counts& counts : {Counts{kPaper, "the paper's notebook, 2022"},
                               Counts{kOwid2022, "Our World in Data, April 2022"},
                               Counts{kOwid2023, "Our World in Data, autumn 2023"},
                               Counts{kEpochNotable, "Epoch AI notable systems, August 2025"},
                               Counts{kEpochAll, "Epoch AI all systems, August 2025"}}) {
    const TableDifference difference = compare_tables(embedded_table(), load(counts.file));
    EXPECT_NE(text.find(sentence(counts.title, difference)), std::string::npos)
        << sentence(counts.title, difference);
    if (counts.file == kEpochNotable) continue;  // the rows of the larger file are listed
    for (const MatchedPair& pair : difference.matched) {
      if (!pair.compute_differs || pair.is_rounding) continue;
      EXPECT_NE(text.find(revision(pair)), std::string::npos) << revision(pair);
    }
    for (const SystemRow& row : difference.only_a)
      EXPECT_NE(text.find(row.name), std::string::npos) << row.name;
  }
}

TEST(Snapshots, SixNdIsNearOneForLanguageAndFarOffForGames) {
  SKIP_WITHOUT(kEpochAll);
  const SixNdStudy study = six_nd_study(load(kEpochAll));
  ASSERT_FALSE(study.groups.empty());
  EXPECT_EQ(study.groups.front().domain, "Language");
  EXPECT_GT(study.groups.front().median, 0.5);
  EXPECT_LT(study.groups.front().median, 2.0);
  for (const SixNdGroup& group : study.groups) {
    if (group.domain == "Games") {
      EXPECT_LT(group.median, 0.5);
    }
  }
}

}  // namespace
}  // namespace tenfold::compute_trends
