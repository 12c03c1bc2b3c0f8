// SPDX-License-Identifier: Apache-2.0
// Mined negatives against a sort of all scores; the memory of vectors; the start of codewords.
#include "tenfold/systems/repconc/hard_negatives.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tenfold/systems/repconc/embedding_memory.h"
#include "tenfold/systems/repconc/start.h"
#include "tenfold/systems/retrieval/retrieval_task.h"
#include "tenfold/systems/training/verbs.h"

namespace tenfold::repconc {
namespace {

const retrieval::EncoderOptions kSmall{.width = 16, .hidden = 16, .dimension = 8};
constexpr std::int64_t kDepth = 12;

std::vector<std::int64_t> integers(const torch::Tensor& tensor) {
  const torch::Tensor values = tensor.contiguous();
  return {values.data_ptr<std::int64_t>(), values.data_ptr<std::int64_t>() + values.numel()};
}

torch::Tensor as_tensor(const std::vector<std::int64_t>& values) {
  torch::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), tensor.data_ptr<std::int64_t>());
  return tensor;
}

class Mined : public testing::Test {
 protected:
  Mined() {
    training::seed_initial_weights(2);
    encoder_ = retrieval::make_encoder(kSmall, *corpus_.vocabulary);
    vectors_ = encoder_->encode(corpus_.documents);
    quantizer_ = start_codewords(vectors_, {.method = "pq", .bytes = 2, .bits = 4});
  }
  // Documents by falling score of a query's vector, best first, without the forbidden.
  std::vector<std::int64_t> sorted(const torch::Tensor& query,
                                   const std::set<std::int64_t>& forbidden) const {
    std::vector<float> scores(corpus_.size());
    std::vector<std::uint8_t> codes(corpus_.size() * quantizer_->code_bytes());
    quantizer_->encode(search::Vectors(vectors_.data_ptr<float>(), corpus_.size(), 8), codes);
    quantizer_->score({query.data_ptr<float>(), 8}, codes, scores);
    std::vector<std::int64_t> order;
    for (std::size_t i = 0; i < scores.size(); ++i)
      if (!forbidden.contains(static_cast<std::int64_t>(i))) order.push_back(static_cast<std::int64_t>(i));
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
      return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
    });
    for (std::int64_t& document : order) order_scores_[document] = scores[static_cast<std::size_t>(document)];
    order.resize(kDepth);
    return order;
  }
  // Equal scores may change places: the scores must be the same.
  void expect_as_good(const std::vector<std::int64_t>& found,
                      const std::vector<std::int64_t>& expected) const {
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i)
      EXPECT_NEAR(order_scores_.at(found[i]), order_scores_.at(expected[i]), 1e-5) << i;
  }

  retrieval::Corpus corpus_{retrieval::DataOptions{.pseudo_queries = 1, .label_repeats = 1},
                            retrieval::VocabularyOptions{}};
  retrieval::Encoder encoder_{nullptr};
  torch::Tensor vectors_;
  std::optional<search::ProductQuantizer> quantizer_;
  mutable std::map<std::int64_t, float> order_scores_;
};

TEST_F(Mined, ListsAreTheBestDocumentsWithoutTheRelevantOnes) {
  const HardNegatives mined(corpus_, encoder_, *quantizer_, kDepth);
  const torch::Tensor queries = encoder_->encode(corpus_.queries).contiguous();
  for (const std::size_t query : {0u, 7u, 100u}) {
    const auto& relevant = corpus_.train_relevant[query];
    const std::vector<std::int64_t> list = mined.list(static_cast<std::int64_t>(query), 0);
    for (const std::int64_t document : relevant) EXPECT_EQ(std::count(list.begin(), list.end(), document), 0);
    expect_as_good(list,
                   sorted(queries[static_cast<std::int64_t>(query)], {relevant.begin(), relevant.end()}));
  }
  for (const std::int64_t document : {0, 500}) {
    const std::vector<std::int64_t> list = mined.list(-1, document);
    EXPECT_EQ(std::count(list.begin(), list.end(), document), 0);
    expect_as_good(list, sorted(vectors_[document], {document}));
  }
}

