// SPDX-License-Identifier: Apache-2.0
// Top-k, fusion, metrics and the bootstrap against sums done by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/search/fusion.h"
#include "tenfold/search/ranking_metrics.h"
#include "tenfold/search/top_k.h"

namespace tenfold::search {
namespace {

TEST(TopK, EqualsASortOfAllHits) {
  random::Generator generator(1, 1);
  for (int round = 0; round < 300; ++round) {
    const std::size_t count = generator.below(200), k = generator.below(50);
    Hits all;
    for (std::uint32_t row = 0; row < count; ++row) {
      all.push_back({row, static_cast<float>(generator.below(20))});  // many ties
    }
    Hits shuffled = all;
    for (std::size_t i = shuffled.size(); i > 1; --i) {
      std::swap(shuffled[i - 1], shuffled[generator.below(static_cast<std::uint32_t>(i))]);
    }
    TopK best(k);
    for (const Hit& hit : shuffled) {
      best.add(hit);
      if (generator.below(4) == 0) best.tighten();
    }
    std::sort(all.begin(), all.end(), better);
    all.resize(std::min(k, count));
    ASSERT_EQ(best.take(), all);
  }
}

TEST(Fusion, AddsReciprocalRanks) {
  const std::vector<Hits> lists{{{5, 9.0f}, {7, 8.0f}}, {{7, 0.3f}, {2, 0.1f}}};
  const Hits fused = reciprocal_rank_fusion(lists, 10);
  ASSERT_EQ(fused.size(), 3u);
  EXPECT_EQ(fused[0].row, 7u);
  EXPECT_NEAR(fused[0].score, 1 / 62.0 + 1 / 61.0, 1e-8);
  EXPECT_EQ(fused[1].row, 5u);
  EXPECT_EQ(reciprocal_rank_fusion(lists, 10, {.weights = {3, 1}})[1].row, 5u);
  EXPECT_EQ(reciprocal_rank_fusion(lists, 1).size(), 1u);
}

TEST(Fusion, WeighsScoresBetweenTheLeastAndTheLargest) {
  const std::vector<Hits> lists{{{1, 10.0f}, {2, 5.0f}, {3, 0.0f}}, {{3, 1.0f}, {2, 1.0f}}};
  const Hits fused = weighted_fusion(lists, 10, {.weights = {1, 0.25}});
  EXPECT_EQ(fused[0], (Hit{1, 1.0f}));
  EXPECT_EQ(fused[1], (Hit{2, 0.75f}));
  EXPECT_EQ(fused[2], (Hit{3, 0.25f}));
}

TEST(Fusion, RefusesWrongWeights) {
  const std::vector<Hits> lists{{{1, 1.0f}}, {}};
  EXPECT_THROW(reciprocal_rank_fusion(lists, 1, {.weights = {1}}), Error);
  EXPECT_THROW(weighted_fusion(lists, 1, {.weights = {1, -1}}), Error);
  EXPECT_THROW(reciprocal_rank_fusion(lists, 1, {.constant = 0}), Error);
}

TEST(RankingMetrics, EqualTheDefinitions) {
  const Hits ranking{{4, 9.0f}, {1, 8.0f}, {9, 7.0f}, {2, 6.0f}};
  const Judgements judgements{{1, 2}, {2, 1}, {8, 3}, {4, 0}};
  EXPECT_DOUBLE_EQ(reciprocal_rank(ranking, judgements, 10), 0.5);
  EXPECT_DOUBLE_EQ(reciprocal_rank(ranking, judgements, 1), 0.0);
  EXPECT_DOUBLE_EQ(recall(ranking, judgements, 4), 2.0 / 3);
  EXPECT_DOUBLE_EQ(recall(ranking, judgements, 2), 1.0 / 3);
  EXPECT_DOUBLE_EQ(hit_rate(ranking, judgements, 1), 0.0);
  EXPECT_DOUBLE_EQ(hit_rate(ranking, judgements, 2), 1.0);
  const double gain = 2 / std::log2(3) + 1 / std::log2(5), ideal = 3 + 2 / std::log2(3) + 1 / std::log2(4);
  EXPECT_NEAR(ndcg(ranking, judgements, 10), gain / ideal, 1e-12);
  EXPECT_DOUBLE_EQ(ndcg(ranking, {}, 10), 0.0);
}

TEST(RankingMetrics, MeansAreOverQueries) {
  const std::vector<Hits> rankings{{{0, 1.0f}}, {{1, 1.0f}, {0, 0.5f}}};
  const std::vector<Judgements> judgements{{{0, 1}}, {{0, 1}}};
  const RankingScores scores = score_rankings(rankings, judgements);
  EXPECT_DOUBLE_EQ(scores.mean("mrr@10"), 0.75);
  EXPECT_DOUBLE_EQ(scores.mean("hits@1"), 0.5);
  EXPECT_THROW(score_rankings({}, {}), Error);
}

// The difference of every pair is the same: every resample has that mean.
TEST(PairedBootstrap, IsExactForAConstantDifference) {
  const std::vector<double> a{0.1, 0.5, 0.3}, b{0.3, 0.7, 0.5};
  const PairedDifference difference = paired_bootstrap(a, b);
  EXPECT_NEAR(difference.low, 0.2, 1e-12);
  EXPECT_NEAR(difference.high, 0.2, 1e-12);
  EXPECT_TRUE(difference.excludes_zero());
}

// Of a mean of n draws with variance s^2 the interval is 1.96 s / sqrt(n) wide to each side.
TEST(PairedBootstrap, HasTheWidthOfTheNormalInterval) {
  random::Generator generator(3, 4);
  const std::size_t n = 2000;
  std::vector<double> a(n, 0.0), b(n);
  for (double& value : b) value = 0.01 + generator.normal();
  const PairedDifference difference = paired_bootstrap(a, b, {.samples = 4000, .seed = 5});
  const double expected = 2 * 1.96 / std::sqrt(static_cast<double>(n));
  EXPECT_NEAR(difference.high - difference.low, expected, 0.1 * expected);
  EXPECT_LT(difference.low, difference.mean);
  EXPECT_EQ(paired_bootstrap(a, b, {.samples = 4000, .seed = 5}).low, difference.low);
}

TEST(PairedBootstrap, RefusesListsOfDifferentLength) {
  const std::vector<double> one{1}, two{1, 2};
  EXPECT_THROW(paired_bootstrap(one, two), Error);
  EXPECT_THROW(paired_bootstrap({}, {}), Error);
  EXPECT_THROW(paired_bootstrap(one, one, {.level = 1}), Error);
}

}  // namespace
}  // namespace tenfold::search
