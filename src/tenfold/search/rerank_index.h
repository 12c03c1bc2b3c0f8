// SPDX-License-Identifier: Apache-2.0
// Search in two stages: codes find candidates, signed bytes of the whole vectors put them in order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "tenfold/search/code_index.h"
#include "tenfold/search/vector_index.h"

namespace tenfold::search {

// Vectors as signed bytes with one scale a row, x ~ scale b: a quarter of the floats. A query is the sum of two such rows, so that only the
// rounding of the stored rows is left in a score.
class Int8Rows {
 public:
  explicit Int8Rows(std::size_t dimension) : dimension_(dimension) {}
  Int8Rows(std::size_t dimension, std::vector<std::int8_t> values, std::vector<float> scales);

  std::size_t rows() const { return scales_.size(); }
  std::size_t bytes() const { return values_.size() + scales_.size() * sizeof(float); }
  void append(const Vectors& rows);
  void set(std::size_t row, std::span<const float> values);
  // Forgets all rows but these, whose numbers ascend.
  void keep_only(std::span<const std::uint32_t> rows);
  const std::vector<std::int8_t>& values() const { return values_; }  // [rows, dimension]
  const std::vector<float>& scales() const { return scales_; }

  struct Query {
    std::vector<std::int8_t> coarse, fine;
    float coarse_scale = 0, fine_scale = 0;
  };
  static Query quantise(std::span<const float> query);
  float score(const Query& query, std::size_t row) const;

 private:
  std::size_t dimension_;
  std::vector<std::int8_t> values_;
  std::vector<float> scales_;
};

class RerankIndex final : public VectorIndex {
 public:
  // `factor`: candidates a wanted hit. `first` must be empty. Throws Error(kData, "index.lists") when it is not, Error(kConfig,
  // "index.rerank_factor") for a factor of 0.
  explicit RerankIndex(CodeIndex first, std::size_t factor = 10);
  // From a file. Throws Error(kData, "index.lists") when the stages differ in their rows.
  RerankIndex(CodeIndex first, Int8Rows second, std::size_t factor);

  std::string_view kind() const override { return "rerank"; }
  std::size_t dimension() const override { return first_.dimension(); }
  std::size_t size() const override { return first_.size(); }
  std::size_t bytes() const override { return first_.bytes() + second_.bytes(); }
  const CodeIndex& first() const { return first_; }
  const Int8Rows& second() const { return second_; }
  std::size_t factor() const { return factor_; }

  void add(const Vectors& rows) override;
  void update(std::span<const std::uint32_t> numbers, const Vectors& rows);

 private:
  std::vector<Hits> search_checked(const Vectors& queries, const SearchRequest& request) const override;
  // By the second stage alone: every row.
  std::vector<Hits> range_checked(const Vectors& queries, float least, const Bitmap* allowed) const override;
  void keep_only(std::span<const std::uint32_t> rows) override;
  Bitmap remaining(const Bitmap* allowed) const;

  CodeIndex first_;
  Int8Rows second_;
  std::size_t factor_;
};

}  // namespace tenfold::search
