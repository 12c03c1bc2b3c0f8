// SPDX-License-Identifier: Apache-2.0
// One step over all documents against the oracle, and against a search for inner products.
#include "tenfold/systems/dsi/runtime/atomic_search.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tenfold/search/flat_index.h"
#include "tests/support/error_code.h"
#include "tests/unit/dsi_runtime/plain_t5.h"

namespace tenfold::dsi {
namespace {

class Atomic : public testing::Test {
 protected:
  Atomic() {
    random::Generator draws(4, 4);
    for (int i = 0; i < 11; ++i) {
      const auto memory = plain_.encode(random_text(draws, 9, 30));
      memories_.push_back(memory);
      floats_.push_back(as_floats(memory));
    }
    for (std::size_t i = 0; i < floats_.size(); ++i)
      queries_.push_back({floats_[i].data(), 24, memories_[i].size()});
  }

  PlainT5 plain_{{.tokens = 500, .positions = 1}};
  MemoryFile file_ = plain_.file();
  DocidDecoder decoder_ = DocidDecoder::open(file_.reader(), {});
  std::vector<PlainT5::Rows> memories_;
  std::vector<std::vector<float>> floats_;
  std::vector<QueryMemory> queries_;
  AtomicSearch search_{decoder_};
};

TEST_F(Atomic, RanksAllDocumentsByTheOraclesProbability) {
  const auto results = search_.search(queries_, 500);
  ASSERT_EQ(results.size(), queries_.size());
  for (std::size_t query = 0; query < queries_.size(); ++query) {
    const auto wanted = PlainT5::log_softmax(plain_.logits(memories_[query], {}));
    ASSERT_EQ(results[query].size(), 500u);
    double total = 0;
    float last = 0;
    for (const FoundDocid& hit : results[query]) {
      ASSERT_NEAR(hit.log_probability, wanted[hit.document], 1e-3);
      ASSERT_LE(hit.score, last);
      last = hit.score;
      total += std::exp(double{hit.log_probability});
    }
    EXPECT_NEAR(total, 1.0, 1e-4);
  }
}

TEST_F(Atomic, FindsWhatASearchForInnerProductsFinds) {
  DecoderSession session(decoder_);
  search::FlatIndex index(24);
  index.add(search::as_vectors(plain_.tensor("docid.head.weight"), 24));
  const auto results = search_.search(queries_, 10);
  for (std::size_t query = 0; query < queries_.size(); ++query) {
    std::vector<std::uint32_t> path(1);
    session.begin({&queries_[query], 1}, 1, 1);
    session.step({std::vector<std::uint32_t>{decoder_.start_token()},
                  std::vector<std::uint32_t>{0},
                  std::vector<std::uint32_t>{0},
                  path,
                  1});
    const auto hits = index.search(search::Vectors(session.hidden(0), 1, 24), {.k = 10})[0];
    ASSERT_EQ(hits.size(), 10u);
    for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(results[query][i].document, hits[i].row);
  }
}

TEST_F(Atomic, FiltersWithoutChangingProbabilities) {
  const auto all = search_.search(queries_, 500);
  search::Bitmap allowed(500), removed(500);
  for (std::size_t i = 0; i < 7; ++i) allowed.set(71 * i);
  removed.set(71);
  const auto some = search_.search(queries_, 10, {&allowed, &removed});
  for (std::size_t query = 0; query < queries_.size(); ++query) {
    ASSERT_EQ(some[query].size(), 6u);
    std::size_t at = 0;
    for (const FoundDocid& hit : all[query]) {
      if (!allowed.test(hit.document) || removed.test(hit.document)) continue;
      EXPECT_EQ(some[query][at].document, hit.document);
      EXPECT_EQ(some[query][at++].log_probability, hit.log_probability);
    }
  }
  EXPECT_TRUE(search_.search(queries_, 0)[0].empty());
}

TEST_F(Atomic, RefusesWhatItCannotAnswer) {
  const search::Bitmap other(499);
  EXPECT_EQ(code_of([&] { search_.search(queries_, 3, {&other, nullptr}); }), "dsi.filter_size");
  std::vector<float> damaged(24, std::nanf(""));
  const QueryMemory query{damaged.data(), 24, 1};
  EXPECT_EQ(code_of([&] { search_.search({&query, 1}, 3); }), "dsi.not_finite");
  const QueryMemory empty{damaged.data(), 24, 0};
  EXPECT_EQ(code_of([&] { search_.search({&empty, 1}, 3); }), "dsi.empty_query");
  EXPECT_EQ(search_.search(queries_, 3).size(), queries_.size());
}

}  // namespace
}  // namespace tenfold::dsi
