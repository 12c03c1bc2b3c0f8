// SPDX-License-Identifier: Apache-2.0
// An open index that answers texts by several methods: by its codes, by whole vectors, by words, by both, and by codes of other sizes
// for comparison. What `search`, a served model and the page of the studio share.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/search/bm25.h"
#include "tenfold/search/flat_index.h"
#include "tenfold/systems/repconc/index_part.h"

namespace tenfold::repconc {

enum class SearchMethod { kCodes, kExact, kBm25, kHybrid };
const std::vector<std::string>& search_method_names();  // "codes", "exact", "bm25", "hybrid"
// Throws Error(kConfig, "repconc.unknown_method") with the nearest name.
SearchMethod parse_search_method(const std::string& name);

struct SearchAnswer {
  std::string method;             // "codes", "opq" (another size than the index's), "exact", ...
  double bytes_per_document = 0;  // that a search may read
  double microseconds = 0;        // of the search, without encoding the query: the least of five
  search::Hits hits;
};

// Thread-safe. What a method needs beside codes and words is made when it is first asked for: whole vectors are encoded again, other
// sizes train an OPQ on them.
class Searcher {
 public:
  // `depth`: probes and candidates of a search by the index's own codes.
  explicit Searcher(OpenIndex open, search::SearchRequest depth = {});

  const OpenIndex& index() const { return open_; }
  // Bytes a document that `bytes` of answer() may ask for, ascending: that of the index, and those for which an OPQ can be trained.
  std::vector<std::int64_t> sizes() const;

  // At most k documents. bytes: of the codes; 0: the index's own. Throws what Retriever::encode_query() throws for methods that use
  // vectors; Error(kConfig, "repconc.bytes") for a size that is not in sizes().
  SearchAnswer answer(SearchMethod method,
                      const std::string& text,
                      std::size_t k,
                      std::int64_t bytes = 0) const;
  // The hits alone.
  search::Hits hits(SearchMethod method,
                    const std::string& text,
                    std::size_t k,
                    std::int64_t bytes = 0) const;

  // Of all ids and texts: two indexes with equal ones search the same documents.
  std::string documents_fingerprint() const;

 private:
  // Everything a method needs, ready: run() does only the search.
  struct Plan {
    SearchMethod method;
    const std::string& text;
    std::size_t k;
    std::vector<float> query;  // encoded; empty for words
    const search::CodedIndex* codes = nullptr;
    const search::FlatIndex* whole = nullptr;
    const search::Bm25Index* words = nullptr;
  };
  Plan plan(SearchMethod method, const std::string& text, std::size_t k, std::int64_t bytes) const;
  search::Hits run(const Plan& plan) const;

  const search::FlatIndex& whole() const;
  const search::Bm25Index& words() const;
  const search::CodedIndex& codes(std::int64_t bytes) const;
  void make_vectors() const;

  OpenIndex open_;
  search::SearchRequest depth_;
  std::vector<std::uint32_t> removed_;       // rows
  std::optional<search::Bitmap> remaining_;  // when there are any removed ones
  mutable std::mutex mutex_;
  mutable std::vector<float> vectors_;
  mutable std::unique_ptr<search::FlatIndex> whole_;
  mutable std::unique_ptr<search::Bm25Index> words_;
  mutable std::map<std::int64_t, search::CodeIndex> other_;
};

}  // namespace tenfold::repconc
