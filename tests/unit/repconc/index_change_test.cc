// SPDX-License-Identifier: Apache-2.0
// An index whose documents change answers as one made of the documents that are left; a wrong change leaves it as it was.
#include "tenfold/systems/repconc/index_change.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "tenfold/systems/repconc/searcher.h"
#include "tests/support/error_code.h"
#include "tests/unit/repconc/small_retriever.h"

namespace tenfold::repconc {
namespace {

search::BeirCorpus part(std::size_t begin, std::size_t end) {
  search::BeirCorpus corpus;
  for (std::size_t i = begin; i < end; ++i) {
    corpus.ids.push_back(documents().ids[i]);
    corpus.texts.push_back(documents().texts[i]);
    corpus.titles.emplace_back();
  }
  return corpus;
}

// All forms an index can have.
class ChangedIndex : public testing::TestWithParam<IndexLayout> {
 protected:
  void SetUp() override {
    std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    std::replace(name.begin(), name.end(), '/', '_');
    folder_ = Path(TENFOLD_BINARY_DIR) / "repconc_change_test" / name;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  OpenIndex index_of(const search::BeirCorpus& corpus) const {
    const Retriever made = retriever();
    const std::vector<float> vectors = made.encode_documents(corpus.texts);
    const search::CodeCounts counts = search::count_codes(made.assigning, search::as_vectors(vectors, 8));
    const auto codes = build_index(made, vectors, GetParam());
    write_index(real_file_system(),
                folder_ / "index",
                {.retriever = made, .corpus = corpus, .codes = *codes, .counts = &counts});
    return open_index(folder_.string());
  }
  // Written and read again, as the verb does.
  OpenIndex stored(const OpenIndex& open) const {
    write_index(real_file_system(),
                folder_ / "index",
                {.retriever = open.retriever,
                 .corpus = open.corpus,
                 .codes = *open.codes,
                 .words = &*open.words,
                 .counts = &*open.counts});
    return open_index(folder_.string());
  }
  // Scores of the documents found, by id; every list and candidate is looked at.
  static std::map<std::string, float> scores(OpenIndex open, SearchMethod method, const std::string& text) {
    const Searcher searcher(std::move(open), {.probes = 100, .candidates = 1000});
    std::map<std::string, float> result;
    for (const search::Hit& hit : searcher.hits(method, text, 1000)) {
      EXPECT_TRUE(result.emplace(searcher.index().corpus.ids[hit.row], hit.score).second);
    }
    return result;
  }
  Path folder_;
};

TEST_P(ChangedIndex, AnswersAsOneMadeOfTheDocumentsThatAreLeft) {
  const std::string text = documents().texts[150];
  for (const bool compact : {false, true}) {
    OpenIndex open = index_of(part(0, 120));
    IndexChange change{.added = part(140, 180), .updated = part(20, 22), .removed = {}, .compact = compact};
    change.updated.texts = {documents().texts[200], documents().texts[201]};
    change.removed = {documents().ids[3], documents().ids[119]};
    const IndexChangeReport report = change_index(open, change);
    EXPECT_EQ(report.added, 40u);
    EXPECT_EQ(report.updated, 2u);
    EXPECT_EQ(report.removed, 2u);
    EXPECT_EQ(report.forgotten, compact ? 4u : 0u);
    EXPECT_EQ(open.codes->live(), 158u);
    EXPECT_EQ(open.codes->size(), compact ? 158u : 162u);
    search::BeirCorpus left = part(0, 120);
    for (const std::size_t gone : {119u, 3u}) {
      left.ids.erase(left.ids.begin() + gone);
      left.texts.erase(left.texts.begin() + gone);
    }
    for (const std::size_t i : {0u, 1u})
      left.texts[19 + i] = documents().texts[200 + i];  // one before is gone
    const search::BeirCorpus more = part(140, 180);
    left.ids.insert(left.ids.end(), more.ids.begin(), more.ids.end());
    left.texts.insert(left.texts.end(), more.texts.begin(), more.texts.end());
    left.titles.assign(left.ids.size(), "");
    const OpenIndex changed = stored(open);
    const auto codes = scores(stored(changed), SearchMethod::kCodes, text),
               exact = scores(stored(changed), SearchMethod::kExact, text),
               words = scores(stored(changed), SearchMethod::kBm25, text);
    const auto fresh_codes = scores(index_of(left), SearchMethod::kCodes, text);
    EXPECT_EQ(codes.size(), 158u);
    EXPECT_EQ(codes, fresh_codes);
    EXPECT_EQ(exact.size(), 158u);
    EXPECT_FALSE(exact.contains(documents().ids[3]));
    EXPECT_EQ(words.count(documents().ids[119]), 0u);
    EXPECT_TRUE(words.contains(documents().ids[150]));
    // Statistics of words count removed documents until they are forgotten.
    if (compact) {
      EXPECT_EQ(words, scores(index_of(left), SearchMethod::kBm25, text));
    }
  }
}

TEST_P(ChangedIndex, IsAsItWasAfterAWrongChange) {
  OpenIndex open = index_of(part(0, 60));
  const auto refused = [&](IndexChange change) {
    const std::string code = code_of([&] { change_index(open, change); });
    EXPECT_EQ(open.codes->live(), 60u);
    EXPECT_EQ(open.codes->size(), 60u);
    EXPECT_EQ(open.corpus.ids.size(), 60u);
    return code;
  };
  const std::string& known = documents().ids[5];
  EXPECT_EQ(refused({.added = {}, .updated = {}, .removed = {known, "no such"}}), "index.no_such_document");
  EXPECT_EQ(refused({.added = {}, .updated = {}, .removed = {known, known}}), "index.no_such_document");
  EXPECT_EQ(refused({.added = part(0, 1), .updated = part(61, 62), .removed = {}}), "index.no_such_document");
  EXPECT_EQ(refused({.added = part(5, 6), .updated = {}, .removed = {}}), "index.duplicate_id");
  EXPECT_EQ(refused({.added = part(5, 6), .updated = part(5, 6), .removed = {}}), "index.duplicate_id");
  EXPECT_EQ(refused({.added = {}, .updated = {}, .removed = part(0, 60).ids}), "index.empty");
  // What was removed may come again.
  change_index(open, {.added = {}, .updated = {}, .removed = {known}});
  EXPECT_EQ(change_index(open, {.added = part(5, 6), .updated = {}, .removed = {}}).added, 1u);
}

INSTANTIATE_TEST_SUITE_P(Layouts,
                         ChangedIndex,
                         testing::Values(IndexLayout{},
                                         IndexLayout{.lists = 5, .coarse_graph = true},
                                         IndexLayout{.graph = 8}));

TEST(IndexLayouts, RefuseWhatDoesNotGoTogether) {
  const auto refused = [](const IndexLayout& layout) { return code_of([&] { check_layout(layout); }); };
  EXPECT_EQ(refused({.lists = 4, .graph = 8}), "index.layout");
  EXPECT_EQ(refused({.graph = 1}), "index.layout");
  EXPECT_EQ(refused({.coarse_graph = true}), "index.layout");
  EXPECT_EQ(refused({.lists = 4, .coarse_graph = true}), "");
}

// Documents all of the same few words are coded by the same few codewords.
TEST(IndexDrift, IsSeenInManyDocumentsOfOneKind) {
  Retriever made = retriever();
  const std::vector<float> vectors = made.encode_documents(documents().texts);
  OpenIndex open{.retriever = made,
                 .corpus = documents(),
                 .codes = build_index(made, vectors, {}),
                 .words = std::nullopt,
                 .counts = search::count_codes(made.assigning, search::as_vectors(vectors, 8))};
  IndexChange change{.added = {}, .updated = {}, .removed = {}};
  for (int i = 0; i < 1200; ++i) {
    change.added.ids.push_back("new" + std::to_string(i));
    change.added.texts.push_back(documents().texts[static_cast<std::size_t>(i % 2)]);
  }
  const IndexChangeReport report = change_index(open, change);
  EXPECT_EQ(report.drift.rows, 1200u);
  EXPECT_TRUE(report.drift.drifted) << report.drift.reason;
}

TEST(IndexIds, AreReadByLine) {
  const Path folder = Path(TENFOLD_BINARY_DIR) / "repconc_change_test" / "ids";
  std::filesystem::create_directories(folder);
  write_file_atomically(real_file_system(), folder / "ids", "a b\n\n  c\r\n");
  EXPECT_EQ(read_ids(folder / "ids"), (std::vector<std::string>{"a b", "c"}));
  write_file_atomically(real_file_system(), folder / "none", "\n\n");
  EXPECT_EQ(code_of([&] { read_ids(folder / "none"); }), "index.no_ids");
}

}  // namespace
}  // namespace tenfold::repconc
