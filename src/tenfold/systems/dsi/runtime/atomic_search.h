// SPDX-License-Identifier: Apache-2.0
// Atomic identifiers: every document is one token of the decoder, and one step ranks all of them. The same as a search for the largest
// inner products of the step's hidden state with the rows of docid.head.weight.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tenfold/search/bitmap.h"
#include "tenfold/systems/dsi/runtime/decoding.h"

namespace tenfold::dsi {

// One thread's search with its buffers. Token j of the decoder is document j; there is no end token.
class AtomicSearch {
 public:
  // `decoder` must outlive the object.
  explicit AtomicSearch(const DocidDecoder& decoder) : decoder_(decoder), session_(decoder) {}

  std::size_t size() const { return decoder_.tokens(); }  // documents

  // The k best of each query, best first, ties by document; fewer when the filter leaves fewer. The log probability is over all documents,
  // whatever the filter. Throws Error(kData): "dsi.empty_query", "dsi.filter_size" (a bitmap of another size), "dsi.not_finite".
  std::vector<std::vector<FoundDocid>> search(std::span<const QueryMemory> queries,
                                              std::size_t k,
                                              const search::RowFilter& filter = {});

 private:
  std::vector<FoundDocid> best_of(const float* logits, std::size_t k, const search::RowFilter& filter) const;

  const DocidDecoder& decoder_;
  DecoderSession session_;
  std::vector<std::uint32_t> tokens_, queries_, positions_, paths_;
};

}  // namespace tenfold::dsi
