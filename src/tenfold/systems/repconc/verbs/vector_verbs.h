// SPDX-License-Identifier: Apache-2.0
// The verbs for bundles of vectors (vector_retriever.h): what index, search, eval and export do when there are no texts.
#pragma once

#include <cstdint>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/base/file_system.h"
#include "tenfold/io/bundle.h"
#include "tenfold/search/vector_index.h"
#include "tenfold/systems/repconc/index_part.h"
#include "tenfold/systems/system.h"

namespace tenfold::repconc {

struct VectorIndexing {
  std::string corpus;  // a file of vectors; empty: what the model was trained on
  IndexLayout layout;
};
systems::Outcome index_vectors(const io::BundleReader& model,
                               const VectorIndexing& how,
                               const Path& target,
                               systems::Context& context);

struct VectorChange {
  std::string add;      // file of vectors, which get the next rows
  bool others = false;  // an error: rows are the names of vectors, so none can be taken out
};
// Throws Error(kConfig, "index.only_adds"), and as read_vector_file().
systems::Outcome add_vectors(const io::BundleReader& index,
                             const VectorChange& change,
                             const Path& target,
                             systems::Context& context);

struct VectorSearch {
  std::string text;       // an error: there is no encoder
  std::string queries;    // file of query vectors
  std::int64_t row = -1;  // of the file, or without one of the index: a document, as its code has it
  search::SearchRequest request;
};
// Throws Error(kUsage, "search.no_query"), Error(kData, "repconc.vectors") for a text, "index.no_such_row".
systems::Outcome search_vectors(const io::BundleReader& index, const VectorSearch& request);

// recall@1, @10 and @100 of the exact neighbours, for trained codes and for the quantiser before the queries were used. queries: a file of
// vectors; empty: those of the training that were kept for tuning, or without any the first thousand documents.
systems::Outcome eval_vectors(const io::BundleReader& model, const std::string& queries);

Error no_faiss_form(std::string seen, std::string wanted);
// index.faiss, and query_map.safetensors when queries are mapped. Throws Error(kConfig, "export.no_faiss_form") for RaBitQ and graphs.
systems::Outcome export_vectors(const io::BundleReader& index, systems::Context& context);

}  // namespace tenfold::repconc
