// SPDX-License-Identifier: Apache-2.0
// Every index against a plain loop over its rows: search, filters, removal, updates, ranges, threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <set>

#include "tenfold/base/threads.h"
#include "tenfold/search/code_index.h"
#include "tenfold/search/flat_index.h"
#include "tenfold/search/graph_index.h"
#include "tenfold/search/rerank_index.h"
#include "tests/unit/search/search_data.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kDimension = 24, kRows = 3000, kQueries = 21;

// The k best by a score that is computed row by row, and only of rows that pass.
template <typename Score, typename Pass>
Hits best_of(std::size_t rows, std::size_t k, const Score& score, const Pass& pass) {
  Hits hits;
  for (std::uint32_t row = 0; row < rows; ++row) {
    if (pass(row)) hits.push_back({row, score(row)});
  }
  std::sort(hits.begin(), hits.end(), better);
  hits.resize(std::min(k, hits.size()));
  return hits;
}

// Same rows; scores may differ by the rounding of another order of additions, and rows of almost the same score may change places.
void expect_same(const Hits& found, const Hits& expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  std::set<std::uint32_t> a, b;
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_NEAR(found[i].score, expected[i].score, tolerance * (1 + std::abs(expected[i].score))) << i;
    if (i + 1 < found.size() && std::abs(expected[i].score - expected.back().score) > tolerance) {
      a.insert(found[i].row);
      b.insert(expected[i].row);
    }
  }
  ASSERT_EQ(a, b);
}

class Indexes : public testing::Test {
 protected:
  static ProductQuantizer quantizer(std::int64_t bits, const std::string& method = "pq") {
    static const auto training = skewed_vectors(1500, kDimension, 50);
    return train_product_quantizer(
        as_vectors(training, kDimension),
        {.method = method, .bytes = 6, .bits = bits, .kmeans_iterations = 4, .rotations = 3});
  }
  // Scores of all rows by the quantiser's own plain loop.
  std::vector<float> plain_scores(const Quantizer& pq, std::size_t query) const {
    std::vector<std::uint8_t> codes(kRows * pq.code_bytes());
    pq.encode(rows_, codes);
    std::vector<float> scores(kRows);
    pq.score(queries_.row(query), codes, scores);
    return scores;
  }

  const std::vector<float> values_ = skewed_vectors(kRows, kDimension, 1),
                           other_ = skewed_vectors(kQueries, kDimension, 2);
  const Vectors rows_ = as_vectors(values_, kDimension), queries_ = as_vectors(other_, kDimension);
};

TEST_F(Indexes, FlatEqualsAPlainLoop) {
  for (const Metric metric : {Metric::kInnerProduct, Metric::kEuclidean}) {
    FlatIndex index(kDimension, metric);
    index.add(rows_.slice(0, 1000));
    index.add(rows_.slice(1000, kRows - 1000));
    const auto found = index.search(queries_, {.k = 30});
    for (std::size_t q = 0; q < kQueries; ++q) {
      const auto score = [&](std::uint32_t row) {
        double sum = 0;
        for (std::size_t j = 0; j < kDimension; ++j) {
          const double x = values_[row * kDimension + j], y = queries_.row(q)[j];
          sum += metric == Metric::kInnerProduct ? x * y : -(x - y) * (x - y);
        }
        return static_cast<float>(sum);
      };
      expect_same(found[q], best_of(kRows, 30, score, [](auto) { return true; }), 1e-4);
    }
    EXPECT_EQ(index.row(17), std::vector<float>(rows_.row(17).begin(), rows_.row(17).end()));
  }
}

TEST_F(Indexes, CodesAreScoredExactly) {
  for (const std::int64_t bits : {8, 4}) {
    for (const char* method : {"pq", "opq"}) {
      CodeIndex index(quantizer(bits, method));
      EXPECT_EQ(index.kind(), bits == 8 ? "pq" : "fast scan");
      index.add(rows_.slice(0, 77));
      index.add(rows_.slice(77, kRows - 77));
      for (const std::size_t k : {1u, 10u, 500u}) {
        const auto found = index.search(queries_, {.k = k});
        for (std::size_t q = 0; q < kQueries; ++q) {
          const auto scores = plain_scores(index.quantizer(), q);
          expect_same(found[q],
                      best_of(
                          kRows, k, [&](auto row) { return scores[row]; }, [](auto) { return true; }),
                      1e-5);
        }
      }
    }
  }
}

