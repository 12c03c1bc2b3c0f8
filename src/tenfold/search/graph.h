// SPDX-License-Identifier: Apache-2.0
// A graph of near neighbours in layers (HNSW: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
// hierarchical navigable small world graphs", 2018), over nodes that it knows only by their likeness, so that it serves codes and vectors.
// An index that uses it is search/graph_index.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tenfold/base/aligned_vector.h"
#include "tenfold/config/field.h"
#include "tenfold/search/bitmap.h"
#include "tenfold/search/hit.h"

namespace tenfold::search {

struct GraphOptions {
  std::int64_t neighbors = 16;    // links of a node in the upper layers, half of those in the lowest one
  std::int64_t candidates = 100;  // nodes kept in sight while a new one looks for its neighbours
  std::int64_t seed = 0;

  void visit_fields(auto&& field) {
    field("neighbors",
          neighbors,
          {.help = "links of a node; twice as many in the lowest layer", .min = 2, .max = 256});
    field("candidates",
          candidates,
          {.help = "nodes in sight while a new one looks for its neighbours", .min = 2, .max = 10000});
    field("seed", seed, {.help = "of the layers", .min = 0, .max = 1e15});
  }
};

// Likeness of one query or node to nodes; larger is nearer.
class GraphQuery {
 public:
  virtual ~GraphQuery() = default;
  // scores[i] of nodes[i].
  virtual void scores(std::span<const std::uint32_t> nodes, float* scores) const = 0;
};

// What a graph must know of its nodes while it is built. Thread-safe.
class GraphSpace {
 public:
  virtual ~GraphSpace() = default;
  virtual std::size_t size() const = 0;
  // Floats of vector(): two nodes are as like as the inner product of their vectors, and all vectors have the same length, or else the
  // nearest neighbours of a node would be the longest vectors.
  virtual std::size_t width() const = 0;
  virtual void vector(std::uint32_t node, float* values) const = 0;
  virtual std::unique_ptr<GraphQuery> query(std::uint32_t node) const = 0;
};

// Vectors x of different lengths become vectors [x, sqrt(r^2 - |x|^2)] of the length r of the longest one: nearest by angle, by distance
// and by inner product are then the same, also for a query [q, 0] (Bachrach et al., "Speeding up the Xbox recommender system", 2014).
// The last coordinates from squared lengths:
std::vector<float> lifts(std::span<const float> squares);

// Searching is thread-safe, changing is not. A graph is a pure function of its space, its options and the instruction set: new nodes look
// for their neighbours in groups that do not see one another, on the threads of base/threads.h.
class NeighborGraph {
 public:
  struct Parts {
    std::vector<std::uint8_t> levels;  // highest layer of each node
    std::vector<std::uint32_t> links;  // [size, 2 neighbors] in layer 0, then kNoLink
    std::vector<std::uint32_t>
        upper;  // [sum of levels, neighbors]: layers 1.. of the first node, then of the next
    std::uint32_t entry = 0;
  };
  static constexpr std::uint32_t kNoLink = 0xFFFFFFFF;
  static constexpr std::size_t kMaxLevel = 15;

  // Throws Error(kConfig) for options out of range.
  explicit NeighborGraph(GraphOptions options = {});
  // From a file. Throws Error(kData, "graph.parts"): another number of links than levels ask for, a link to a node that does not exist or is
  // not in that layer, an entry that is not in the highest layer.
  NeighborGraph(GraphOptions options, Parts parts);

  const GraphOptions& options() const { return options_; }
  const Parts& parts() const { return parts_; }
  std::size_t size() const { return parts_.levels.size(); }
  std::size_t bytes() const;

  // Nodes [size(), space.size()) become part of the graph.
  void add(const GraphSpace& space);
  // The nodes' vectors are others now: they get new links; links that others have to them stay.
  void relink(const GraphSpace& space, std::span<const std::uint32_t> nodes);

  // At most `wanted` nodes that pass the filter, best first. The walk goes through nodes that do not pass, too, and keeps the best `wanted`
  // of those that do in sight: the more it keeps, the more of the true best it finds.
  Hits search(const GraphQuery& query, std::size_t wanted, const RowFilter& filter = {}) const;

 private:
  struct Found;
  std::span<std::uint32_t> links(std::uint32_t node, std::size_t layer);
  std::span<const std::uint32_t> links(std::uint32_t node, std::size_t layer) const;
  std::size_t capacity(std::size_t layer) const;
  void make_room(std::size_t size);
  Hits descend(const GraphQuery& query, std::size_t layer) const;
  Hits walk(const GraphQuery& query,
            const Hits& start,
            std::size_t wanted,
            std::size_t layer,
            const RowFilter& filter) const;
  void look_around(const GraphSpace& space, std::uint32_t node, Found& found) const;
  void connect(const GraphSpace& space, std::span<const std::uint32_t> nodes);
  void link_back(const GraphSpace& space,
                 std::uint32_t node,
                 std::size_t layer,
                 std::span<const std::uint32_t> from);

  GraphOptions options_;
  Parts parts_;
  std::vector<std::size_t> upper_at_;  // first row of `upper` of each node
  std::size_t levels_ = 0;             // of the entry
};

}  // namespace tenfold::search
