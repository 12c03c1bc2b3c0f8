// SPDX-License-Identifier: Apache-2.0
// Hierarchical k-means (Tay et al., arXiv 2202.06991, algorithm 1): a node with more than c documents is divided into at most k clusters.
// Vectors that k-means cannot tell apart, and nodes below the depth limit, are divided evenly in the order of the documents, so it always ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tenfold/search/vectors.h"
#include "tenfold/systems/dsi/docids/digit_code.h"

namespace tenfold::dsi {

struct ClusterTreeOptions {
  std::size_t branches = 10;  // k, at least 2
  std::size_t leaf = 100;     // c, at least 1
  std::size_t depth = 8;      // levels of k-means
  std::size_t iterations = 25;
  std::uint64_t seed = 0;
};

// Nodes level by level; node 0 is the root. Immutable after build() or check().
struct ClusterTree {
  enum class Kind : std::uint8_t { kLeaf, kClusters, kEven };

  std::size_t branches = 0;
  std::size_t dimension = 0;
  std::vector<std::uint8_t> kinds;      // [nodes]; of Kind
  std::vector<std::uint32_t> children;  // [nodes, branches]; 0: none there
  std::vector<float> centroids;         // [nodes of kClusters in their order, branches, dimension]

  // leaf_of: [rows], the leaf of each. Throws what search::kmeans() throws.
  static ClusterTree build(const search::Vectors& rows,
                           const ClusterTreeOptions& options,
                           std::vector<std::uint32_t>& leaf_of);

  std::size_t size() const { return kinds.size(); }
  Kind kind(std::uint32_t node) const { return static_cast<Kind>(kinds[node]); }
  std::span<const std::uint32_t> children_of(std::uint32_t node) const {
    return std::span(children).subspan(node * branches, branches);
  }

  // Throws Error(kFile, "dsi.damaged_docid_scheme") unless everything fits together.
  void check() const;
  // The digits from the root to each node: [nodes].
  std::vector<Digits> paths() const;
  // The leaf that digits lead to; `used` digits on the way. Throws Error(kData, "dsi.bad_docid").
  std::uint32_t leaf_at(std::span<const std::uint32_t> digits, std::size_t& used) const;
  // First centroid of each node in `centroids`, in rows of `dimension`; of no meaning for other nodes.
  std::vector<std::size_t> first_centroids() const;
};

// Leads new vectors down: to the nearest centroid, and where documents were divided evenly to the child with the fewest.
class ClusterDescent {
 public:
  explicit ClusterDescent(const ClusterTree& tree);
  void count(std::uint32_t leaf);  // a document stands there
  std::uint32_t leaf_for(std::span<const float> vector) const;

 private:
  const ClusterTree& tree_;
  std::vector<std::size_t> first_centroids_;
  std::vector<std::uint32_t> parents_;  // [nodes]
  std::vector<std::uint64_t> counts_;   // [nodes]; documents below
};

}  // namespace tenfold::dsi
