// SPDX-License-Identifier: Apache-2.0
// Names that mean one system, and the differences between snapshots.
#include "tenfold/systems/compute_trends/compare.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace tenfold::compute_trends {
namespace {

Table table(std::string_view rows) {
  return parse_table("name,date,training_flop\n" + std::string(rows), "t.csv");
}

TEST(Names, KnowsSpellingsOfOneSystem) {
  EXPECT_EQ(name_likeness("Wave2Vec 2.0", "wave2vec-2.0"), Likeness::kSame);
  EXPECT_EQ(name_likeness("wave2vec 2.0 LARGE", "wav2vec 2.0 LARGE"), Likeness::kSpelling);
  EXPECT_EQ(name_likeness("GPT-3 175B", "GPT-3 175B (davinci)"), Likeness::kPrefix);
  EXPECT_EQ(name_likeness("HyperClova", "HyperCLOVA 204B"), Likeness::kPrefix);
  EXPECT_EQ(name_likeness("LSUN Bedroom model", "Denoising Diffusion Probabilistic Models (LSUN Bedroom)"),
            Likeness::kWords);
}

TEST(Names, KeepsDifferentSystemsApart) {
  EXPECT_EQ(name_likeness("T5-3B", "T5-11B"), Likeness::kNone);
  EXPECT_EQ(name_likeness("GPT-2", "GPT-3"), Likeness::kNone);
  EXPECT_EQ(name_likeness("PNASNet-5", "NASNet-A"), Likeness::kNone);
  EXPECT_EQ(name_likeness("MnasNet-A1", "MnasNet-A3"), Likeness::kNone);
  EXPECT_EQ(name_likeness("", ""), Likeness::kNone);
}

TEST(Compare, ListsRevisionsDatesAndRowsOfOneSide) {
  const Table a = table(
      "Hanabi,2019-02-01,9.2e16\nERNIE,2021-07-05,2.4e18\nGPT-3 175B,2020-04-28,3.14e23\nA,2012,1e17\n");
  const Table b = table(
      "hanabi,2019-02-01,4.3e18\nGPT-3 175B (davinci),2020-05-28,3.14e23\nA,2012,1.005e17\nB,2013,1e18\n");
  const TableDifference difference = compare_tables(a, b);
  EXPECT_EQ(difference.rows_a, 4u);
  ASSERT_EQ(difference.matched.size(), 3u);
  EXPECT_EQ(difference.matched[0].a.name, "A");
  EXPECT_FALSE(difference.matched[0].compute_differs);  // within 1 %
  EXPECT_NEAR(difference.matched[1].ratio, 4.3e18 / 9.2e16, 1e-9);
  EXPECT_TRUE(difference.matched[1].compute_differs);
  EXPECT_FALSE(difference.matched[1].is_rounding);
  EXPECT_EQ(difference.matched[2].likeness, Likeness::kPrefix);
  EXPECT_EQ(difference.matched[2].days, 30);
  EXPECT_EQ(difference.same, 1u);
  EXPECT_EQ(difference.compute_differs, 1u);
  EXPECT_EQ(difference.date_differs, 1u);
  EXPECT_EQ(difference.renamed, 1u);
  ASSERT_EQ(difference.only_a.size(), 1u);
  EXPECT_EQ(difference.only_a[0].name, "ERNIE");
  ASSERT_EQ(difference.only_b.size(), 1u);
  EXPECT_EQ(difference.only_b[0].name, "B");
}

TEST(Compare, TellsRoundingFromRevision) {
  const TableDifference difference =
      compare_tables(table("A,2012,1.56e18\nB,2013,1.15e21\nC,2014,1.1e19\nD,2015,8.524e18\n"),
                     table("A,2012,1.6e18\nB,2013,1.1e21\nC,2014,1.8e19\nD,2015,8.5e18\n"));
  ASSERT_EQ(difference.matched.size(), 4u);
  EXPECT_TRUE(difference.matched[0].is_rounding);
  EXPECT_TRUE(difference.matched[1].is_rounding);  // a half rounded down
  EXPECT_FALSE(difference.matched[2].is_rounding);
  EXPECT_FALSE(difference.matched[3].compute_differs);
  EXPECT_EQ(difference.rounding, 2u);
  EXPECT_EQ(difference.compute_differs, 3u);
}

TEST(Compare, EqualNamesGoToTheNearestDate) {
  const TableDifference difference = compare_tables(table("X,2019-04-22,1e22\nX,2019-12-13,6e22\n"),
                                                    table("X,2019-12-01,7e22\nX,2019-04-20,2e22\n"));
  ASSERT_EQ(difference.matched.size(), 2u);
  EXPECT_DOUBLE_EQ(difference.matched[0].b.flop, 2e22);
  EXPECT_DOUBLE_EQ(difference.matched[1].b.flop, 7e22);
}

TEST(Compare, AlikeNamesNeedNearDatesOrEqualCompute) {
  EXPECT_EQ(compare_tables(table("GPT,2018-06-01,1e19\n"), table("GPT-2,2019-02-14,1.5e21\n")).matched.size(),
            0u);
  EXPECT_EQ(compare_tables(table("GPT,2018-06-01,1e19\n"), table("GPT-1,2018-06-01,1.8e19\n")).matched.size(),
            1u);
  EXPECT_EQ(
      compare_tables(table("GShard (600B),2020-06-30,1e22\n"), table("GShard (dense),2020-06-30,3e22\n"))
          .matched.size(),
      0u);
  EXPECT_EQ(
      compare_tables(table("Unnamed,2013-12-20,4.752e14\n"), table("Image generation,2013-12-20,4.75e14\n"))
          .matched.at(0)
          .likeness,
      Likeness::kFigures);
}

TEST(Compare, ATableEqualsItself) {
  const Table embedded = embedded_table();
  const TableDifference difference = compare_tables(embedded, embedded);
  EXPECT_EQ(difference.same, 123u);
  EXPECT_TRUE(difference.only_a.empty());
  const std::array<Table, 3> tables = {embedded, embedded, table("A,2012,1e17\n")};
  EXPECT_EQ(compare_snapshots(tables).size(), 2u);
}

}  // namespace
}  // namespace tenfold::compute_trends
