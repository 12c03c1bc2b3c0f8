// SPDX-License-Identifier: Apache-2.0
// The claims of the papers on quality: what compression costs by method, size and data set (claims_grid.cc), and what each part of the
// training is good for (claims_parts.cc).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/systems/claim.h"
#include "tenfold/systems/repconc/study.h"

namespace tenfold::repconc {

// A collection and how long to train on it.
struct Collection {
  std::string name;   // folder in the data folder; "made-up": demo_corpus.h, needs none
  std::string setup;  // one sentence
  std::vector<std::int64_t> bytes;
};
// In the order they are measured, the most telling first.
const std::vector<Collection>& collections();

// The study of a collection with the seed of the run; made once a process. With the quick budget always the made-up collection.
Study& study_of(const std::string& collection, const systems::ClaimRun& run);

// All methods with codes of so many bytes: "mrr_opq", "ndcg_opq", "recall_opq", "bytes_opq", "code_bytes_opq", ... as in
// evaluate_methods(), "repconc_minus_opq" with "_low" and "_high", "gap_closed_repconc", ... Measured once a process.
const systems::Measurement& grid_cell(const std::string& collection,
                                      std::int64_t bytes,
                                      const systems::ClaimRun& run);

std::vector<systems::Claim> grid_claims();  // claims_grid.cc
std::vector<systems::Claim> part_claims();  // claims_parts.cc
std::vector<systems::Claim> make_claims();

}  // namespace tenfold::repconc
