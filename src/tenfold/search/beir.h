// SPDX-License-Identifier: Apache-2.0
// A retrieval data set in the form of BEIR (Thakur et al. 2021): a folder with corpus.jsonl, queries.jsonl and one
// qrels/<split>.tsv a split.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/search/ranking_metrics.h"

namespace tenfold::search {

struct BeirCorpus {
  std::vector<std::string> ids;
  std::vector<std::string> texts;   // title, a space and text; one of them alone when the other is empty
  std::vector<std::string> titles;  // "" without one
};

struct BeirQueries {
  std::vector<std::string> ids;
  std::vector<std::string> texts;
};

// The queries of a split that have labels, in the order of queries.jsonl.
struct BeirSplit {
  std::vector<std::uint32_t> queries;  // places in BeirQueries
  std::vector<Judgements> judgements;  // one a query; rows are places in BeirCorpus
};

// Each line of both files is an object with "_id" and "text" (and "title" in corpus.jsonl, which may be missing); other fields are
// ignored. Errors name file and line. Throws Error(kFile, "file.not_found") and Error(kData): what io/jsonl.h throws,
// "beir.field" (missing or not a text; numbers are taken as ids), "beir.duplicate_id", "beir.empty".
BeirCorpus read_beir_corpus(const Path& folder);
BeirQueries read_beir_queries(const Path& folder);

// "train", "test", ... for the files in qrels/, sorted; empty when there are none.
std::vector<std::string> beir_splits(const Path& folder);

// Throws Error(kData): "beir.no_split" (names the splits there are), "beir.columns" (not query-id, corpus-id, score),
// "beir.grade" (not a whole number), "beir.unknown_query", "beir.unknown_document", "beir.duplicate_label", "beir.empty".
BeirSplit read_beir_split(const Path& folder,
                          std::string_view split,
                          const BeirCorpus& corpus,
                          const BeirQueries& queries);

}  // namespace tenfold::search
