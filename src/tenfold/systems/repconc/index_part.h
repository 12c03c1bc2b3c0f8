// SPDX-License-Identifier: Apache-2.0
// An index that can be searched by itself: codes, texts, and the retriever that made them, in one bundle.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/search/beir.h"
#include "tenfold/search/bm25.h"
#include "tenfold/search/code_index.h"
#include "tenfold/search/flat_index.h"
#include "tenfold/systems/repconc/retriever.h"

namespace tenfold::repconc {

// Codes of the documents' vectors under the scoring codewords; with `lists` above 0 in inverted lists.
search::CodeIndex build_codes(const Retriever& retriever,
                              const std::vector<float>& vectors,
                              std::int64_t lists);

// Writes the bundle at once or not at all.
void write_index(FileSystem& files,
                 const Path& target,
                 const Retriever& retriever,
                 const search::BeirCorpus& corpus,
                 const search::CodeIndex& index);

struct OpenIndex {
  Retriever retriever;
  search::BeirCorpus corpus;
  search::CodeIndex codes;
  std::uint64_t code_file_bytes = 0;  // index.codes and index.safetensors, as they are on the disk
};

// Throws as open_part(), open_retriever(), open_index_members(), and Error(kFile, "repconc.documents") when the texts do not fit.
OpenIndex open_index(const io::BundleReader& bundle);
OpenIndex open_index(const std::string& path);  // the bundle, or the folder of a run that has one

// Exact search over whole vectors, for comparison: the documents are encoded again.
search::FlatIndex exact_index(const std::vector<float>& vectors, std::size_t dimension);

}  // namespace tenfold::repconc
