// SPDX-License-Identifier: Apache-2.0
// The graph of near neighbours: what it finds, that it does not depend on threads, what it refuses, and the indexes over it.
#include "tenfold/search/graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tenfold/base/threads.h"
#include "tenfold/search/code_index.h"
#include "tenfold/search/graph_index.h"
#include "tenfold/search/graph_vectors.h"
#include "tests/unit/search/search_data.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kDimension = 24, kRows = 4000, kQueries = 50;

double recall(const std::vector<Hits>& found, const std::vector<Hits>& best) {
  std::size_t same = 0, all = 0;
  for (std::size_t q = 0; q < best.size(); ++q) {
    all += best[q].size();
    for (const Hit& hit : found[q])
      same += static_cast<std::size_t>(std::count(best[q].begin(), best[q].end(), hit));
  }
  return static_cast<double>(same) / static_cast<double>(all);
}

class Graph : public testing::Test {
 protected:
  static ProductQuantizer quantizer(std::int64_t bits = 8) {
    static const auto training = skewed_vectors(1500, kDimension, 50);
    return train_product_quantizer(
        as_vectors(training, kDimension),
        {.method = "opq", .bytes = 6, .bits = bits, .kmeans_iterations = 4, .rotations = 3});
  }
  GraphIndex graph_index(std::int64_t bits = 8) const {
    GraphIndex index(quantizer(bits), {.neighbors = 12, .candidates = 60});
    index.add(rows_);
    return index;
  }
  CodeIndex code_index(std::int64_t bits = 8) const {
    CodeIndex index(quantizer(bits));
    index.add(rows_);
    return index;
  }

  const std::vector<float> values_ = skewed_vectors(kRows, kDimension, 1),
                           other_ = skewed_vectors(kQueries, kDimension, 2);
  const Vectors rows_ = as_vectors(values_, kDimension), queries_ = as_vectors(other_, kDimension);
};

// Hits are compared with their scores, so this also says that they are those of a scan, to the last bit.
TEST_F(Graph, FindsNearlyAllThatAScanFinds) {
  for (const std::int64_t bits : {8, 4}) {
    const auto found = graph_index(bits).search(queries_, {.k = 10, .candidates = 100});
    const auto best = code_index(bits).search(queries_, {.k = 10});
    EXPECT_GE(recall(found, best), 0.95) << bits;
    for (const Hits& hits : found) {
      EXPECT_EQ(hits.size(), 10u);
      EXPECT_TRUE(std::is_sorted(hits.begin(), hits.end(), better));
    }
  }
}

TEST_F(Graph, MoreCandidatesFindMore) {
  const GraphIndex index = graph_index();
  const auto best = code_index().search(queries_, {.k = 10});
  const double few = recall(index.search(queries_, {.k = 10, .candidates = 10}), best),
               many = recall(index.search(queries_, {.k = 10, .candidates = 300}), best);
  EXPECT_GT(many, few);
  EXPECT_GE(many, 0.99);
}

TEST_F(Graph, WalksOverExactVectorsToo) {
  NeighborGraph graph({.neighbors = 12, .candidates = 60});
  graph.add(VectorSpace(rows_));
  std::size_t same = 0;
  for (std::size_t q = 0; q < kQueries; ++q) {
    const auto query = queries_.row(q);
    const Hits hits = graph.search(VectorQuery(rows_, query), 100);
    Hits best;
    for (std::uint32_t row = 0; row < kRows; ++row)
      best.push_back({row, std::inner_product(query.begin(), query.end(), rows_.row(row).begin(), 0.0f)});
    std::sort(best.begin(), best.end(), better);
    for (std::size_t i = 0; i < 10; ++i) {
      same += static_cast<std::size_t>(
          std::count_if(hits.begin(), hits.end(), [&](const Hit& hit) { return hit.row == best[i].row; }));
    }
  }
  EXPECT_GE(same, kQueries * 10 * 95 / 100);
}

