// SPDX-License-Identifier: Apache-2.0
// One table of a trained DSI beside what it competes with, seen and unseen documents apart.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenfold/search/ranking_metrics.h"
#include "tenfold/systems/dsi/ranker.h"
#include "tenfold/systems/retrieval/retrieval_data.h"

namespace tenfold::dsi {

struct MethodRow {
  std::string method;  // "bm25", "dual", "dsi", "fusion"
  search::RankingScores all, seen, unseen;
};

struct DsiEvaluation {
  std::vector<MethodRow> rows;
  std::size_t seen = 0,
              unseen =
                  0;  // queries whose first relevant document has a labelled training query, and the others
  double fusion_weight = 0.5;  // of DSI, best for nDCG@10 on "valid"; 0.5 without
};

// Queries of `split` by all methods the model has. `trained`: relevant documents of the training labels, by query: what counts as seen.
DsiEvaluation evaluate_model(const Ranker& ranker,
                             const retrieval::RetrievalData& data,
                             const std::string& split);

const MethodRow* find_row(const std::vector<MethodRow>& rows, const std::string& method);

// Share of documents that the model finds first from their own first `length` tokens.
double memorisation(const Ranker& ranker, std::size_t length);

}  // namespace tenfold::dsi
