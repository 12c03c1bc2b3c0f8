// SPDX-License-Identifier: Apache-2.0
// Vectors as nodes of a graph (search/graph.h), such as the coarse centroids of an index with very many lists.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tenfold/search/graph.h"
#include "tenfold/search/vectors.h"

namespace tenfold::search {

// Inner products of a query with vectors. Both must outlive the object.
class VectorQuery final : public GraphQuery {
 public:
  VectorQuery(const Vectors& nodes, std::span<const float> query) : nodes_(nodes), query_(query) {}
  void scores(std::span<const std::uint32_t> nodes, float* scores) const override;

 private:
  Vectors nodes_;
  std::span<const float> query_;
};

class VectorSpace final : public GraphSpace {
 public:
  // The vectors must outlive the object.
  explicit VectorSpace(const Vectors& nodes);

  std::size_t size() const override { return nodes_.rows; }
  std::size_t width() const override { return nodes_.dimension + 1; }
  void vector(std::uint32_t node, float* values) const override;
  std::unique_ptr<GraphQuery> query(std::uint32_t node) const override;

 private:
  Vectors nodes_;
  std::vector<float> lifts_;
};

}  // namespace tenfold::search
