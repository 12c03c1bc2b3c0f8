// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/threads.h"
#include "tenfold/kernels/dot.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kLongestGroup = 512;  // new nodes that look for neighbours at the same time
constexpr std::size_t kShareOfGroup = 16;   // of the graph that they see, at most one part in so many
constexpr std::uint64_t kLevelStream = 0x6772617068;

// Which nodes a walk has seen, without clearing memory for every walk.
class Visited {
 public:
  static Visited& of_this_thread(std::size_t size) {
    thread_local Visited visited;
    if (visited.stamps_.size() < size) visited.stamps_.resize(size, 0);
    if (++visited.now_ == 0) {
      std::fill(visited.stamps_.begin(), visited.stamps_.end(), 0u);
      visited.now_ = 1;
    }
    return visited;
  }
  // True the first time.
  bool enter(std::uint32_t node) { return std::exchange(stamps_[node], now_) != now_; }

 private:
  std::vector<std::uint32_t> stamps_;
  std::uint32_t now_ = 0;
};

bool worse(const Hit& a, const Hit& b) {
  return better(b, a);
}

[[noreturn]] void fail_parts(std::string what, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kData,
              "graph.parts",
              {.what = std::move(what),
               .seen = std::move(seen),
               .wanted = std::move(wanted),
               .remedy = "the index is damaged: build it again"});
}

// P(level >= l) = M^-l.
std::uint8_t level_of(std::uint32_t node, const GraphOptions& options) {
  random::Generator generator(
      static_cast<std::uint64_t>(options.seed), kLevelStream, std::uint64_t{4} * node);
  const double uniform = 1.0 - generator.uniform();
  const double level = std::floor(-std::log(uniform) / std::log(static_cast<double>(options.neighbors)));
  return static_cast<std::uint8_t>(std::min(level, static_cast<double>(NeighborGraph::kMaxLevel)));
}

// Vectors of some nodes, side by side.
class Gathered {
 public:
  explicit Gathered(const GraphSpace& space)
      : space_(space), width_(space.width()), stride_((width_ + 15) / 16 * 16) {}
  void push(std::uint32_t node) {
    values_.resize(values_.size() + stride_);
    space_.vector(node, &values_[values_.size() - stride_]);
  }
  void pop() { values_.resize(values_.size() - stride_); }
  std::size_t size() const { return values_.size() / stride_; }
  float likeness(std::size_t i, std::size_t j) const {
    return kernels::dot(&values_[i * stride_], &values_[j * stride_], width_);
  }

 private:
  const GraphSpace& space_;
  std::size_t width_, stride_;
  AlignedVector<float> values_;
};

// At most `most` of the candidates, best first, each nearer to the node than to those chosen before it: links in all directions, not only
// into the nearest heap (Malkov and Yashunin, algorithm 4).
std::vector<std::uint32_t> choose(const GraphSpace& space,
                                  std::span<const Hit> candidates,
                                  std::size_t most) {
  std::vector<std::uint32_t> chosen;
  Gathered vectors(space);
  for (const Hit& hit : candidates) {
    if (chosen.size() == most) break;
    vectors.push(hit.row);
    const std::size_t last = vectors.size() - 1;
    bool apart = true;
    for (std::size_t i = 0; i < last && apart; ++i) apart = vectors.likeness(i, last) < hit.score;
    if (apart) {
      chosen.push_back(hit.row);
    } else {
      vectors.pop();
    }
  }
  return chosen;
}

void put(std::span<std::uint32_t> links, std::span<const std::uint32_t> nodes) {
  std::copy(nodes.begin(), nodes.end(), links.begin());
  std::fill(links.begin() + static_cast<std::ptrdiff_t>(nodes.size()), links.end(), NeighborGraph::kNoLink);
}

std::size_t count_of(std::span<const std::uint32_t> links) {
  return static_cast<std::size_t>(std::find(links.begin(), links.end(), NeighborGraph::kNoLink) -
                                  links.begin());
}

}  // namespace

std::vector<float> lifts(std::span<const float> squares) {
  std::vector<float> result(squares.size());
  const float longest = squares.empty() ? 0.0f : *std::max_element(squares.begin(), squares.end());
  for (std::size_t i = 0; i < squares.size(); ++i) result[i] = std::sqrt(longest - squares[i]);
  return result;
}

struct NeighborGraph::Found {
  std::vector<std::vector<std::uint32_t>> links;  // by layer
};

NeighborGraph::NeighborGraph(GraphOptions options) : options_(options) {
  config::check_all(config::Fields(options_));
}

