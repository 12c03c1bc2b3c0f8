// SPDX-License-Identifier: Apache-2.0
// How good rankings are by relevance labels, and whether one ranker is better than another beyond chance.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tenfold/search/hit.h"

namespace tenfold::search {

struct Judgement {
  std::uint32_t row = 0;  // the document
  int grade = 0;          // above 0: relevant
};
using Judgements = std::vector<Judgement>;  // of one query, each document once

// Of one ranking, best first; `cutoff`: only so many places count. A query without relevant documents gives 0.
double reciprocal_rank(std::span<const Hit> ranking, const Judgements& judgements, std::size_t cutoff);
// Found share of the relevant documents.
double recall(std::span<const Hit> ranking, const Judgements& judgements, std::size_t cutoff);
// 1 when a relevant document is among the first `cutoff`.
double hit_rate(std::span<const Hit> ranking, const Judgements& judgements, std::size_t cutoff);
// Jarvelin and Kekalainen (2002) with the gain grade / log2(place + 1), as trec_eval and BEIR have it, over the ideal order's.
double ndcg(std::span<const Hit> ranking, const Judgements& judgements, std::size_t cutoff);

// Per query, by the names of the program's JSON: "hits@1", "mrr@10", "ndcg@10", "recall@10", "recall@100".
struct RankingScores {
  std::size_t queries = 0;
  std::map<std::string, std::vector<double>> per_query;
  double mean(const std::string& metric) const;  // throws std::out_of_range for an unknown name
};

// Throws Error(kInternal) when the numbers of rankings and judgements differ, Error(kData, "evaluation.no_queries") for none.
RankingScores score_rankings(std::span<const Hits> rankings, std::span<const Judgements> judgements);

struct BootstrapOptions {
  std::size_t samples = 10'000;
  double level = 0.95;
  std::uint64_t seed = 0;
};

struct PairedDifference {
  double mean = 0;           // of b - a
  double low = 0, high = 0;  // percentile interval of the resampled means
  double share_below_0 = 0;  // of the resampled means; 0 counts half
  bool excludes_zero() const { return low > 0 || high < 0; }
};

// Paired bootstrap over queries (Efron and Tibshirani 1993, chapter 13): query i of both lists is drawn together. A pure function of
// values and seed. Throws Error(kUsage, "evaluation.bootstrap") for lists of different length, none, no samples, or a level
// outside (0, 1).
PairedDifference paired_bootstrap(std::span<const double> a,
                                  std::span<const double> b,
                                  const BootstrapOptions& options = {});

}  // namespace tenfold::search
