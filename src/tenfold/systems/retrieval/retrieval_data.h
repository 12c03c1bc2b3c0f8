// SPDX-License-Identifier: Apache-2.0
// What a retriever is trained and measured on: documents, queries, labels by split, and the pairs of a training epoch. No LibTorch
// but for the batch.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/data/dataset.h"
#include "tenfold/search/beir.h"
#include "tenfold/systems/retrieval/runtime/token_lists.h"

namespace tenfold::retrieval {

struct DataOptions {
  std::string path;          // empty: what the program makes itself (demo_corpus.h)
  double valid_share = 0.1;  // of the labelled training documents, when the folder has no split for tuning
  std::int64_t pseudo_queries = 6;  // a document an epoch, made from its own words
  std::int64_t label_repeats = 2;   // of each labelled pair an epoch

  void visit_fields(auto&& field) {
    field(
        "path",
        path,
        {.help =
             "BEIR folder (corpus.jsonl, queries.jsonl, qrels/), or vectors (.npy, .fvecs); default: a small "
             "made-up collection",
         .positional = true,
         .file = config::FileUse::kRead});
    field("valid_share",
          valid_share,
          {.help = "of the labelled documents, kept for tuning when qrels has no dev split",
           .min = 0.0,
           .max = 0.9});
    field("pseudo_queries",
          pseudo_queries,
          {.help = "queries made from each document an epoch", .min = 0, .max = 1000});
    field("label_repeats", label_repeats, {.help = "of each labelled pair an epoch", .min = 0, .max = 1000});
  }
};

struct RetrievalData {
  search::BeirCorpus corpus;
  search::BeirQueries queries;
  std::map<std::string, search::BeirSplit> splits;  // "train", "valid", "test": those with queries
  std::string content;                              // names what is no text: the hash of vectors; else empty
};

// Throws what read_beir_corpus(), read_beir_queries() and read_beir_split() throw (search/beir.h). A split "dev" is called "valid".
RetrievalData load_retrieval_data(const DataOptions& options);

// Moves the labels of a share of the relevant documents from "train" to "valid". A pure function of the ids of the documents.
void hold_out(RetrievalData& data, double share);

// One row is a query and a relevant document: [B, kQueryWords] token numbers with -1 behind the last, [B] rows of documents, [B] places in
// BeirQueries or -1 for a query that was made up, [1] the epoch. An epoch has `pseudo_queries` rows for each document with
// words and `label_repeats` for each labelled pair. Made-up queries are new each epoch: 2 to 8 words of the document, half of the time in a row.
class PairDataset final : public data::Dataset {
 public:
  static constexpr std::int64_t kQueryWords = 32;

  // All references must outlive the data set. continues_word: as Vocabulary::continues_word(). Throws Error(kData, "retrieval.no_pairs") when
  // there is nothing to train on.
  PairDataset(const RetrievalData& data,
              const TokenLists& documents,
              const TokenLists& queries,
              const DataOptions& options,
              std::vector<bool> continues_word = {});

  std::int64_t size() const override;
  data::Batch get(std::span<const std::int64_t> ids, const data::DrawKey& key) const override;
  std::string fingerprint() const override { return fingerprint_; }

 private:
  struct Pair {
    std::int64_t query, document;
  };
  const TokenLists& documents_;
  const TokenLists& queries_;
  std::int64_t pseudo_queries_, label_repeats_;
  std::vector<bool> continues_word_;
  std::vector<std::int64_t> with_words_;  // documents
  std::vector<Pair> pairs_;
  std::string fingerprint_;
};

// Relevant documents of every query of a split; empty for queries outside of it.
std::vector<std::vector<std::int64_t>> relevant_documents(const RetrievalData& data,
                                                          const std::string& split);

}  // namespace tenfold::retrieval