TEST_F(Indexes, FilterAndRemovalEqualLeavingRowsOut) {
  for (const std::int64_t bits : {8, 4}) {
    for (const bool lists : {false, true}) {
      CodeIndex index = lists ? CodeIndex(quantizer(bits), train_coarse(quantizer(bits), rows_, 12, 1))
                              : CodeIndex(quantizer(bits));
      index.add(rows_);
      random::Generator generator(3, 3);
      for (const std::uint32_t percent : {0u, 1u, 10u, 50u}) {
        Bitmap allowed(kRows);
        for (std::size_t row = 0; row < kRows; ++row) {
          if (generator.below(100) < percent) allowed.set(row);
        }
        std::vector<std::uint32_t> gone;
        for (std::uint32_t row = percent; row < kRows; row += 5) gone.push_back(row);
        index.remove(gone);
        const auto found = index.search(queries_, {.k = 20, .allowed = &allowed, .probes = 12});
        for (std::size_t q = 0; q < kQueries; q += 5) {
          const auto scores = plain_scores(index.quantizer(), q);
          const auto pass = [&](std::uint32_t row) {
            return allowed.test(row) && !index.removed().test(row);
          };
          expect_same(found[q],
                      best_of(
                          kRows, 20, [&](auto row) { return scores[row]; }, pass),
                      1e-5);
        }
      }
      EXPECT_EQ(index.live(), kRows - index.removed().count());
    }
  }
}

TEST_F(Indexes, AllListsGiveWhatAnIndexWithoutListsGives) {
  CodeIndex whole(quantizer(8, "opq")),
      parted(quantizer(8, "opq"), train_coarse(quantizer(8, "opq"), rows_, 20, 1));
  whole.add(rows_);
  parted.add(rows_.slice(0, 500));
  parted.add(rows_.slice(500, kRows - 500));
  EXPECT_EQ(parted.search(queries_, {.k = 15, .probes = 20}), whole.search(queries_, {.k = 15}));
  EXPECT_EQ(parted.codes(), whole.codes());
  // A few lists find most of the best rows.
  std::size_t same = 0;
  const auto few = parted.search(queries_, {.k = 10, .probes = 8}), all = whole.search(queries_, {.k = 10});
  for (std::size_t q = 0; q < kQueries; ++q) {
    for (const Hit& hit : few[q])
      same += static_cast<std::size_t>(std::count(all[q].begin(), all[q].end(), hit));
  }
  EXPECT_GT(same, kQueries * 10 / 2);
}

TEST_F(Indexes, QueriesThatShareListsFindWhatEachFindsAlone) {
  const std::vector<float> many = skewed_vectors(70, kDimension, 3);  // more than a group
  const Vectors queries = as_vectors(many, kDimension);
  Bitmap allowed(rows_.rows);
  for (std::size_t row = 0; row < rows_.rows; row += 3) allowed.set(row);
  for (const std::size_t bits : {4u, 8u}) {
    CodeIndex index(quantizer(bits), train_coarse(quantizer(bits), rows_, 24, 1));
    index.add(rows_);
    for (const SearchRequest& request : {SearchRequest{.k = 5, .probes = 3},
                                         SearchRequest{.k = 5, .probes = 15},
                                         SearchRequest{.k = 40, .allowed = &allowed, .probes = 24}}) {
      const auto together = index.search(queries, request);
      for (std::size_t q = 0; q < queries.rows; ++q) {
        ASSERT_FALSE(together[q].empty());
        EXPECT_EQ(together[q], index.search(queries.slice(q, 1), request)[0]) << q;
      }
    }
  }
}

TEST_F(Indexes, AddedCodesEqualAddedVectors) {
  for (const std::int64_t bits : {8, 4}) {
    CodeIndex a(quantizer(bits)), b(quantizer(bits));
    a.add(rows_);
    b.add_codes(a.codes());
    EXPECT_EQ(a.search(queries_, {}), b.search(queries_, {}));
  }
}

