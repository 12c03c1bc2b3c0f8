// SPDX-License-Identifier: Apache-2.0
// Several processes find what one finds, to the bit.
#include "tenfold/systems/repconc/shards.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tenfold/base/sha256.h"
#include "tenfold/systems/repconc/index_part.h"
#include "tenfold/systems/retrieval/encoder.h"
#include "tests/support/rank_processes.h"
#include "tests/unit/repconc/small_retriever.h"

namespace tenfold::repconc {
namespace {

TEST(Shards, CoverAllRowsInWholeGroups) {
  for (const std::size_t rows : {0u, 1u, 63u, 64u, 65u, 1000u}) {
    std::size_t next = 0;
    for (int rank = 0; rank < 3; ++rank) {
      const Shard shard = shard_of(rows, 64, rank, 3);
      EXPECT_EQ(shard.begin, next);
      EXPECT_TRUE(shard.end % 64 == 0 || shard.end == rows);
      next = shard.end;
    }
    EXPECT_EQ(next, rows);
  }
}

// Everything that a process answers, as one text.
std::string answer(train::Communicator& communicator, std::int64_t lists) {
  const Retriever made = retriever();
  std::vector<std::string> texts;  // more than one part of the encoder
  for (std::size_t i = 0; i < 3 * retrieval::kEncodeBatch / 2; ++i)
    texts.push_back(documents().texts[i % documents().texts.size()]);
  const std::vector<float> vectors =
      encode_in_shards(communicator, texts.size(), 8, [&](std::size_t begin, std::size_t end) {
        return made.encode_documents({texts.begin() + static_cast<std::ptrdiff_t>(begin),
                                      texts.begin() + static_cast<std::ptrdiff_t>(end)});
      });
  const search::CodeIndex index = build_codes(made, vectors, lists);
  const std::vector<float> queries = made.encode_queries({texts[3], texts[500], texts[40]});
  std::string text(vectors.size() * sizeof(float), '\0');
  std::memcpy(text.data(), vectors.data(), text.size());
  text = sha256_hex(text);
  for (const search::Hits& hits :
       search_in_shards(communicator, index, search::as_vectors(queries, 8), {.k = 20})) {
    for (const search::Hit& hit : hits) text += fmt::format(" {}:{}", hit.row, hit.score);
  }
  return text;
}

TEST(Shards, SeveralProcessesAnswerAsOne) {
  if (const std::string problem = train_test::loopback_problem(); !problem.empty()) GTEST_SKIP() << problem;
  for (const std::int64_t lists : {0, 6}) {
    const auto run = [&](int ranks) {
      return train_test::run_ranks(ranks, [&](const train::CommunicatorOptions& options) {
        return answer(*train::make_communicator(options), lists);
      });
    };
    const std::string one = run(1).front().text;
    EXPECT_GT(one.size(), 64u + 20);
    for (const train_test::RankResult& rank : run(3)) {
      EXPECT_TRUE(rank.finished && rank.code.empty()) << rank.code << rank.text;
      EXPECT_EQ(rank.text, one);
    }
  }
}

TEST(Shards, FewerRowsThanProcessesAreNoProblem) {
  if (const std::string problem = train_test::loopback_problem(); !problem.empty()) GTEST_SKIP() << problem;
  const auto ranks = train_test::run_ranks(2, [](const train::CommunicatorOptions& options) {
    const auto communicator = train::make_communicator(options);
    search::ProductQuantizerParts parts{
        .dimension = 2, .blocks = 1, .bits = 4, .centroids = std::vector<float>(32)};
    for (std::size_t i = 0; i < 16; ++i) parts.centroids[2 * i] = static_cast<float>(i);
    search::CodeIndex index{search::ProductQuantizer(parts)};
    const std::vector<float> row = {7.0F, 0.0F}, query = {1.0F, 1.0F};
    index.add(search::as_vectors(row, 2));
    const search::Hits hits =
        search_in_shards(*communicator, index, search::as_vectors(query, 2), {.k = 5}).front();
    return fmt::format("{} {} {}", hits.size(), hits.front().row, hits.front().score);
  });
  for (const train_test::RankResult& rank : ranks) EXPECT_EQ(rank.text, "1 0 7");
}

}  // namespace
}  // namespace tenfold::repconc
