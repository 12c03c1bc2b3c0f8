// SPDX-License-Identifier: Apache-2.0
// An index bundle in a program of one's own, without LibTorch: opens what `tenfold repconc index` wrote and answers texts. The query's
// encoder is the bag of words (bag_encoder.h) in plain loops; transformers need LibTorch, so for them give the query as a vector.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/search/vectors.h"

namespace tenfold::repconc {

// A document that was found. Views into the index, valid as long as it lives.
struct FoundDocument {
  std::string_view id, text;
  float score = 0.0f;
};

// Thread-safe. Codes stay in the pages of the file.
class TextIndex {
 public:
  // Throws Error(kFile): what io::BundleReader and search::open_index_members() throw, "retrieval.vocabulary", "repconc.documents",
  // "repconc.weights".
  static TextIndex open(const Path& bundle);
  TextIndex(TextIndex&&) noexcept;
  TextIndex& operator=(TextIndex&&) noexcept;
  ~TextIndex();

  std::size_t size() const;        // documents
  std::size_t dimension() const;   // of vectors
  std::size_t code_bytes() const;  // of a document
  bool encodes_texts() const;      // false: the encoder is no bag of words

  // The vector of a query, [dimension()], length 1. Throws Error(kData): "retrieval.empty_query", "retrieval.unknown_words",
  // "repconc.needs_libtorch" when encodes_texts() is false.
  std::vector<float> encode(std::string_view text) const;

  // At most k documents, best first. Throws as encode() and search::VectorIndex::search().
  std::vector<FoundDocument> search(std::string_view text, std::size_t k) const;
  std::vector<FoundDocument> search(const std::vector<float>& query, std::size_t k) const;

 private:
  struct State;
  explicit TextIndex(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace tenfold::repconc