TEST_F(Indexes, UpdatedRowsAreFoundByTheirNewVectors) {
  for (const bool lists : {false, true}) {
    CodeIndex index =
        lists ? CodeIndex(quantizer(4), train_coarse(quantizer(4), rows_, 9, 1)) : CodeIndex(quantizer(4));
    index.add(rows_);
    CodeIndex fresh(quantizer(4));
    std::vector<float> changed = values_;
    const std::vector<std::uint32_t> numbers{5, 2999, 64, 5};
    std::vector<float> moved(numbers.size() * kDimension);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      for (std::size_t j = 0; j < kDimension; ++j) {
        moved[i * kDimension + j] = 3 * queries_.row(i)[j];
        changed[numbers[i] * kDimension + j] = moved[i * kDimension + j];
      }
    }
    fresh.add(as_vectors(changed, kDimension));
    index.update(numbers, as_vectors(moved, kDimension));
    EXPECT_EQ(index.size(), kRows);
    EXPECT_EQ(index.search(queries_, {.k = 12, .probes = 9}), fresh.search(queries_, {.k = 12}));
    EXPECT_EQ(index.codes(), fresh.codes());
    Bitmap all(kRows, true);
    EXPECT_EQ(index.search(queries_, {.k = 12, .allowed = &all, .probes = 9}),
              fresh.search(queries_, {.k = 12}));
  }
}

// The rows that are left are found as before, under their new numbers; added and updated rows go on from there.
TEST_F(Indexes, CompactingForgetsRemovedRowsOnly) {
  std::vector<std::unique_ptr<VectorIndex>> indexes;
  indexes.push_back(std::make_unique<FlatIndex>(kDimension));
  indexes.push_back(std::make_unique<CodeIndex>(quantizer(8)));
  indexes.push_back(std::make_unique<CodeIndex>(quantizer(4)));
  indexes.push_back(std::make_unique<CodeIndex>(quantizer(4), train_coarse(quantizer(4), rows_, 5, 1)));
  indexes.push_back(std::make_unique<RerankIndex>(CodeIndex(quantizer(8))));
  indexes.push_back(std::make_unique<GraphIndex>(quantizer(8)));
  for (const auto& index : indexes) {
    index->add(rows_);
    std::vector<std::uint32_t> gone;
    for (std::uint32_t row = 0; row < kRows; row += 5) gone.push_back(row);  // 20 %
    index->remove(gone);
    const SearchRequest request{.k = 25, .probes = 5, .candidates = kRows};
    const auto before = index->search(queries_, request);
    const std::size_t bytes = index->bytes();
    const auto former = index->compact();
    EXPECT_EQ(index->size(), kRows - gone.size()) << index->kind();
    EXPECT_EQ(index->live(), index->size());
    EXPECT_LT(index->bytes(), bytes);
    ASSERT_EQ(former.size(), index->size());
    auto after = index->search(queries_, request);
    for (Hits& hits : after) {
      for (Hit& hit : hits) hit.row = former[hit.row];
    }
    EXPECT_EQ(after, before) << index->kind();
    const auto unchanged = index->compact();
    for (std::uint32_t row = 0; row < unchanged.size(); ++row) ASSERT_EQ(unchanged[row], row);
    index->add(rows_.slice(0, 100));
    EXPECT_EQ(index->size(), kRows - gone.size() + 100);
    index->remove(std::vector<std::uint32_t>{0, 3});
    for (const Hits& hits : index->search(queries_, request)) {
      for (const Hit& hit : hits) ASSERT_TRUE(hit.row != 0 && hit.row != 3) << index->kind();
    }
  }
}

TEST_F(Indexes, CompactingAfterAnUpdateLeavesNoHoles) {
  CodeIndex index(quantizer(8), train_coarse(quantizer(8), rows_, 7, 1));
  index.add(rows_);
  index.update(std::vector<std::uint32_t>{10, 20}, queries_.slice(0, 2));
  index.remove(std::vector<std::uint32_t>{0, 10});
  const auto former = index.compact();
  std::size_t places = 0;
  for (const CodeStore& store : index.parts().stores) places += store.rows();
  EXPECT_EQ(places, kRows - 2);
  EXPECT_EQ(former[0], 1u);
  EXPECT_EQ(index.codes().size(), (kRows - 2) * index.quantizer().code_bytes());
  std::vector<std::uint32_t> all(index.size());
  std::iota(all.begin(), all.end(), 0u);
  index.remove(all);
  EXPECT_TRUE(index.compact().empty());
  EXPECT_TRUE(index.search(queries_, {.k = 3})[0].empty());
}