TEST_F(Graph, IsTheSameForEveryThreadCount) {
  const int before = thread_count();
  set_thread_count(1);
  const GraphIndex one = graph_index();
  set_thread_count(4);
  const GraphIndex four = graph_index();
  EXPECT_EQ(one.graph().parts().links, four.graph().parts().links);
  EXPECT_EQ(one.graph().parts().upper, four.graph().parts().upper);
  EXPECT_EQ(one.graph().parts().entry, four.graph().parts().entry);
  const auto many = four.search(queries_, {.k = 10});
  set_thread_count(1);
  EXPECT_EQ(four.search(queries_, {.k = 10}), many);
  set_thread_count(before);
}

TEST_F(Graph, GrowsByPartsAsWellAsAtOnce) {
  GraphIndex index(quantizer(), {.neighbors = 12, .candidates = 60});
  for (std::size_t first = 0; first < kRows; first += 1000) index.add(rows_.slice(first, 1000));
  EXPECT_GE(
      recall(index.search(queries_, {.k = 10, .candidates = 100}), code_index().search(queries_, {.k = 10})),
      0.95);
  GraphIndex coded(quantizer(), {.neighbors = 12, .candidates = 60});
  coded.add_codes(code_index().codes());
  EXPECT_GE(
      recall(coded.search(queries_, {.k = 10, .candidates = 100}), code_index().search(queries_, {.k = 10})),
      0.95);
}

// 1 % and 10 % of the rows are scored one by one, so those are exact; a walk through 50 % is nearly.
TEST_F(Graph, FiltersAndRemovalLeaveRowsOut) {
  GraphIndex index = graph_index();
  CodeIndex scan = code_index();
  std::vector<std::uint32_t> gone;
  for (std::uint32_t row = 3; row < kRows; row += 5) gone.push_back(row);
  index.remove(gone);
  scan.remove(gone);
  random::Generator generator(3, 3);
  for (const std::uint32_t percent : {0u, 1u, 10u, 50u, 100u}) {
    Bitmap allowed(kRows);
    for (std::size_t row = 0; row < kRows; ++row) {
      if (generator.below(100) < percent) allowed.set(row);
    }
    const SearchRequest request{.k = 10, .allowed = &allowed};
    const auto found = index.search(queries_, request), best = scan.search(queries_, request);
    if (percent <= 10) {
      EXPECT_EQ(found, best) << percent;
    } else {
      EXPECT_GE(recall(found, best), 0.9) << percent;
    }
    for (const Hits& hits : found) {
      for (const Hit& hit : hits) {
        ASSERT_TRUE(allowed.test(hit.row));
        ASSERT_FALSE(index.removed().test(hit.row));
      }
    }
  }
}

TEST_F(Graph, UpdatedRowsAreFoundByTheirNewVectors) {
  GraphIndex index = graph_index();
  std::vector<float> moved;
  const std::vector<std::uint32_t> numbers{7, 3000, 64};
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    for (const float x : queries_.row(i)) moved.push_back(5 * x);  // long: the best answer to its own query
  }
  index.update(numbers, as_vectors(moved, kDimension));
  CodeIndex scan = code_index();
  scan.update(numbers, as_vectors(moved, kDimension));
  const auto found = index.search(queries_, {.k = 10, .candidates = 100}),
             best = scan.search(queries_, {.k = 10});
  EXPECT_GE(recall(found, best), 0.95);
  for (std::size_t i = 0; i < numbers.size(); ++i) EXPECT_EQ(found[i][0].row, best[i][0].row) << i;
}

TEST_F(Graph, RangeSearchIsExact) {
  GraphIndex index = graph_index(4);
  const CodeIndex scan = code_index(4);
  const auto best = scan.search(queries_, {.k = 60});
  for (std::size_t q = 0; q < kQueries; q += 10) {
    const Vectors query = queries_.slice(q, 1);
    EXPECT_EQ(index.range_search(query, best[q][40].score), scan.range_search(query, best[q][40].score));
  }
}

TEST_F(Graph, RowsWithTheSameCodeAreAllFound) {
  std::vector<float> same;
  for (int i = 0; i < 2000; ++i) same.insert(same.end(), rows_.row(9).begin(), rows_.row(9).end());
  GraphIndex index(quantizer(), {.neighbors = 4, .candidates = 20});
  index.add(as_vectors(same, kDimension));
  index.add(rows_);
  const auto hits = index.search(rows_.slice(9, 1), {.k = 40, .candidates = 80})[0];
  EXPECT_EQ(hits.size(), 40u);
}

