// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/docids/cluster_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "tenfold/base/random.h"
#include "tenfold/search/kmeans.h"
#include "tenfold/systems/dsi/docids/docid_scheme.h"

namespace tenfold::dsi {
namespace {

constexpr std::uint64_t kClusterStream = 0x74726565;
constexpr std::int64_t kPointsPerCluster = 1024;

struct Open {
  std::vector<std::uint32_t> rows;
  std::size_t depth = 0;
};

using Groups = std::vector<std::vector<std::uint32_t>>;  // [branches]; empty: no child there

Groups divide_evenly(std::span<const std::uint32_t> rows, std::size_t branches) {
  Groups groups(branches);
  for (std::size_t i = 0; i < rows.size(); ++i) groups[i * branches / rows.size()].push_back(rows[i]);
  return groups;
}

std::vector<float> gather(const search::Vectors& vectors, std::span<const std::uint32_t> rows) {
  std::vector<float> values;
  values.reserve(rows.size() * vectors.dimension);
  for (const std::uint32_t row : rows) {
    const auto vector = vectors.row(row);
    values.insert(values.end(), vector.begin(), vector.end());
  }
  return values;
}

// Groups, and `centroids` [branches, dimension]; no groups when all rows fall into one cluster.
Groups divide_by_kmeans(const search::Vectors& vectors,
                        std::span<const std::uint32_t> rows,
                        std::size_t node,
                        const ClusterTreeOptions& options,
                        std::vector<float>& centroids) {
  const std::vector<float> values = gather(vectors, rows);
  const search::Vectors part = search::as_vectors(values, vectors.dimension);
  random::Generator generator(options.seed, kClusterStream, 2 * node);
  const std::size_t clusters = std::min(options.branches, rows.size());
  centroids = search::kmeans(part,
                             clusters,
                             {.iterations = static_cast<std::int64_t>(options.iterations),
                              .points_per_cluster = kPointsPerCluster,
                              .seed = static_cast<std::int64_t>(generator.next_u64() >> 16)})
                  .centroids;
  const std::vector<std::uint32_t> index = search::assign(part, centroids);
  Groups groups(options.branches);
  for (std::size_t i = 0; i < rows.size(); ++i) groups[index[i]].push_back(rows[i]);
  const auto used =
      std::count_if(groups.begin(), groups.end(), [](const auto& group) { return !group.empty(); });
  if (used < 2) return {};
  centroids.resize(options.branches * vectors.dimension, 0.0f);
  return groups;
}

void check_that(bool condition, const char* what, std::uint64_t seen) {
  if (!condition)
    fail_damaged_scheme(std::string("the tree of clusters: ") + what, fmt::format("{}", seen), "a tree");
}

}  // namespace

ClusterTree ClusterTree::build(const search::Vectors& rows,
                               const ClusterTreeOptions& options,
                               std::vector<std::uint32_t>& leaf_of) {
  ClusterTree tree{.branches = options.branches, .dimension = rows.dimension};
  leaf_of.assign(rows.rows, 0);
  std::vector<Open> nodes(1);
  for (std::uint32_t i = 0; i < rows.rows; ++i) nodes[0].rows.push_back(i);
  for (std::size_t node = 0; node < nodes.size(); ++node) {
    const Open open = std::move(nodes[node]);
    tree.children.resize((node + 1) * options.branches, 0);
    if (open.rows.size() <= options.leaf) {
      tree.kinds.push_back(static_cast<std::uint8_t>(Kind::kLeaf));
      for (const std::uint32_t row : open.rows) leaf_of[row] = static_cast<std::uint32_t>(node);
      continue;
    }
    Groups groups;
    std::vector<float> centroids;
    if (open.depth < options.depth) groups = divide_by_kmeans(rows, open.rows, node, options, centroids);
    const bool clusters = !groups.empty();
    tree.kinds.push_back(static_cast<std::uint8_t>(clusters ? Kind::kClusters : Kind::kEven));
    if (clusters) tree.centroids.insert(tree.centroids.end(), centroids.begin(), centroids.end());
    if (!clusters) groups = divide_evenly(open.rows, options.branches);
    for (std::size_t digit = 0; digit < groups.size(); ++digit) {
      if (groups[digit].empty()) continue;
      tree.children[node * options.branches + digit] = static_cast<std::uint32_t>(nodes.size());
      nodes.push_back({std::move(groups[digit]), open.depth + 1});
    }
  }
  return tree;
}

void ClusterTree::check() const {
  check_that(branches >= 2 && !kinds.empty(), "has no node", kinds.size());
  check_that(children.size() == kinds.size() * branches, "another number of children", children.size());
  std::size_t clustered = 0;
  std::uint32_t next = 1;  // level by level, children follow one another
  for (std::uint32_t node = 0; node < size(); ++node) {
    check_that(kinds[node] <= static_cast<std::uint8_t>(Kind::kEven), "a node of no kind", node);
    std::size_t below = 0;
    for (const std::uint32_t child : children_of(node)) {
      if (child == 0) continue;
      check_that(child == next && child > node && child < size(), "a child out of its order", child);
      ++next;
      ++below;
    }
    check_that((below == 0) == (kind(node) == Kind::kLeaf), "a leaf with children, or a node without", node);
    if (kind(node) == Kind::kClusters) ++clustered;
  }
  check_that(next == size(), "nodes that nothing leads to", next);
  check_that(
      centroids.size() == clustered * branches * dimension, "another number of centroids", centroids.size());
  for (const float value : centroids) check_that(std::isfinite(value), "a centroid that is not finite", 0);
}

std::vector<Digits> ClusterTree::paths() const {
  std::vector<Digits> paths(size());
  for (std::uint32_t node = 0; node < size(); ++node)
    for (std::size_t digit = 0; digit < branches; ++digit) {
      const std::uint32_t child = children_of(node)[digit];
      if (child == 0) continue;
      paths[child] = paths[node];
      paths[child].push_back(static_cast<std::uint32_t>(digit));
    }
  return paths;
}

std::uint32_t ClusterTree::leaf_at(std::span<const std::uint32_t> digits, std::size_t& used) const {
  std::uint32_t node = 0;
  for (used = 0; kind(node) != Kind::kLeaf; ++used) {
    if (used == digits.size()) fail_bad_docid("an identifier ends before its leaf");
    const std::uint32_t child = digits[used] < branches ? children_of(node)[digits[used]] : 0;
    if (child == 0)
      fail_bad_docid(fmt::format("there is no cluster {}", digits_text(digits.first(used + 1))));
    node = child;
  }
  return node;
}

std::vector<std::size_t> ClusterTree::first_centroids() const {
  std::vector<std::size_t> firsts(size(), 0);
  std::size_t next = 0;
  for (std::uint32_t node = 0; node < size(); ++node) {
    firsts[node] = next;
    if (kind(node) == Kind::kClusters) next += branches;
  }
  return firsts;
}

ClusterDescent::ClusterDescent(const ClusterTree& tree)
    : tree_(tree),
      first_centroids_(tree.first_centroids()),
      parents_(tree.size(), 0),
      counts_(tree.size(), 0) {
  for (std::uint32_t node = 0; node < tree.size(); ++node)
    for (const std::uint32_t child : tree.children_of(node))
      if (child != 0) parents_[child] = node;
}

void ClusterDescent::count(std::uint32_t leaf) {
  ++counts_[leaf];
  for (std::uint32_t node = leaf; node != 0; node = parents_[node]) ++counts_[parents_[node]];
}

std::uint32_t ClusterDescent::leaf_for(std::span<const float> vector) const {
  std::uint32_t node = 0;
  while (tree_.kind(node) != ClusterTree::Kind::kLeaf) {
    const auto children = tree_.children_of(node);
    const bool by_distance = tree_.kind(node) == ClusterTree::Kind::kClusters;
    std::uint32_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t digit = 0; digit < children.size(); ++digit) {
      if (children[digit] == 0) continue;
      double cost = static_cast<double>(counts_[children[digit]]);
      if (by_distance) {
        const float* centroid = tree_.centroids.data() + (first_centroids_[node] + digit) * tree_.dimension;
        cost = 0;
        for (std::size_t j = 0; j < vector.size(); ++j) {
          const double difference = static_cast<double>(vector[j]) - centroid[j];
          cost += difference * difference;
        }
      }
      if (best != 0 && cost >= least) continue;
      least = cost;
      best = children[digit];
    }
    node = best;
  }
  return node;
}

}  // namespace tenfold::dsi