NeighborGraph::NeighborGraph(GraphOptions options, Parts parts) : NeighborGraph(options) {
  const std::size_t size = parts.levels.size();
  std::size_t upper = 0;
  for (const std::uint8_t level : parts.levels) {
    if (level > kMaxLevel)
      fail_parts("a node lies too high", std::to_string(level), fmt::format("at most {}", kMaxLevel));
    upper += level;
  }
  if (parts.links.size() != size * capacity(0) || parts.upper.size() != upper * capacity(1)) {
    fail_parts("the graph has another number of links than its layers ask for",
               fmt::format("{} and {}", parts.links.size(), parts.upper.size()),
               fmt::format("{} and {}", size * capacity(0), upper * capacity(1)));
  }
  parts_ = std::move(parts);
  make_room(size);
  for (std::uint32_t node = 0; node < size; ++node) {
    for (std::size_t layer = 0; layer <= parts_.levels[node]; ++layer) {
      for (const std::uint32_t link : links(node, layer)) {
        if (link != kNoLink && (link >= size || parts_.levels[link] < layer)) {
          fail_parts("a link leads out of its layer",
                     fmt::format("{} to {} in layer {}", node, link, layer),
                     fmt::format("one of {} nodes that reaches up to there", size));
        }
      }
    }
  }
  if (size == 0) return;
  const std::uint8_t highest = *std::max_element(parts_.levels.begin(), parts_.levels.end());
  if (parts_.entry >= size || parts_.levels[parts_.entry] != highest)
    fail_parts("the entry is not in the highest layer",
               std::to_string(parts_.entry),
               fmt::format("a node of layer {}", highest));
  levels_ = highest;
}

std::size_t NeighborGraph::capacity(std::size_t layer) const {
  return static_cast<std::size_t>(options_.neighbors) * (layer == 0 ? 2 : 1);
}

std::size_t NeighborGraph::bytes() const {
  return parts_.levels.size() + (parts_.links.size() + parts_.upper.size()) * sizeof(std::uint32_t) +
         upper_at_.size() * sizeof(std::size_t);
}

std::span<std::uint32_t> NeighborGraph::links(std::uint32_t node, std::size_t layer) {
  const std::size_t room = capacity(layer);
  return layer == 0 ? std::span(parts_.links).subspan(node * room, room)
                    : std::span(parts_.upper).subspan((upper_at_[node] + layer - 1) * room, room);
}

std::span<const std::uint32_t> NeighborGraph::links(std::uint32_t node, std::size_t layer) const {
  return const_cast<NeighborGraph*>(this)->links(node, layer);
}

// Levels and empty links of all nodes below `size`; those that are there already stay.
void NeighborGraph::make_room(std::size_t size) {
  for (std::size_t node = parts_.levels.size(); node < size; ++node)
    parts_.levels.push_back(level_of(static_cast<std::uint32_t>(node), options_));
  std::size_t upper = 0;
  upper_at_.resize(size);
  for (std::size_t node = 0; node < size; ++node) {
    upper_at_[node] = upper;
    upper += parts_.levels[node];
  }
  parts_.links.resize(size * capacity(0), kNoLink);
  parts_.upper.resize(upper * capacity(1), kNoLink);
}

Hits NeighborGraph::walk(const GraphQuery& query,
                         const Hits& start,
                         std::size_t wanted,
                         std::size_t layer,
                         const RowFilter& filter) const {
  Visited& visited = Visited::of_this_thread(size());
  Hits open, best;  // heaps: the best node to go on from, the worst one found
  std::vector<std::uint32_t> fresh(capacity(layer));
  std::vector<float> scores(fresh.size());
  const auto meet = [&](Hit hit) {
    if (std::isnan(hit.score) || (best.size() == wanted && !better(hit, best.front()))) return;
    open.push_back(hit);
    std::push_heap(open.begin(), open.end(), worse);
    if (!filter.accepts(hit.row)) return;
    best.push_back(hit);
    std::push_heap(best.begin(), best.end(), better);
    if (best.size() <= wanted) return;
    std::pop_heap(best.begin(), best.end(), better);
    best.pop_back();
  };
  for (const Hit& hit : start) {
    if (visited.enter(hit.row)) meet(hit);
  }
  while (!open.empty()) {
    std::pop_heap(open.begin(), open.end(), worse);
    const Hit from = open.back();
    open.pop_back();
    if (best.size() == wanted && better(best.front(), from)) break;
    std::size_t count = 0;
    for (const std::uint32_t node : links(from.row, layer)) {
      if (node == kNoLink) break;
      if (visited.enter(node)) fresh[count++] = node;
    }
    query.scores(std::span(fresh).first(count), scores.data());
    for (std::size_t i = 0; i < count; ++i) meet({fresh[i], scores[i]});
  }
  std::sort(best.begin(), best.end(), better);
  return best;
}

// The nearest node of layer `layer` that a walk downhill from the entry meets.
Hits NeighborGraph::descend(const GraphQuery& query, std::size_t layer) const {
  float score = 0;
  query.scores({&parts_.entry, 1}, &score);
  Hits nearest{{parts_.entry, score}};
  for (std::size_t above = levels_; above > layer; --above) nearest = walk(query, nearest, 1, above, {});
  return nearest;
}