TEST_F(Mined, DrawsFromTheListOfItsRow) {
  const HardNegatives mined(corpus_, encoder_, *quantizer_, kDepth);
  const data::Batch batch =
      corpus_.pairs.get(std::vector<std::int64_t>{3, 1024, 1100}, {.seed = 1, .epoch = 0});
  const torch::Tensor drawn = mined.draw(batch, 50);
  ASSERT_EQ(drawn.sizes(), (std::vector<std::int64_t>{3, 50}));
  for (std::int64_t i = 0; i < 3; ++i) {
    const std::vector<std::int64_t> list =
        mined.list(batch.tensors[2][i].item<std::int64_t>(), batch.tensors[1][i].item<std::int64_t>());
    for (const std::int64_t document : integers(drawn[i]))
      EXPECT_NE(std::find(list.begin(), list.end(), document), list.end());
  }
}

TEST(SameWords, AreOneDocument) {
  retrieval::TokenLists lists;
  lists.add(std::vector<std::int64_t>{1, 2});
  lists.add(std::vector<std::int64_t>{2, 1});
  lists.add(std::vector<std::int64_t>{1, 2});
  lists.add({});
  lists.add({});
  EXPECT_EQ(integers(retrieval::first_of_same_words(lists)), (std::vector<std::int64_t>{0, 1, 0, 3, 3}));
}

TEST(EmbeddingMemory, KeepsTheNewestVectorOfEachDocument) {
  EmbeddingMemory memory(4, 1);
  const auto vectors = [](std::vector<float> values) {
    torch::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size()), 1}, at::kFloat);
    std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
    return tensor;
  };
  EXPECT_EQ(memory->others(as_tensor({9})).size(0), 0);
  memory->push(as_tensor({1, 2, 3}), vectors({10, 20, 30}));
  memory->push(as_tensor({2, 4}), vectors({21, 40}));  // 1 makes room
  const torch::Tensor all = memory->others(as_tensor({9}));
  EXPECT_TRUE(all.equal(vectors({40, 21, 30})));  // newest first; 20 is the old vector of 2
  EXPECT_TRUE(memory->others(as_tensor({4, 3})).equal(vectors({21})));
}

TEST(EmbeddingMemory, OfABatchThatIsTooLargeTheEndStays) {
  EmbeddingMemory memory(2, 1);
  memory->push(as_tensor({1, 2, 3, 4}), at::arange(4, at::kFloat).unsqueeze(1));
  EXPECT_TRUE(memory->others(as_tensor({9})).equal(at::arange(3, 1, -1, at::kFloat).unsqueeze(1)));
}

TEST(EmbeddingMemory, IsPartOfACheckpoint) {
  EmbeddingMemory memory(2, 3);
  std::set<std::string> names;
  for (const auto& buffer : memory->named_buffers()) names.insert(buffer.key());
  EXPECT_EQ(names, (std::set<std::string>{"documents", "next", "vectors"}));
}

TEST(Start, RandomCodewordsHaveTheMomentsOfTheVectors) {
  const torch::Tensor vectors =
      at::randn({500, 4}) * at::tensor({1.f, 2.f, 3.f, 4.f}) + at::tensor({5.f, 6.f, 7.f, 8.f});
  const search::ProductQuantizer start =
      start_codewords(vectors, {.method = "random", .bytes = 2, .bits = 8, .seed = 3});
  EXPECT_FALSE(start.has_rotation());
  ASSERT_EQ(start.blocks(), 2u);
  for (std::size_t coordinate = 0; coordinate < 4; ++coordinate) {
    const std::size_t block = coordinate / 2, place = coordinate % 2;
    double sum = 0, squares = 0;
    for (std::size_t k = 0; k < 256; ++k) {
      const double value = start.parts().centroids[(block * 256 + k) * 2 + place];
      sum += value;
      squares += value * value;
    }
    const double mean = sum / 256, deviation = std::sqrt(squares / 256 - mean * mean);
    const double wanted = static_cast<double>(coordinate + 1);
    EXPECT_NEAR(mean, wanted + 4, 5 * wanted / 16);  // five standard errors
    EXPECT_NEAR(deviation, wanted, wanted / 4);
  }
}

}  // namespace
}  // namespace tenfold::repconc
