// SPDX-License-Identifier: Apache-2.0
// One ranking of several: BM25 and dense search together ("hybrid").
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tenfold/search/hit.h"

namespace tenfold::search {

struct FusionOptions {
  std::vector<double> weights;  // one a list; empty: all 1
  double constant = 60;         // of reciprocal ranks
};

// Cormack, Clarke and Buettcher (SIGIR 2009): score = sum over lists of weight / (constant + rank), ranks from 1. A document that
// a list lacks gets nothing from it. At most k hits. Throws Error(kUsage): "fusion.weights" (their number differs from the
// lists', or one is negative or not finite), "fusion.constant" (not above 0).
Hits reciprocal_rank_fusion(std::span<const Hits> lists, std::size_t k, const FusionOptions& options = {});

// score = sum over lists of weight x (score - least) / (largest - least) by the scores of that list; 1 for all when they are equal,
// 0 for a document that the list lacks. Throws as above.
Hits weighted_fusion(std::span<const Hits> lists, std::size_t k, const FusionOptions& options = {});

}  // namespace tenfold::search
