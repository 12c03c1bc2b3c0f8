// SPDX-License-Identifier: Apache-2.0
// Claims on the table of methods: one set for each collection and size. Rules of judgement stand here as they were fixed before the test
// queries were looked at.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "tenfold/systems/repconc/verbs/claims.h"

namespace tenfold::repconc {
namespace {

using systems::Claim;
using systems::ClaimRun;
using systems::Measurement;
using systems::Verdict;

constexpr const char* kRepconc = "arXiv 2110.05789, tables of MRR@10";
constexpr double kGap = 0.6;                // of OPQ to the uncompressed control
constexpr double kNotBelow = -0.003;        // MRR@10
constexpr double kHybridNotBelow = -0.005;  // nDCG@10
constexpr double kRecallKept = 0.98;

using Judge = std::function<Verdict(const std::vector<Measurement>&)>;

// Reproduced when every seed is at or above `least`, not reproduced when none is, else not separable.
Judge at_least(std::string metric, double least) {
  return [metric = std::move(metric), least](const std::vector<Measurement>& runs) {
    const auto count = std::count_if(
        runs.begin(), runs.end(), [&](const Measurement& run) { return run.at(metric) >= least; });
    if (count == static_cast<std::ptrdiff_t>(runs.size())) return Verdict::kReproduced;
    return count == 0 ? Verdict::kNotReproduced : Verdict::kNotSeparable;
  };
}

// By the paired intervals: reproduced when all lie above 0, not reproduced when all lie below.
Judge interval_above_zero(std::string metric) {
  return [metric = std::move(metric)](const std::vector<Measurement>& runs) {
    const auto above = [&](const Measurement& run) { return run.at(metric + "_low") > 0; };
    const auto below = [&](const Measurement& run) { return run.at(metric + "_high") <= 0; };
    if (std::all_of(runs.begin(), runs.end(), above)) return Verdict::kReproduced;
    if (std::all_of(runs.begin(), runs.end(), below)) return Verdict::kNotReproduced;
    return Verdict::kNotSeparable;
  };
}

std::string id_of(const Collection& collection, const std::string& what, std::int64_t bytes) {
  std::string name = collection.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return fmt::format("{}_{}_at_{}", name, what, bytes);
}

Claim base(const Collection& collection, const std::string& what, std::int64_t bytes) {
  Claim claim;
  claim.id = id_of(collection, what, bytes);
  claim.source = kRepconc;
  claim.setup =
      fmt::format("{}; {} bytes a document (quick: the made-up collection)", collection.setup, bytes);
  if (collection.name != "made-up") claim.needs = {collection.name};
  return claim;
}

// Only the named figures of a cell.
std::function<Measurement(const ClaimRun&)> some_of(const Collection& collection,
                                                    std::int64_t bytes,
                                                    std::vector<std::string> names) {
  return [name = collection.name, bytes, names = std::move(names)](const ClaimRun& run) {
    const Measurement& cell = grid_cell(name, bytes, run);
    Measurement some;
    for (const std::string& figure : names) some[figure] = cell.contains(figure) ? cell.at(figure) : 0.0;
    return some;
  };
}

Claim above_opq(const Collection& collection, std::int64_t bytes) {
  Claim claim = base(collection, "above_opq", bytes);
  claim.sentence = fmt::format("At {} bytes RepCONC ranks better than OPQ ({}).", bytes, collection.name);
  claim.metric = "repconc_minus_opq";
  claim.expected = "MRR@10 higher; the paired 95 % interval over queries is above 0 with every seed";
  claim.measure = [name = collection.name, bytes](const ClaimRun& run) {
    return grid_cell(name, bytes, run);
  };
  claim.judge = interval_above_zero("repconc_minus_opq");
  return claim;
}

Claim closes_the_gap(const Collection& collection, std::int64_t bytes) {
  Claim claim = base(collection, "gap_closed", bytes);
  claim.sentence =
      fmt::format("At {} bytes RepCONC closes most of the gap between OPQ and the uncompressed encoder ({}).",
                  bytes,
                  collection.name);
  claim.metric = "gap_closed_repconc";
  claim.expected =
      "at least 60 % of MRR@10 with every seed, against the encoder trained on as long without codes";
  claim.measure =
      some_of(collection,
              bytes,
              {"gap_closed_repconc", "gap_closed_jpq", "gap_closed_distillation", "gap_closed_repconc-1"});
  claim.judge = at_least("gap_closed_repconc", kGap);
  return claim;
}

Claim not_below_jpq(const Collection& collection, std::int64_t bytes) {
  Claim claim = base(collection, "not_below_jpq", bytes);
  claim.sentence = fmt::format("At {} bytes RepCONC is not below JPQ ({}).", bytes, collection.name);
  claim.metric = "repconc_minus_jpq";
  claim.expected =
      "MRR@10 at most 0.3 points lower with every seed; JPQ has the same query stage from the OPQ start";
  claim.measure =
      some_of(collection, bytes, {"repconc_minus_jpq", "repconc_minus_jpq_low", "repconc_minus_jpq_high"});
  claim.judge = at_least("repconc_minus_jpq", kNotBelow);
  return claim;
}

Claim above_jpq(const Collection& collection, std::int64_t bytes) {
  Claim claim = not_below_jpq(collection, bytes);
  claim.id = id_of(collection, "above_jpq", bytes);
  claim.sentence = fmt::format("At {} bytes RepCONC ranks better than JPQ ({}).", bytes, collection.name);
  claim.expected = "MRR@10 higher; the paired 95 % interval over queries is above 0 with every seed";
  claim.judge = interval_above_zero("repconc_minus_jpq");
  return claim;
}

Claim hybrid_not_below(const Collection& collection, std::int64_t bytes) {
  Claim claim = base(collection, "hybrid", bytes);
  claim.source = "practice; Cormack et al., SIGIR 2009";
  claim.sentence = fmt::format(
      "BM25 and {}-byte codes together are not below the better of the two ({}).", bytes, collection.name);
  claim.metric = "hybrid_minus_better";
  claim.expected = "nDCG@10 at most 0.5 points lower with every seed; weight chosen on the split valid";
  claim.measure = [name = collection.name, bytes](const ClaimRun& run) {
    const Measurement& cell = grid_cell(name, bytes, run);
    const double better = std::max(cell.at("ndcg_bm25"), cell.at("ndcg_repconc"));
    return Measurement{{"hybrid_minus_better", cell.at("ndcg_hybrid-weighted") - better},
                       {"reciprocal_ranks_minus_better", cell.at("ndcg_hybrid") - better}};
  };
  claim.judge = at_least("hybrid_minus_better", kHybridNotBelow);
  return claim;
}

Claim rerank_keeps_recall(const Collection& collection, std::int64_t bytes) {
  Claim claim = base(collection, "rerank", bytes);
  claim.source = "practice; Faiss IndexRefine";
  claim.sentence =
      fmt::format("{}-byte codes with 8-bit vectors for the best 1,000 find what exact search finds ({}).",
                  bytes,
                  collection.name);
  claim.metric = "recall_kept";
  claim.expected = "recall@100 at least 0.98 of the fine-tuned whole vectors' with every seed";
  claim.measure = [name = collection.name, bytes](const ClaimRun& run) {
    const Measurement& cell = grid_cell(name, bytes, run);
    return Measurement{{"recall_kept", cell.at("recall_rerank") / cell.at("recall_fine-tuned")}};
  };
  claim.judge = at_least("recall_kept", kRecallKept);
  return claim;
}

}  // namespace

std::vector<Claim> grid_claims() {
  std::vector<Claim> claims;
  for (const Collection& collection : collections())
    for (const std::int64_t bytes : collection.bytes) {
      claims.push_back(above_opq(collection, bytes));
      claims.push_back(closes_the_gap(collection, bytes));
      if (bytes > 8) continue;
      claims.push_back(not_below_jpq(collection, bytes));
      claims.push_back(above_jpq(collection, bytes));
      if (bytes != collection.bytes.front()) continue;
      claims.push_back(hybrid_not_below(collection, bytes));
      claims.push_back(rerank_keeps_recall(collection, bytes));
    }
  return claims;
}

}  // namespace tenfold::repconc
