// SPDX-License-Identifier: Apache-2.0
// How much identifiers say about their documents, without training a model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tenfold/search/vectors.h"
#include "tenfold/systems/dsi/docids/docid_scheme.h"

namespace tenfold::dsi {

// Over all pairs of different documents that agree in their first `length` tokens.
struct PrefixPurity {
  std::size_t length = 0;
  std::uint64_t prefixes = 0;  // that two documents or more share
  std::uint64_t pairs = 0;
  double similarity = 0.0;  // mean cosine; a vector of zeros has 0 with all
};

// Exact, in time linear in the documents: one row for each length from 0 (all pairs: what random identifiers are expected to have) to the
// longest that is shared; end tokens do not count. None for fewer than two documents. Throws Error(kData): "dsi.document_parts" unless there is
// one vector a document, and what search::check_vectors() throws.
std::vector<PrefixPurity> prefix_purity(const Docids& docids, const search::Vectors& embeddings);

}  // namespace tenfold::dsi
