// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/docid_searcher.h"

#include <gtest/gtest.h>

#include <thread>

#include "tenfold/base/threads.h"
#include "tests/support/error_code.h"
#include "tests/unit/dsi_runtime/plain_t5.h"
#include "tests/unit/dsi_runtime/random_docids.h"

namespace tenfold::dsi {
namespace {

class Searcher : public testing::Test {
 protected:
  Searcher() {
    random::Generator draws(1, 1);
    for (int i = 0; i < 23; ++i) texts_.push_back(random_text(draws, 12, 30));
    lists_.assign(texts_.begin(), texts_.end());
  }
  std::vector<BeamResult> search() const { return searcher_.search(lists_, options_); }

  PlainT5 plain_{{.tokens = 9}};
  MemoryFile file_ = plain_.file();
  DocidSearcher searcher_{
      TextEncoder::open(file_.reader(), {}),
      DocidDecoder::open(file_.reader(), {}),
      DocidTrie::build(as_sequences(random_docids({.count = 500, .tokens = 8, .longest = 4})))};
  std::vector<std::vector<std::uint32_t>> texts_;
  std::vector<TokenList> lists_;
  BeamOptions options_{.beams = 6, .k = 6};
};

void expect_same(const std::vector<BeamResult>& a, const std::vector<BeamResult>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t query = 0; query < a.size(); ++query) {
    ASSERT_EQ(a[query].found.size(), b[query].found.size());
    for (std::size_t i = 0; i < a[query].found.size(); ++i) {
      ASSERT_EQ(a[query].found[i].document, b[query].found[i].document);
      ASSERT_EQ(a[query].found[i].score, b[query].found[i].score);
    }
  }
}

TEST_F(Searcher, AnswersDependNeitherOnThreadsNorOnTheBatch) {
  const int before = thread_count();
  set_thread_count(1);
  const auto one = search();
  set_thread_count(3);
  const auto three = search();
  set_thread_count(before);
  expect_same(one, three);
  for (std::size_t i = 0; i < lists_.size(); ++i)
    expect_same({one[i]}, searcher_.search(std::span(lists_).subspan(i, 1), options_));
}

TEST_F(Searcher, MemoriesOfTheEncoderGiveTheAnswersOfTheTexts) {
  EncoderBuffers buffers;
  TextEncoder::open(file_.reader(), {}).encode(lists_, buffers);
  std::vector<QueryMemory> memories;
  for (std::size_t i = 0; i < lists_.size(); ++i)
    memories.push_back({buffers.memory(i).data, buffers.memory(i).stride, buffers.tokens(i)});
  expect_same(search(), searcher_.search(memories, options_));
  const auto exact = searcher_.search_exactly(lists_[0], {.k = 6}),
             same = searcher_.search_exactly(memories[0], {.k = 6});
  ASSERT_EQ(exact.found.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(exact.found[i].document, same.found[i].document);
}

TEST_F(Searcher, ManyThreadsSearchWhileDocumentsComeAndGo) {
  const auto before = search();
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        for (const BeamResult& result : search()) EXPECT_EQ(result.found.size(), 6u);
      }
    });
  }
  for (std::uint32_t document = 0; document < 200; ++document) EXPECT_TRUE(searcher_.erase(document));
  for (const BeamResult& result : search()) {
    for (const FoundDocid& hit : result.found) EXPECT_GE(hit.document, 200u);
  }
  EXPECT_EQ(searcher_.size(), 300u);
  EXPECT_EQ(searcher_.erased().count(), 200u);
  for (std::uint32_t document = 0; document < 200; ++document) EXPECT_TRUE(searcher_.restore(document));
  threads.clear();
  expect_same(before, search());
}

TEST_F(Searcher, StaysUsableAfterAnError) {
  const std::vector<TokenList> bad{lists_[0], TokenList()};
  EXPECT_EQ(code_of([&] { searcher_.search(bad, options_); }), "dsi.empty_query");
  const search::Bitmap filter(499);
  EXPECT_EQ(code_of([&] { searcher_.search(lists_, options_, &filter); }), "dsi.filter_size");
  EXPECT_EQ(code_of([&] { searcher_.erase(500); }), "dsi.unknown_document");
  const search::Bitmap nothing(500);
  for (const BeamResult& result : searcher_.search(lists_, options_, &nothing))
    EXPECT_TRUE(result.found.empty());
  EXPECT_EQ(search().size(), lists_.size());
}

TEST(DocidSearcher, RefusesPartsThatDoNotFit) {
  const MemoryFile a = PlainT5({.d = 24}).file(), b = PlainT5({.d = 16}).file();
  const DocidTrie trie = DocidTrie::build(as_sequences({{1, 0}}));
  EXPECT_EQ(code_of([&] {
              DocidSearcher(TextEncoder::open(a.reader(), {}), DocidDecoder::open(b.reader(), {}), trie);
            }),
            "dsi.weights");
  const DocidSearcher blind(std::nullopt, DocidDecoder::open(a.reader(), {}), trie);
  EXPECT_FALSE(blind.reads_texts());
  const std::vector<std::uint32_t> text{1};
  const std::vector<TokenList> lists{text};
  EXPECT_EQ(code_of([&] { blind.search(lists, {}); }), "dsi.no_encoder");
}

}  // namespace
}  // namespace tenfold::dsi
