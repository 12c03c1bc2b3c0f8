// SPDX-License-Identifier: Apache-2.0
// The inverted index against the naive scorer and against sums done by hand.
#include "tenfold/search/bm25.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/threads.h"

namespace tenfold::search {
namespace {

// Words w0, w1, ... with frequencies that fall like 1 / rank.
std::vector<std::string> random_texts(std::size_t count, std::size_t longest, std::uint64_t stream) {
  random::Generator generator(7, stream);
  std::vector<std::string> texts(count);
  for (std::string& text : texts) {
    const std::size_t length = generator.below(static_cast<std::uint32_t>(longest + 1));
    for (std::size_t i = 0; i < length; ++i) {
      text += "w" + std::to_string(static_cast<int>(std::exp(generator.uniform() * 5))) + " ";
    }
  }
  return texts;
}

TEST(Bm25, EqualsTheNaiveScorer) {
  const auto documents = random_texts(300, 40, 1);
  for (const auto& [k1, b] : {std::pair{0.9, 0.4}, {1.2, 0.75}, {0.0, 0.0}, {2.0, 1.0}}) {
    const Bm25Options options{.k1 = k1, .b = b};
    const Bm25Index index(documents, options);
    for (const std::string& query : random_texts(50, 6, 2)) {
      const std::vector<double> plain = bm25_plain(documents, query, options);
      Hits expected;
      for (std::uint32_t row = 0; row < plain.size(); ++row) {
        if (plain[row] > 0) expected.push_back({row, static_cast<float>(plain[row])});
      }
      std::sort(expected.begin(), expected.end(), better);
      const Hits hits = index.search(query, documents.size());
      ASSERT_EQ(hits.size(), expected.size());
      for (const Hit& hit : hits) {
        ASSERT_NEAR(hit.score, plain[hit.row], 1e-6 * std::max(1.0, plain[hit.row])) << query;
      }
      for (std::size_t i = 1; i < hits.size(); ++i) ASSERT_FALSE(better(hits[i], hits[i - 1]));
      const Hits ten = index.search(query, 10);
      ASSERT_TRUE(std::equal(ten.begin(), ten.end(), hits.begin()));
    }
  }
}

// N = 2, "cat" in one document of length 2, mean length 2: idf = ln(1 + 1.5 / 1.5) = ln 2, tf part 2.2 / 2.2 = 1.
TEST(Bm25, EqualsTheFormulaByHand) {
  const std::vector<std::string> documents{"cat dog", "dog dog"};
  const Bm25Index index(documents, {.k1 = 1.2, .b = 0.75});
  ASSERT_EQ(index.search("cat", 5).size(), 1u);
  EXPECT_NEAR(index.search("cat", 5)[0].score, std::log(2.0), 1e-7);
  EXPECT_NEAR(index.search("cat cat", 5)[0].score, 2 * std::log(2.0), 1e-6);
  // "dog" is in both: idf = ln(1 + 0.5 / 2.5); twice: 2 x 2.2 / 3.2.
  const Hits dogs = index.search("dog", 5);
  ASSERT_EQ(dogs.size(), 2u);
  EXPECT_EQ(dogs[0].row, 1u);
  EXPECT_NEAR(dogs[0].score, std::log(1.2) * 2 * 2.2 / 3.2, 1e-7);
}

TEST(Bm25, AddedDocumentsAreFoundAsIfBuiltAtOnce) {
  const auto documents = random_texts(200, 30, 3);
  const Bm25Index whole(documents);
  Bm25Index grown;
  grown.add(std::span(documents).first(50));
  grown.add(std::span(documents).subspan(50));
  for (const std::string& query : random_texts(20, 5, 4)) {
    EXPECT_EQ(whole.search(query, 20), grown.search(query, 20));
  }
}

TEST(Bm25, WorksThroughSeveralRangesOfDocuments) {
  const auto documents = random_texts(20'000, 6, 5);
  const Bm25Index index(documents);
  const std::string query = "w3 w40 w140";
  const std::vector<double> plain = bm25_plain(documents, query);
  const Hits hits = index.search(query, 100);
  ASSERT_EQ(hits.size(), 100u);
  const auto best = std::max_element(plain.begin(), plain.end());
  EXPECT_EQ(hits[0].row, static_cast<std::uint32_t>(best - plain.begin()));
  for (const Hit& hit : hits) EXPECT_NEAR(hit.score, plain[hit.row], 1e-5);
}

TEST(Bm25, FilterGivesTheSameAsLeavingHitsOut) {
  const auto documents = random_texts(500, 20, 6);
  const Bm25Index index(documents);
  Bitmap allowed(documents.size());
  for (std::size_t row = 0; row < documents.size(); row += 3) allowed.set(row);
  Hits expected;
  for (const Hit& hit : index.search("w1 w2 w30", 500)) {
    if (allowed.test(hit.row)) expected.push_back(hit);
  }
  expected.resize(10);
  EXPECT_EQ(index.search("w1 w2 w30", 10, &allowed), expected);
  const Bitmap wrong(3);
  try {
    static_cast<void>(index.search("w1", 10, &wrong));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "bm25.filter_size");
  }
}

TEST(Bm25, DoesNotDependOnTheThreadCount) {
  const auto documents = random_texts(2000, 20, 8);
  const auto queries = random_texts(40, 5, 9);
  const int before = thread_count();
  set_thread_count(1);
  const auto one = Bm25Index(documents).search(queries, 10);
  set_thread_count(4);
  EXPECT_EQ(Bm25Index(documents).search(queries, 10), one);
  set_thread_count(before);
}

TEST(Bm25, FindsNothingForEmptyOrUnknownWordsOrAnEmptyIndex) {
  const std::vector<std::string> documents{"", "cat", "..."};
  const Bm25Index index(documents);
  EXPECT_TRUE(index.search("", 5).empty());
  EXPECT_TRUE(index.search("zebra", 5).empty());
  EXPECT_TRUE(index.search("cat", 0).empty());
  EXPECT_EQ(index.search("cat", 5).size(), 1u);
  EXPECT_TRUE(Bm25Index().search("cat", 5).empty());
}

TEST(Bm25, RefusesOptionsOutOfRange) {
  EXPECT_THROW(Bm25Index({.k1 = -1}), Error);
  EXPECT_THROW(Bm25Index({.b = 1.5}), Error);
}

}  // namespace
}  // namespace tenfold::search
