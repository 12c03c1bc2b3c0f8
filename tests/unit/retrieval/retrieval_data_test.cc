// SPDX-License-Identifier: Apache-2.0
// Splits, pairs and the collection that the program makes.
#include "tenfold/systems/retrieval/retrieval_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tenfold/base/error.h"
#include "tenfold/systems/retrieval/corpus.h"
#include "tenfold/systems/retrieval/demo_corpus.h"

namespace tenfold::retrieval {
namespace {

TEST(DemoCorpus, IsAlwaysTheSameAndLabelled) {
  const RetrievalData data = make_demo_corpus();
  EXPECT_EQ(data.corpus.texts, make_demo_corpus().corpus.texts);
  EXPECT_EQ(data.corpus.ids.size(), 1024u);
  EXPECT_EQ(data.splits.at("train").queries.size(), 1024u);
  EXPECT_EQ(data.splits.at("test").queries.size(), 512u);
}

TEST(HoldOut, KeepsAllLabelsOfADocumentTogether) {
  RetrievalData data = make_demo_corpus();
  hold_out(data, 0.25);
  std::set<std::uint32_t> train, valid;
  for (const auto& labels : data.splits.at("train").judgements) train.insert(labels.front().row);
  for (const auto& labels : data.splits.at("valid").judgements) valid.insert(labels.front().row);
  EXPECT_EQ(train.size() + valid.size(), 1024u);  // no document in both
  // 1,024 draws of probability 0.25: mean 256, standard deviation 14.
  EXPECT_NEAR(static_cast<double>(valid.size()), 256.0, 70.0);
}

class Pairs : public testing::Test {
 protected:
  Corpus corpus_{DataOptions{.pseudo_queries = 2, .label_repeats = 3}, {}};
};

TEST_F(Pairs, HoldMadeUpAndLabelledQueries) {
  const auto labels = static_cast<std::int64_t>(corpus_.data.splits.at("train").queries.size());
  EXPECT_EQ(corpus_.pairs.size(), 1024 * 2 + labels * 3);
}

TEST_F(Pairs, MadeUpQueriesHaveTwoToEightWordsOfTheirDocument) {
  std::vector<std::int64_t> ids(2048);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(i);
  const data::Batch batch = corpus_.pairs.get(ids, {.seed = 3, .epoch = 1});
  for (std::int64_t i = 0; i < 2048; ++i) {
    const std::int64_t document = batch.tensors[1][i].item<std::int64_t>();
    EXPECT_EQ(document, i / 2);
    EXPECT_EQ(batch.tensors[2][i].item<std::int64_t>(), -1);
    const auto words = corpus_.documents[static_cast<std::size_t>(document)];
    const std::int64_t* query = batch.tensors[0].data_ptr<std::int64_t>() + i * PairDataset::kQueryWords;
    const std::int64_t length = std::find(query, query + PairDataset::kQueryWords, -1) - query;
    EXPECT_GE(length, 2);
    EXPECT_LE(length, 8);
    for (std::int64_t j = 0; j < length; ++j)
      EXPECT_NE(std::find(words.begin(), words.end(), query[j]), words.end());
  }
}

TEST_F(Pairs, AreAFunctionOfSeedEpochAndRow) {
  const std::vector<std::int64_t> ids = {5, 900, 2047};
  const auto words = [&](std::int64_t epoch) {
    return corpus_.pairs.get(ids, {.seed = 3, .epoch = epoch}).tensors[0];
  };
  EXPECT_TRUE(words(1).equal(words(1)));
  EXPECT_FALSE(words(1).equal(words(2)));
}

TEST_F(Pairs, LabelledQueriesComeWithTheirDocument) {
  const data::Batch batch = corpus_.pairs.get(std::vector<std::int64_t>{2048}, {});
  const std::int64_t query = batch.tensors[2][0].item<std::int64_t>();
  ASSERT_GE(query, 0);
  EXPECT_EQ(batch.tensors[1][0].item<std::int64_t>(),
            corpus_.train_relevant[static_cast<std::size_t>(query)].front());
}

TEST(PairDataset, NeedsSomethingToTrainOn) {
  RetrievalData data;
  data.corpus.ids = {"a"};
  const TokenLists nothing;
  try {
    const PairDataset pairs(data, nothing, nothing, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "retrieval.no_pairs");
  }
}

}  // namespace
}  // namespace tenfold::retrieval
