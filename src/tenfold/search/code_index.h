// SPDX-License-Identifier: Apache-2.0
// Search over the codes of a product quantiser, by inner product of the query with what a code stands for: all codes ("pq", 8 bits; "fast
// scan", 4 bits), or those in the lists of the coarse centroids nearest to the query ("ivf"). Codes are of the vectors themselves, not of
// residuals, so that a quantiser trained for ranking stays as it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tenfold/kernels/nearest.h"
#include "tenfold/search/code_store.h"
#include "tenfold/search/coded_index.h"
#include "tenfold/search/graph.h"
#include "tenfold/search/product_quantizer.h"

namespace tenfold::search {

class CodeIndex final : public CodedIndex {
 public:
  // Without lists.
  explicit CodeIndex(ProductQuantizer quantizer);
  // With lists: coarse is [lists, dimension], in the space after the quantiser's rotation. From 8192 lists on a graph finds those nearest
  // to a query (link_coarse()). Throws Error(kData): "index.coarse" (no whole
  // number of centroids, or none), "index.too_many_codes" (more than 257 a document).
  CodeIndex(ProductQuantizer quantizer, std::vector<float> coarse);

  // What a file holds; one store and no numbers without lists. Throws Error(kData): "index.coarse", "index.lists" (stores, numbers, coarse
  // centroids and their graph do not fit together, or a number stands twice).
  struct Parts {
    std::vector<CodeStore> stores;                    // one a list
    std::vector<std::vector<std::uint32_t>> numbers;  // of each store's rows
    std::vector<float> coarse;
    std::size_t size = 0;
    Bitmap removed;
    std::optional<NeighborGraph> coarse_graph;
  };
  CodeIndex(ProductQuantizer quantizer, Parts parts);

  std::string_view kind() const override;  // "pq", "fast scan", "ivf"
  std::size_t dimension() const override { return quantizer_.dimension(); }
  std::size_t size() const override { return parts_.size; }
  std::size_t bytes() const override;
  const ProductQuantizer& quantizer() const override { return quantizer_; }
  const Parts& parts() const { return parts_; }
  std::size_t lists() const { return parts_.stores.size(); }
  bool has_lists() const { return !parts_.coarse.empty(); }
  // Lists to look into when a request does not say: a tenth of them, at least 1.
  std::size_t default_probes() const { return lists() / 10 + 1; }

  // Makes the graph of the coarse centroids. A search uses it when that is less work than a product with all of them, and then looks into
  // almost the nearest lists. Adding rows always finds the nearest.
  void link_coarse(const GraphOptions& options = {});

  void add(const Vectors& rows) override;
  // Their lists are chosen by what the codes stand for.
  void add_codes(std::span<const std::uint8_t> codes) override;
  // Other vectors for rows of the index, which move to their new list. Throws Error(kData): "index.no_such_row", and as check_vectors().
  void update(std::span<const std::uint32_t> numbers, const Vectors& rows);
  void own_codes() override;
  // Packed codes of all rows in the order of their numbers: [size, code_bytes()]. Removed rows keep theirs.
  std::vector<std::uint8_t> codes() const;
  std::vector<std::uint8_t> packed_codes() const override { return codes(); }

 private:
  std::vector<Hits> search_checked(const Vectors& queries, const SearchRequest& request) const override;
  std::vector<Hits> range_checked(const Vectors& queries, float least, const Bitmap* allowed) const override;
  void keep_only(std::span<const std::uint32_t> rows) override;
  std::vector<Hits> search_all(const Vectors& queries, const SearchRequest& request) const;
  std::vector<Hits> search_lists(const Vectors& queries, const SearchRequest& request) const;
  void search_lists_of(const Vectors& queries, const SearchRequest& request, std::span<Hits> results) const;
  std::vector<std::vector<std::uint32_t>> nearest_lists(const Vectors& rotated, std::size_t probes) const;
  void add_bytes(std::span<const std::uint8_t> bytes, const Vectors& rotated);
  ScanFilter filter(std::size_t list, const Bitmap* allowed) const;

  ProductQuantizer quantizer_;
  Parts parts_;
  std::unique_ptr<kernels::NearestTable> coarse_;
};

// Coarse centroids for a CodeIndex with lists: k-means of the rotated rows.
std::vector<float> train_coarse(const ProductQuantizer& quantizer,
                                const Vectors& rows,
                                std::size_t lists,
                                std::uint64_t seed);

}  // namespace tenfold::search
