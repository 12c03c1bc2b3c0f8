// SPDX-License-Identifier: Apache-2.0
// Lists of hard negatives: the best wrong documents of an index for every document, which stands for the queries made up from it, and for
// every labelled training query.
#pragma once

#include <torch/types.h>

#include <cstdint>

#include "tenfold/data/dataset.h"
#include "tenfold/search/vector_index.h"
#include "tenfold/systems/retrieval/corpus.h"
#include "tenfold/systems/retrieval/encoder.h"

namespace tenfold::retrieval {

// [documents + queries, depth] int32: documents first, all places empty (-1).
torch::Tensor empty_negative_lists(std::int64_t documents, std::int64_t queries, std::int64_t depth);

struct NegativeSource {
  const search::VectorIndex& index;  // a row a document
  torch::Tensor documents;           // [N, d]: their vectors, contiguous
  torch::Tensor
      same;  // [N] int64: the document that each counts as (first_of_same_words()), or its own number
};
// Fills `lists`. What counts as the document itself, or as one that is relevant to the query, is left out; a list that runs short ends with
// -1. `encoder` makes the vectors of queries.
void mine_negatives(const Corpus& corpus, Encoder encoder, const NegativeSource& source, torch::Tensor lists);

// `count` places of the list of each row of a batch, by LibTorch's default generator: [B, count] documents or -1.
torch::Tensor draw_negatives(const torch::Tensor& lists,
                             std::int64_t documents,
                             const data::Batch& batch,
                             std::int64_t count);

}  // namespace tenfold::retrieval
