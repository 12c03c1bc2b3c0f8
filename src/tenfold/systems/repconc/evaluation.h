// SPDX-License-Identifier: Apache-2.0
// What the compression cost: the same queries answered by whole vectors, by untrained and trained codes, by words, and by both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/search/beir.h"
#include "tenfold/search/bm25.h"
#include "tenfold/search/ranking_metrics.h"
#include "tenfold/systems/repconc/retriever.h"

namespace tenfold::repconc {

struct MethodRow {
  std::string method;
  double bytes_per_document = 0;  // of what a search reads; for BM25 of its index in memory
  search::RankingScores scores;
};

struct EvaluationRequest {
  search::BeirCorpus corpus;
  std::vector<std::string> queries;
  std::vector<search::Judgements> judgements;
  std::int64_t seed = 0;  // of PQ and OPQ
  search::Bm25Options bm25;
  // Counted from the file when there is an index of these documents.
  std::optional<double> index_bytes_per_document;
};

// "bm25", "dense" (whole vectors before the codewords were trained), "pq", "opq" (of these), "fine-tuned" (whole vectors of stage 1),
// "repconc-1", "repconc" (with stage 2), "hybrid" (reciprocal ranks of BM25 and repconc). Without retriever.dense the three rows that
// need it are left out.
std::vector<MethodRow> evaluate_methods(const EvaluationRequest& request, const Retriever& retriever);

}  // namespace tenfold::repconc
