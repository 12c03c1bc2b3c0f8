// SPDX-License-Identifier: Apache-2.0
// The verbs for bundles of vectors (vector_retriever.h): what index, search, eval and export do when there are no texts.
#pragma once

#include <cstdint>
#include <string>

#include "tenfold/base/file_system.h"
#include "tenfold/io/bundle.h"
#include "tenfold/systems/system.h"

namespace tenfold::repconc {

// corpus: a file of vectors; empty: what the model was trained on.
systems::Outcome index_vectors(const io::BundleReader& model,
                               const std::string& corpus,
                               std::int64_t lists,
                               const Path& target,
                               systems::Context& context);

struct VectorSearch {
  std::string text;       // an error: there is no encoder
  std::string queries;    // file of query vectors
  std::int64_t row = -1;  // of the file, or without one of the index: a document, as its code has it
  std::int64_t k = 10;
};
// Throws Error(kUsage, "search.no_query"), Error(kData, "repconc.vectors") for a text, "index.no_such_row".
systems::Outcome search_vectors(const io::BundleReader& index, const VectorSearch& request);

// recall@1, @10 and @100 of the exact neighbours, for trained codes and for the quantiser before the queries were used. queries: a file of
// vectors; empty: those of the training that were kept for tuning, or without any the first thousand documents.
systems::Outcome eval_vectors(const io::BundleReader& model, const std::string& queries);

// index.faiss, and query_map.safetensors when queries are mapped. Throws Error(kConfig, "export.no_faiss_form") for RaBitQ.
systems::Outcome export_vectors(const io::BundleReader& index, systems::Context& context);

}  // namespace tenfold::repconc