TEST_F(Indexes, RangeSearchFindsExactlyTheRowsThatReachTheBound) {
  std::vector<std::unique_ptr<VectorIndex>> indexes;
  indexes.push_back(std::make_unique<FlatIndex>(kDimension));
  indexes.push_back(std::make_unique<CodeIndex>(quantizer(8)));
  indexes.push_back(std::make_unique<CodeIndex>(quantizer(4), train_coarse(quantizer(4), rows_, 5, 1)));
  indexes.push_back(std::make_unique<RerankIndex>(CodeIndex(quantizer(8))));
  for (const auto& index : indexes) {
    index->add(rows_);
    index->remove(std::vector<std::uint32_t>{0, 1, 2});
    const auto all = index->search(queries_, {.k = kRows, .probes = 5});
    for (std::size_t q = 0; q < kQueries; q += 4) {
      const float least = all[q][40].score;
      Hits expected = all[q];
      std::erase_if(expected, [&](const Hit& hit) { return hit.score < least; });
      EXPECT_EQ(index->range_search(queries_.slice(q, 1), least)[0], expected) << index->kind();
    }
  }
}

TEST_F(Indexes, RerankingBringsTheOrderOfTheVectorsBack) {
  FlatIndex exact(kDimension);
  RerankIndex index(CodeIndex(quantizer(4)), 20);
  exact.add(rows_);
  index.add(rows_);
  index.remove(std::vector<std::uint32_t>{7});
  exact.remove(std::vector<std::uint32_t>{7});
  std::size_t same = 0;
  const auto found = index.search(queries_, {.k = 10}), best = exact.search(queries_, {.k = 10});
  for (std::size_t q = 0; q < kQueries; ++q) {
    for (const Hit& hit : found[q]) {
      same += static_cast<std::size_t>(
          std::count_if(best[q].begin(), best[q].end(), [&](const Hit& b) { return b.row == hit.row; }));
      EXPECT_NE(hit.row, 7u);
    }
  }
  EXPECT_GE(same, kQueries * 10 * 95 / 100);
}

// Rounding to 127 steps of the largest coordinate: the error of a score is at most half a step a coordinate times the query.
TEST_F(Indexes, BytesOfARowKeepItsScore) {
  Int8Rows bytes(kDimension);
  bytes.append(rows_);
  const auto query = Int8Rows::quantise(queries_.row(3));
  double length = 0;
  for (const float q : queries_.row(3)) length += std::abs(q);
  for (std::size_t row = 0; row < kRows; ++row) {
    const double exact =
        std::inner_product(rows_.row(row).begin(), rows_.row(row).end(), queries_.row(3).begin(), 0.0);
    ASSERT_LE(std::abs(bytes.score(query, row) - exact), bytes.scales()[row] * (0.5 + 0.02) * length + 1e-4);
  }
}

TEST_F(Indexes, ResultsDoNotDependOnTheThreadCount) {
  const int before = thread_count();
  CodeIndex index(quantizer(8));
  index.add(rows_);
  set_thread_count(1);
  const auto one = index.search(queries_.slice(0, 3), {.k = 50});
  set_thread_count(5);
  EXPECT_EQ(index.search(queries_.slice(0, 3), {.k = 50}), one);
  set_thread_count(before);
}

// Rows with the same code have the same score: the lowest number wins, wherever the rows stand.
TEST_F(Indexes, EqualScoresAreOrderedByRow) {
  std::vector<float> same;
  for (int i = 0; i < 300; ++i) same.insert(same.end(), rows_.row(9).begin(), rows_.row(9).end());
  for (const std::int64_t bits : {8, 4}) {
    CodeIndex index(quantizer(bits));
    index.add(as_vectors(same, kDimension));
    const auto hits = index.search(queries_.slice(0, 1), {.k = 40})[0];
    for (std::uint32_t i = 0; i < 40; ++i) ASSERT_EQ(hits[i].row, i);
  }
}

