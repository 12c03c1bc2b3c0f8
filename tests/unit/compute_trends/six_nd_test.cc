// SPDX-License-Identifier: Apache-2.0
// The cross-check of 6 N D against listed compute.
#include "tenfold/systems/compute_trends/six_nd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

constexpr std::string_view kHeader =
    "Model,Publication date,Domain,Training compute (FLOP),Parameters,Training dataset size "
    "(datapoints),Epochs\n";

Table table(std::string_view rows) {
  return parse_table(std::string(kHeader) + std::string(rows), "t.csv");
}

TEST(SixNd, GivesQuartilesByDomain) {
  const SixNdStudy study =
      six_nd_study(table("A,2020,Language,6e20,1e9,1e11,\nB,2020,Language,1.2e21,1e9,1e11,\n"
                         "C,2020,\"Language,Vision\",3e20,1e9,1e11,\nD,2020,Vision,6e20,1e6,1e7,10\n"
                         "E,2020,Games,1e20,,1e9,\n"));
  EXPECT_EQ(study.without_inputs, 1u);
  EXPECT_EQ(study.with_epochs, 1u);
  ASSERT_EQ(study.rows.size(), 4u);
  EXPECT_NEAR(study.rows[3].ratio, 6e14 / 6e20, 1e-15);
  ASSERT_EQ(study.groups.size(), 3u);
  EXPECT_EQ(study.groups[0].domain, "Language");  // ratios 1, 0.5, 2
  EXPECT_EQ(study.groups[0].n, 3u);
  EXPECT_NEAR(study.groups[0].median, 1.0, 1e-12);
  EXPECT_NEAR(study.groups[0].lower_quartile, std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(study.groups[0].upper_quartile, std::sqrt(2.0), 1e-12);
  EXPECT_DOUBLE_EQ(study.groups[0].within_factor_2, 1.0);
  EXPECT_EQ(study.groups[1].domain, "(fewer than 3 systems)");
  EXPECT_EQ(study.groups[2].domain, "all");
  EXPECT_EQ(study.groups[2].n, 4u);
}

TEST(SixNd, EpochsCanBeLeftOut) {
  const Table one = table("D,2020,Vision,6e15,1e6,1e7,100\n");
  EXPECT_NEAR(six_nd_study(one).rows[0].ratio, 1.0, 1e-12);
  EXPECT_NEAR(six_nd_study(one, {.use_epochs = false}).rows[0].ratio, 0.01, 1e-12);
}

TEST(SixNd, NeedsParametersAndDataSize) {
  try {
    six_nd_study(embedded_table());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "six_nd.no_rows");
    EXPECT_EQ(error.error_class(), ErrorClass::kData);
  }
}

}  // namespace
}  // namespace tenfold::compute_trends
