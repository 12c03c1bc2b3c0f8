// SPDX-License-Identifier: Apache-2.0
// Exact search: every query against every vector, as a product of matrices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tenfold/base/aligned_vector.h"
#include "tenfold/search/vector_index.h"

namespace tenfold::search {

enum class Metric {
  kInnerProduct,  // score = <q, x>
  kEuclidean,     // score = -|q - x|^2
};

class FlatIndex final : public VectorIndex {
 public:
  // Throws Error(kData, "vectors.dimension") for 0.
  explicit FlatIndex(std::size_t dimension, Metric metric = Metric::kInnerProduct);

  std::string_view kind() const override { return "flat"; }
  std::size_t dimension() const override { return dimension_; }
  std::size_t size() const override { return rows_; }
  std::size_t bytes() const override { return panels_.size() * sizeof(float); }
  Metric metric() const { return metric_; }

  void add(const Vectors& rows) override;
  std::vector<float> row(std::size_t number) const;
  // Puts another vector in the place of one. Throws Error(kData): "index.no_such_row", and as check_vectors().
  void update(std::uint32_t number, const Vectors& row);

 private:
  std::vector<Hits> search_checked(const Vectors& queries, const SearchRequest& request) const override;
  std::vector<Hits> range_checked(const Vectors& queries, float least, const Bitmap* allowed) const override;
  void keep_only(std::span<const std::uint32_t> rows) override;
  void put(std::size_t number, std::span<const float> row);
  // Calls take(query, number, score) for the rows of panels [first, last), by query.
  template <typename Take>
  void scores(const Vectors& queries,
              std::size_t first,
              std::size_t last,
              const Bitmap* allowed,
              const Take& take) const;

  std::size_t dimension_;
  Metric metric_;
  std::size_t rows_ = 0;
  AlignedVector<float> panels_;  // [rows / 32, dimension, 32], as kernels/gemm.h reads them
  std::vector<float> squares_;   // |x|^2
};

}  // namespace tenfold::search
