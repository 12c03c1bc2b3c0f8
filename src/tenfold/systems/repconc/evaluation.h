// SPDX-License-Identifier: Apache-2.0
// What the compression cost: the same queries answered by whole vectors, by untrained and trained codes, by words, and by both.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/search/beir.h"
#include "tenfold/search/bm25.h"
#include "tenfold/search/code_index.h"
#include "tenfold/search/ranking_metrics.h"
#include "tenfold/systems/repconc/retriever.h"

namespace tenfold::repconc {

struct MethodRow {
  std::string method;
  double code_bytes = 0;  // of a document's code or vector alone; 0 for words
  double bytes_per_document =
      0;  // of the index file, with codebooks and rotation; for BM25 of its index in memory
  search::RankingScores scores;
};

struct LabelledQueries {
  std::vector<std::string> texts;
  std::vector<search::Judgements> judgements;
};

struct EvaluationRequest {
  search::BeirCorpus corpus;
  LabelledQueries queries;
  LabelledQueries tuning;  // choose the weight of "hybrid-weighted"; may be empty
  std::int64_t seed = 0;   // of the untrained quantisers
  search::Bm25Options bm25;
  // Counted from the file when there is an index of these documents; else the length of the Faiss file it would be.
  std::optional<double> index_bytes_per_document;
};

// Other retrievers over the same texts, by the names of their rows: "fine-tuned" (whole vectors of an encoder that was trained on
// as long as stage 1, without codes), "jpq", "distillation".
using Baselines = std::map<std::string, const Retriever*>;

// In this order, as far as there are models for them:
//   "bm25"
//   "dense"            whole vectors before the codewords were trained, exact search
//   "fine-tuned"       the uncompressed control of the baselines
//   "joint-whole"      whole vectors of stage 1's encoder
//   "pq", "opq", "anisotropic"   trained on the vectors of "dense", with as many bytes as the trained codes
//   "rabitq"           one bit a coordinate of these vectors; its bytes are its own
//   "jpq", "distillation"        of the baselines
//   "repconc-1", "repconc"       trained codes after stage 1, and after stage 2
//   "rerank"           the best 1,000 by these codes, in the order of 8-bit vectors; its bytes are those of both
//   "hybrid"           reciprocal ranks of BM25 and repconc
//   "hybrid-weighted"  their scores, with the weight that is best for nDCG@10 of the tuning queries
std::vector<MethodRow> evaluate_methods(const EvaluationRequest& request,
                                        const Retriever& retriever,
                                        const Baselines& baselines = {});

// Null when there is no such row.
const MethodRow* find_row(const std::vector<MethodRow>& rows, const std::string& method);

struct MethodComparison {
  std::string method, against;
  search::PairedDifference mrr;  // of MRR@10, method minus against
};
// repconc against opq and jpq; jpq, distillation and repconc-1 against opq: those that are there.
std::vector<MethodComparison> compare_methods(const std::vector<MethodRow>& rows);

// (method - opq) / (control - opq) of MRR@10. The control is "fine-tuned", or without it "joint-whole". Nothing when opq is missing or not
// below the control.
std::optional<double> gap_closed(const std::vector<MethodRow>& rows, const std::string& method);

// Length of the Faiss file of an index.
std::uint64_t faiss_file_bytes(const search::CodeIndex& index);

}  // namespace tenfold::repconc