TEST_F(Graph, SmallAndEmptyOnesWork) {
  GraphIndex index(quantizer());
  EXPECT_TRUE(index.search(queries_, {.k = 5})[0].empty());
  index.add(rows_.slice(0, 0));
  index.add(rows_.slice(0, 1));
  EXPECT_EQ(index.search(queries_, {.k = 5})[0].size(), 1u);
  index.add(rows_.slice(1, 2));
  EXPECT_EQ(index.search(queries_, {.k = 5})[0].size(), 3u);
  index.remove(std::vector<std::uint32_t>{0, 1, 2});
  EXPECT_TRUE(index.search(queries_, {.k = 5})[0].empty());
  EXPECT_TRUE(NeighborGraph().search(VectorQuery(rows_, queries_.row(0)), 3).empty());
}

// Probes that a graph of centroids answers find almost what the nearest lists hold.
TEST_F(Graph, FindsTheNearestListsOfMany) {
  CodeIndex exact(quantizer(), train_coarse(quantizer(), rows_, 900, 1));
  exact.add(rows_);
  CodeIndex::Parts parts = exact.parts();
  parts.removed = exact.removed();
  CodeIndex linked(quantizer(), std::move(parts));
  linked.link_coarse({.neighbors = 8, .candidates = 60});
  const SearchRequest request{.k = 5, .probes = 8};  // 8 x (2 x 8 + 32) links are fewer than 450 centroids
  EXPECT_GE(recall(linked.search(queries_, request), exact.search(queries_, request)), 0.95);
  const SearchRequest all{.k = 5, .probes = 900};
  EXPECT_EQ(linked.search(queries_, all), exact.search(queries_, all));
}

TEST_F(Graph, PartsThatDoNotFitAreRefused) {
  const NeighborGraph good = graph_index().graph();
  const GraphOptions options = good.options();
  const auto with = [&](const auto& change) {
    NeighborGraph::Parts parts = good.parts();
    change(parts);
    return code_of([&] { NeighborGraph(options, parts); });
  };
  using Parts = NeighborGraph::Parts;
  EXPECT_EQ(with([](Parts&) {}), "no error");
  EXPECT_EQ(with([](Parts& parts) { parts.links.pop_back(); }), "graph.parts");
  EXPECT_EQ(with([](Parts& parts) { parts.upper.push_back(0); }), "graph.parts");
  EXPECT_EQ(with([](Parts& parts) { parts.links[3] = kRows; }), "graph.parts");
  EXPECT_EQ(with([](Parts& parts) { parts.levels[5] = 200; }), "graph.parts");
  EXPECT_EQ(with([](Parts& parts) { parts.entry = kRows; }), "graph.parts");
  const auto low = static_cast<std::uint32_t>(
      std::find(good.parts().levels.begin(), good.parts().levels.end(), 0) - good.parts().levels.begin());
  EXPECT_EQ(with([&](Parts& parts) { parts.entry = low; }), "graph.parts");
  EXPECT_EQ(with([&](Parts& parts) { parts.upper[0] = low; }), "graph.parts");  // not in that layer
  EXPECT_EQ(code_of([] { NeighborGraph({.neighbors = 1}); }), "config.out_of_range");
  CodeIndex::Parts lists = CodeIndex(quantizer(), train_coarse(quantizer(), rows_, 5, 1)).parts();
  lists.coarse_graph = good;
  EXPECT_EQ(code_of([&] { CodeIndex(quantizer(), lists); }), "index.lists");
  EXPECT_EQ(
      code_of([&] { GraphIndex(quantizer(), GraphIndex::Parts{.graph = good, .removed = Bitmap(kRows)}); }),
      "index.lists");
  GraphIndex index = graph_index();
  EXPECT_EQ(code_of([&] { index.update(std::vector<std::uint32_t>{kRows}, rows_.slice(0, 1)); }),
            "index.no_such_row");
  auto wrong = other_;
  wrong[0] = std::nanf("");
  EXPECT_EQ(code_of([&] { index.add(as_vectors(wrong, kDimension)); }), "vectors.not_finite");
  EXPECT_EQ(index.size(), kRows);
}

}  // namespace
}  // namespace tenfold::search
