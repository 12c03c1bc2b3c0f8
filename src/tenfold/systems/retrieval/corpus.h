// SPDX-License-Identifier: Apache-2.0
// Data, vocabulary and token lists of a run: what all stages share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tenfold/search/hit.h"
#include "tenfold/search/ranking_metrics.h"
#include "tenfold/systems/retrieval/encoder.h"
#include "tenfold/systems/retrieval/retrieval_data.h"
#include "tenfold/systems/retrieval/runtime/vocabulary.h"

namespace tenfold::retrieval {

struct Corpus {
  // The vocabulary is made from the documents and the training queries, or is that of the encoder's checkpoint.
  Corpus(const DataOptions& data_options,
         const VocabularyOptions& vocabulary_options,
         const EncoderOptions& encoder_options = {});

  // Documents and queries whose tokens are there already; no vocabulary.
  Corpus(const DataOptions& data_options,
         RetrievalData retrieval_data,
         TokenLists document_tokens,
         TokenLists query_tokens);

  DataOptions options;
  RetrievalData data;
  std::shared_ptr<const Vocabulary> vocabulary;  // null when tokens were given
  TokenLists documents, queries;
  std::vector<std::vector<std::int64_t>> train_relevant;  // by query
  PairDataset pairs;

  std::size_t size() const { return documents.size(); }
  // Tokens of a split's queries, in its order. Throws std::out_of_range for a split that is not there.
  TokenLists queries_of(const std::string& split) const;
};

}  // namespace tenfold::retrieval