Hits NeighborGraph::search(const GraphQuery& query, std::size_t wanted, const RowFilter& filter) const {
  if (size() == 0 || wanted == 0) return {};
  return walk(query, descend(query, 0), wanted, 0, filter);
}

void NeighborGraph::look_around(const GraphSpace& space, std::uint32_t node, Found& found) const {
  const auto query = space.query(node);
  const std::size_t level = parts_.levels[node], highest = std::min(level, levels_);
  found.links.resize(level + 1);
  Hits near = descend(*query, highest);
  for (std::size_t layer = highest + 1; layer-- > 0;) {
    near = walk(*query, near, static_cast<std::size_t>(options_.candidates), layer, {});
    Hits others = near;  // a node that is linked already meets itself
    std::erase_if(others, [&](const Hit& hit) { return hit.row == node; });
    found.links[layer] = choose(space, others, static_cast<std::size_t>(options_.neighbors));
  }
}

// `node` is met from others now: they become its neighbours too, the most useful ones when there is no room for all.
void NeighborGraph::link_back(const GraphSpace& space,
                              std::uint32_t node,
                              std::size_t layer,
                              std::span<const std::uint32_t> from) {
  const std::span<std::uint32_t> mine = links(node, layer);
  std::vector<std::uint32_t> all(mine.begin(), mine.begin() + static_cast<std::ptrdiff_t>(count_of(mine)));
  for (const std::uint32_t other : from) {
    if (std::find(all.begin(), all.end(), other) == all.end()) all.push_back(other);
  }
  if (all.size() > mine.size()) {
    Gathered vectors(space);
    vectors.push(node);
    Hits hits;
    for (const std::uint32_t other : all) {
      vectors.push(other);
      hits.push_back({other, vectors.likeness(0, 1)});
      vectors.pop();
    }
    std::sort(hits.begin(), hits.end(), better);
    all = choose(space, hits, mine.size());
  }
  put(mine, all);
}

// Nodes that do not see one another: all look around in the graph as it is, then links are set in an order of their own.
void NeighborGraph::connect(const GraphSpace& space, std::span<const std::uint32_t> nodes) {
  std::vector<Found> found(nodes.size());
  parallel_for(nodes.size(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) look_around(space, nodes[i], found[i]);
  });
  using Edge = std::tuple<std::size_t, std::uint32_t, std::uint32_t>;  // layer, to, from
  std::vector<Edge> edges;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (std::size_t layer = 0; layer < found[i].links.size(); ++layer) {
      put(links(nodes[i], layer), found[i].links[layer]);
      for (const std::uint32_t to : found[i].links[layer]) edges.emplace_back(layer, to, nodes[i]);
    }
  }
  std::sort(edges.begin(), edges.end());
  std::vector<std::size_t> firsts;
  for (std::size_t e = 0; e < edges.size(); ++e) {
    const bool same = e > 0 && std::get<0>(edges[e]) == std::get<0>(edges[e - 1]) &&
                      std::get<1>(edges[e]) == std::get<1>(edges[e - 1]);
    if (!same) firsts.push_back(e);
  }
  parallel_for(firsts.size(), 16, [&](std::size_t begin, std::size_t end) {
    std::vector<std::uint32_t> from;
    for (std::size_t i = begin; i < end; ++i) {
      from.clear();
      const std::size_t last = i + 1 < firsts.size() ? firsts[i + 1] : edges.size();
      for (std::size_t e = firsts[i]; e < last; ++e) from.push_back(std::get<2>(edges[e]));
      link_back(space, std::get<1>(edges[firsts[i]]), std::get<0>(edges[firsts[i]]), from);
    }
  });
}

void NeighborGraph::add(const GraphSpace& space) {
  std::size_t done = size();
  make_room(space.size());
  if (done == 0 && size() > 0) {
    parts_.entry = 0;
    levels_ = parts_.levels[0];
    done = 1;
  }
  while (done < size()) {
    // A node above all others goes alone, because the others must be able to come down from it.
    const std::size_t most = std::min({size() - done, kLongestGroup, done / kShareOfGroup + 1});
    std::vector<std::uint32_t> group;
    while (group.size() < most && parts_.levels[done + group.size()] <= levels_)
      group.push_back(static_cast<std::uint32_t>(done + group.size()));
    const bool above = group.empty();
    if (above) group.push_back(static_cast<std::uint32_t>(done));
    connect(space, group);
    if (above) {
      parts_.entry = group[0];
      levels_ = parts_.levels[group[0]];
    }
    done += group.size();
  }
}

void NeighborGraph::relink(const GraphSpace& space, std::span<const std::uint32_t> nodes) {
  std::vector<std::uint32_t> sorted(nodes.begin(), nodes.end());
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  for (std::size_t first = 0; first < sorted.size(); first += kLongestGroup)
    connect(space, std::span(sorted).subspan(first, std::min(kLongestGroup, sorted.size() - first)));
}

}  // namespace tenfold::search