// Codewords and queries can be finite and their products not: what has no score is not found, and nothing else is lost.
TEST(Overflow, RowsWithoutAScoreAreNotFound) {
  std::vector<float> centroids(2 * 16, 0.5f);
  centroids[1] = 3e38f;        // block 0, codeword 1: +inf
  centroids[16 + 1] = -3e38f;  // block 1, codeword 1: -inf; both together are no number
  const ProductQuantizer pq({.dimension = 2, .blocks = 2, .bits = 4, .centroids = centroids});
  CodeIndex scan(pq), lists(pq, {1.0f, 1.0f, -1.0f, 1.0f});
  const std::vector<std::uint8_t> codes{0x00, 0x11, 0x01, 0x10};  // both codes of a row in a byte
  scan.add_codes(codes);
  lists.add_codes(codes);
  GraphIndex graph(pq, {.neighbors = 2});
  graph.add_codes(codes);
  const std::vector<float> query{10.0f, 10.0f};
  const std::array<const VectorIndex*, 3> all{&scan, &lists, &graph};
  for (const VectorIndex* index : all) {
    const Hits hits = index->search({query.data(), 1, 2}, {.k = 4, .probes = 2})[0];
    for (const Hit& hit : hits) {
      EXPECT_FALSE(std::isnan(hit.score)) << index->kind();
      EXPECT_NE(hit.row, 1u) << index->kind();
    }
    if (index != &graph) {
      ASSERT_EQ(hits.size(), 3u) << index->kind();
      EXPECT_EQ(hits[1].row, 0u);
      EXPECT_FLOAT_EQ(hits[1].score, 10.0f);
    }
  }
}

TEST_F(Indexes, AStoreThatIsCopiedKeepsItsOwnCodes) {
  CodeStore copy(2, 8);
  {
    CodeStore original(2, 8);
    original.append(std::vector<std::uint8_t>{1, 2, 3, 4});
    copy = original;
    original.set(0, std::vector<std::uint8_t>{9, 9});
  }
  std::vector<std::uint8_t> codes(2);
  copy.get(0, codes);
  EXPECT_EQ(codes, (std::vector<std::uint8_t>{1, 2}));
}

TEST_F(Indexes, SmallAndEmptyOnesWork) {
  CodeIndex index(quantizer(8));
  EXPECT_TRUE(index.search(queries_, {.k = 5})[0].empty());
  EXPECT_TRUE(FlatIndex(kDimension).search(queries_, {.k = 5})[0].empty());
  index.add(rows_.slice(0, 3));
  EXPECT_EQ(index.search(queries_, {.k = 5})[0].size(), 3u);
  EXPECT_TRUE(index.search(queries_, {.k = 0})[0].empty());
  EXPECT_TRUE(index.search(queries_.slice(0, 0), {.k = 5}).empty());
}

TEST_F(Indexes, RefuseWhatDoesNotFit) {
  CodeIndex index(quantizer(8));
  index.add(rows_);
  const Bitmap small(5);
  EXPECT_EQ(code_of([&] { static_cast<void>(index.search(queries_, {.allowed = &small})); }),
            "index.filter_size");
  EXPECT_EQ(code_of([&] { static_cast<void>(index.search(as_vectors(other_, 12), {})); }),
            "vectors.dimension");
  auto wrong = other_;
  wrong[0] = std::nanf("");
  EXPECT_EQ(code_of([&] { static_cast<void>(index.search(as_vectors(wrong, kDimension), {})); }),
            "vectors.not_finite");
  EXPECT_EQ(code_of([&] { index.add(as_vectors(wrong, kDimension)); }), "vectors.not_finite");
  EXPECT_EQ(index.size(), kRows);
  EXPECT_EQ(code_of([&] { index.remove(std::vector<std::uint32_t>{static_cast<std::uint32_t>(kRows)}); }),
            "index.no_such_row");
  EXPECT_EQ(code_of([&] {
              index.update(std::vector<std::uint32_t>{static_cast<std::uint32_t>(kRows)}, rows_.slice(0, 1));
            }),
            "index.no_such_row");
  EXPECT_EQ(code_of([&] { CodeIndex(quantizer(8), std::vector<float>(5)); }), "index.coarse");
  EXPECT_EQ(code_of([&] { RerankIndex(CodeIndex(quantizer(8)), 0); }), "index.rerank_factor");
  EXPECT_EQ(code_of([&] { FlatIndex(0); }), "vectors.dimension");
  CodeIndex::Parts parts;
  parts.stores.emplace_back(6, 8);
  parts.size = 3;
  parts.removed.resize(3);
  EXPECT_EQ(code_of([&] { CodeIndex(quantizer(8), parts); }), "index.lists");
}

}  // namespace
}  // namespace tenfold::search
