// SPDX-License-Identifier: Apache-2.0
// An index that can be searched by itself: codes, texts, and the retriever that made them, in one bundle.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/search/beir.h"
#include "tenfold/search/bm25.h"
#include "tenfold/search/code_index.h"
#include "tenfold/search/drift.h"
#include "tenfold/search/flat_index.h"
#include "tenfold/systems/repconc/retriever.h"

namespace tenfold::repconc {

// How codes are searched.
struct IndexLayout {
  std::int64_t lists = 0;
  bool coarse_graph = false;
  std::int64_t graph = 0;

  void visit_fields(auto&& field) {
    field("lists",
          lists,
          {.help = "inverted lists; 0: none, every search reads all codes", .min = 0, .max = 1e7});
    field(
        "coarse_graph",
        coarse_graph,
        {.help =
             "find the nearest lists by a graph of their centroids; from 8192 lists on that is done anyway"});
    field("graph",
          graph,
          {.help = "neighbours of a document in a graph (HNSW) through which a search walks, 16 for example; "
                   "0: no graph",
           .min = 0,
           .max = 256});
  }
};
// Throws Error(kConfig, "index.layout") for lists and a graph together, a graph of one neighbour, or a coarse graph without lists.
void check_layout(const IndexLayout& layout);
// An empty index; coarse centroids are those of `rows`. Throws as check_layout().
std::unique_ptr<search::CodedIndex> empty_index(const search::ProductQuantizer& quantizer,
                                                const search::Vectors& rows,
                                                const IndexLayout& layout);

// Codes of the documents' vectors under the scoring codewords; with `lists` above 0 in inverted lists.
search::CodeIndex build_codes(const Retriever& retriever,
                              const std::vector<float>& vectors,
                              std::int64_t lists);
std::unique_ptr<search::CodedIndex> build_index(const Retriever& retriever,
                                                const std::vector<float>& vectors,
                                                const IndexLayout& layout);

struct IndexContents {
  const Retriever& retriever;
  const search::BeirCorpus& corpus;
  const search::CodedIndex& codes;
  const search::Bm25Index* words = nullptr;    // null: made of the corpus
  const search::CodeCounts* counts = nullptr;  // codes of the documents it was built of; null: not kept
};
// Writes the bundle at once or not at all.
void write_index(FileSystem& files, const Path& target, const IndexContents& contents);

struct OpenIndex {
  Retriever retriever;
  search::BeirCorpus corpus;  // of all rows, removed ones too
  std::unique_ptr<search::CodedIndex> codes;
  std::optional<search::Bm25Index> words;    // nothing in an index of an older version
  std::optional<search::CodeCounts> counts;  // the same
  std::uint64_t code_file_bytes = 0;         // index.codes and index.safetensors, as they are on the disk
};

// Throws as open_part(), open_retriever(), open_index_members(), and Error(kFile, "repconc.documents") when texts or words do not fit.
OpenIndex open_index(const io::BundleReader& bundle);
OpenIndex open_index(const std::string& path);  // the bundle, or the folder of a run that has one

// Exact search over whole vectors, for comparison: the documents are encoded again.
search::FlatIndex exact_index(const std::vector<float>& vectors, std::size_t dimension);

}  // namespace tenfold::repconc
