// SPDX-License-Identifier: Apache-2.0
// Search over the codes of a product quantiser by a walk through a graph of near neighbours (search/graph.h) in place of a scan: a query
// costs a few thousand codes however many there are, and finds most of the best rows, not all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "tenfold/search/coded_index.h"
#include "tenfold/search/graph.h"
#include "tenfold/search/product_quantizer.h"

namespace tenfold::search {

// Scores are those of a CodeIndex with the same quantiser. Removed rows and rows that a filter excludes are still walked through; when so
// few rows are left that to score all of them is less work, that is done, and the result is exact. Range search scores every row.
class GraphIndex final : public CodedIndex {
 public:
  explicit GraphIndex(ProductQuantizer quantizer, GraphOptions options = {});

  // What a file holds. Codes stay where they are, `keep` holds the memory; the first change makes a copy. Throws Error(kData):
  // "index.lists" (another number of codes, nodes or bits of the bitmap), "graph.parts".
  struct Parts {
    std::span<const std::uint8_t> codes;  // [rows, code_bytes()], as the quantiser packs them
    std::shared_ptr<const void> keep;
    NeighborGraph graph;
    Bitmap removed;
  };
  GraphIndex(ProductQuantizer quantizer, Parts parts);

  std::string_view kind() const override { return "hnsw"; }
  std::size_t dimension() const override { return quantizer_.dimension(); }
  std::size_t size() const override { return rows_; }
  std::size_t bytes() const override;
  const ProductQuantizer& quantizer() const override { return quantizer_; }
  const NeighborGraph& graph() const { return graph_; }
  std::span<const std::uint8_t> codes() const {
    return mapped_.empty() ? std::span<const std::uint8_t>(owned_) : mapped_;
  }
  // Rows in sight when a request does not say; never fewer than the hits asked for.
  static constexpr std::size_t kDefaultCandidates = 64;

  // New rows find their neighbours by their own distance to the codes of the others.
  void add(const Vectors& rows) override;
  // Rows that are coded already find them by what their codes stand for.
  void add_codes(std::span<const std::uint8_t> codes) override;
  void own_codes() override;
  std::vector<std::uint8_t> packed_codes() const override { return {codes().begin(), codes().end()}; }
  // Other vectors for rows of the index. Throws Error(kData): "index.no_such_row", and as check_vectors().
  void update(std::span<const std::uint32_t> numbers, const Vectors& rows);

 private:
  std::vector<Hits> search_checked(const Vectors& queries, const SearchRequest& request) const override;
  std::vector<Hits> range_checked(const Vectors& queries, float least, const Bitmap* allowed) const override;
  void keep_only(std::span<const std::uint32_t> rows) override;

  ProductQuantizer quantizer_;
  NeighborGraph graph_;
  std::size_t rows_ = 0;
  std::vector<std::uint8_t> owned_;
  std::span<const std::uint8_t> mapped_;  // empty: the codes are in owned_
  std::shared_ptr<const void> keep_;
};

}  // namespace tenfold::search
