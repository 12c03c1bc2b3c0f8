// SPDX-License-Identifier: Apache-2.0
// Hard negatives that are mined once, from the index the codewords start from (RepCONC, section 4: "static").
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "tenfold/data/dataset.h"
#include "tenfold/search/product_quantizer.h"
#include "tenfold/systems/retrieval/corpus.h"
#include "tenfold/systems/retrieval/encoder.h"

namespace tenfold::repconc {

// The best documents of a fixed index for every labelled training query, and for every document as if it were the query: those stand for
// the queries made up from it, which are new each epoch. Relevant documents, the document itself and documents of the same words
// are left out; lists that run short end with -1.
class HardNegatives {
 public:
  // `encoder` makes both vectors; the index holds their codes by `quantizer`. depth: length of a list.
  HardNegatives(const retrieval::Corpus& corpus,
                retrieval::Encoder encoder,
                const search::ProductQuantizer& quantizer,
                std::int64_t depth);

  // `count` places of each row's list by LibTorch's default generator: [B, count] documents or -1.
  torch::Tensor draw(const data::Batch& batch, std::int64_t count) const;
  // The list of a labelled query, or with query -1 of a document.
  std::vector<std::int64_t> list(std::int64_t query, std::int64_t document) const;

 private:
  std::int64_t depth_, documents_;
  torch::Tensor lists_;  // [N + Q, depth] int32: documents first
};

}  // namespace tenfold::repconc
