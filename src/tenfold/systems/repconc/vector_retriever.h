// SPDX-License-Identifier: Apache-2.0
// What training on vectors leaves, and an index of such vectors: quantisers, codes, and the map of queries.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/io/bundle.h"
#include "tenfold/search/coded_index.h"
#include "tenfold/search/quantizer.h"
#include "tenfold/systems/repconc/index_part.h"
#include "tenfold/systems/repconc/vector_encoder.h"
#include "tenfold/systems/retrieval/encoder.h"

namespace tenfold::repconc {

struct VectorRetriever {
  std::shared_ptr<const search::Quantizer> assigning;  // codes of documents
  std::shared_ptr<const search::Quantizer> scoring;    // scores; the same one without a query stage
  std::shared_ptr<VectorEncoderImpl> queries;          // the map of queries; null: none

  std::size_t dimension() const { return scoring->dimension(); }
  std::vector<float> map_queries(search::Vectors rows) const;  // [rows, d]
};

// Members of a bundle. A bundle of vectors has no vocabulary.
void add_vector_members(io::BundleWriter& bundle, const VectorRetriever& retriever);
bool is_vector_bundle(const io::BundleReader& bundle);
// Throws Error(kFile) as the readers and "repconc.weights"; Error(kData) as the quantisers.
VectorRetriever open_vector_retriever(const io::BundleReader& bundle);

// Codes of documents that are searched one after the other: product codes (CodeIndex), or those of RaBitQ.
class VectorCodes {
 public:
  // layout: of product codes; RaBitQ has none. Throws Error(kConfig, "index.lists") for RaBitQ with one, and as check_layout().
  VectorCodes(const VectorRetriever& retriever, search::Vectors documents, const IndexLayout& layout);
  // Codes of RaBitQ, [rows, code_bytes()], or an index of product codes.
  VectorCodes(std::shared_ptr<const search::Quantizer> quantizer, std::vector<std::uint8_t> codes);
  explicit VectorCodes(std::unique_ptr<search::CodedIndex> index);

  std::size_t size() const;
  std::size_t code_bytes() const;
  const search::CodedIndex* product_codes() const { return index_.get(); }
  const std::vector<std::uint8_t>& other_codes() const { return codes_; }

  // Queries are mapped already.
  std::vector<search::Hits> search(search::Vectors queries, const search::SearchRequest& request) const;
  // Vectors get the rows size(), size() + 1, ...
  void add(const VectorRetriever& retriever, search::Vectors documents);
  // Copies mapped codes into memory.
  void own_codes();
  // What the code of a document stands for. Throws Error(kData, "index.no_such_row").
  std::vector<float> decode(std::size_t row) const;

 private:
  search::Hits scan(std::span<const float> query, std::size_t k) const;

  std::unique_ptr<search::CodedIndex> index_;
  std::shared_ptr<const search::Quantizer> quantizer_;  // of codes_
  std::vector<std::uint8_t> codes_;
};

void write_vector_index(FileSystem& files,
                        const Path& target,
                        const VectorRetriever& retriever,
                        const VectorCodes& codes);

struct OpenVectorIndex {
  VectorRetriever retriever;
  VectorCodes codes;
  std::uint64_t code_file_bytes = 0;  // index.safetensors and index.codes, as they are on the disk
};
// Throws as open_vector_retriever() and search::open_index_members(), and "repconc.weights" when codes and quantiser do not fit.
OpenVectorIndex open_vector_index(const io::BundleReader& bundle);

}  // namespace tenfold::repconc
