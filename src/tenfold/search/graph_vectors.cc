// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/graph_vectors.h"

#include <algorithm>

#include "tenfold/kernels/dot.h"

namespace tenfold::search {
namespace {

// With the last coordinates of a graph under construction.
class LiftedQuery final : public GraphQuery {
 public:
  LiftedQuery(const Vectors& nodes, std::span<const float> lifts, std::uint32_t node)
      : query_(nodes, nodes.row(node)), lifts_(lifts), lift_(lifts[node]) {}
  void scores(std::span<const std::uint32_t> nodes, float* scores) const override {
    query_.scores(nodes, scores);
    for (std::size_t i = 0; i < nodes.size(); ++i) scores[i] += lift_ * lifts_[nodes[i]];
  }

 private:
  VectorQuery query_;
  std::span<const float> lifts_;
  float lift_;
};

}  // namespace

void VectorQuery::scores(std::span<const std::uint32_t> nodes, float* scores) const {
  for (std::size_t i = 0; i < nodes.size(); ++i)
    scores[i] = kernels::dot(query_.data(), nodes_.row(nodes[i]).data(), query_.size());
}

VectorSpace::VectorSpace(const Vectors& nodes) : nodes_(nodes) {
  std::vector<float> squares(nodes.rows);
  for (std::size_t i = 0; i < nodes.rows; ++i)
    squares[i] = kernels::dot(nodes.row(i).data(), nodes.row(i).data(), nodes.dimension);
  lifts_ = lifts(squares);
}

void VectorSpace::vector(std::uint32_t node, float* values) const {
  const auto row = nodes_.row(node);
  std::copy(row.begin(), row.end(), values);
  values[nodes_.dimension] = lifts_[node];
}

std::unique_ptr<GraphQuery> VectorSpace::query(std::uint32_t node) const {
  return std::make_unique<LiftedQuery>(nodes_, lifts_, node);
}

}  // namespace tenfold::search
