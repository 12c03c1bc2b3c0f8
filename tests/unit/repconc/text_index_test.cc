// SPDX-License-Identifier: Apache-2.0
// The index without LibTorch answers as the one with it.
#include "tenfold/systems/repconc/runtime/text_index.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tenfold/systems/repconc/index_part.h"
#include "tests/support/error_code.h"
#include "tests/unit/repconc/small_retriever.h"

namespace tenfold::repconc {
namespace {

class EmbeddedIndex : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = Path(TENFOLD_BINARY_DIR) / "repconc_test" /
              testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    const std::vector<float> vectors = made_.encode_documents(documents().texts);
    write_small(folder_ / "index", made_, vectors);
  }
  Retriever made_ = retriever();
  Path folder_;
};

TEST_F(EmbeddedIndex, EncodesQueriesAsLibTorchDoes) {
  const TextIndex index = TextIndex::open(folder_ / "index");
  for (const std::size_t row : {0u, 17u, 133u}) {
    const std::vector<float> own = index.encode(documents().texts[row]);
    const std::vector<float> reference = made_.encode_query(documents().texts[row]);
    ASSERT_EQ(own.size(), reference.size());
    for (std::size_t i = 0; i < own.size(); ++i) EXPECT_NEAR(own[i], reference[i], 1e-5) << row;
  }
}

TEST_F(EmbeddedIndex, ScalesBlocksOfQueriesAsTheProgramDoes) {
  made_.unit_blocks = true;
  const std::vector<float> vectors = made_.encode_documents(documents().texts);
  write_small(folder_ / "cosine", made_, vectors);
  const std::vector<float> own = TextIndex::open(folder_ / "cosine").encode(documents().texts[29]);
  const std::vector<float> reference = made_.encode_query(documents().texts[29]);
  const std::vector<float> plain = TextIndex::open(folder_ / "index").encode(documents().texts[29]);
  ASSERT_EQ(own.size(), reference.size());
  for (std::size_t i = 0; i < own.size(); ++i) EXPECT_NEAR(own[i], reference[i], 1e-5);
  EXPECT_NE(own, plain);
}

TEST_F(EmbeddedIndex, FindsTheSameDocuments) {
  const TextIndex index = TextIndex::open(folder_ / "index");
  EXPECT_EQ(index.size(), documents().ids.size());
  EXPECT_EQ(index.dimension(), 8u);
  EXPECT_EQ(index.code_bytes(), 2u);
  const OpenIndex open = open_index((folder_ / "index").string());
  const std::vector<float> query = made_.encode_query(documents().texts[21]);
  const search::Hits hits = open.codes->search(search::as_vectors(query, 8), {.k = 6}).front();
  const std::vector<FoundDocument> found = index.search(query, 6);
  ASSERT_EQ(found.size(), hits.size());
  for (std::size_t i = 0; i < hits.size(); ++i) {
    EXPECT_EQ(found[i].id, documents().ids[hits[i].row]);
    EXPECT_EQ(found[i].text, documents().texts[hits[i].row]);
    EXPECT_EQ(found[i].score, hits[i].score);
  }
  EXPECT_EQ(index.search(documents().texts[21], 4).size(), 4u);
}

TEST_F(EmbeddedIndex, RefusesWhatItCannotAnswer) {
  const TextIndex index = TextIndex::open(folder_ / "index");
  EXPECT_EQ(code_of([&] { index.search("?", 3); }), "retrieval.empty_query");
  EXPECT_EQ(code_of([&] { index.search("zzzzqqq", 3); }), "retrieval.unknown_words");
  EXPECT_NE(code_of([&] { index.search(std::vector<float>(5), 3); }), "");
  std::filesystem::resize_file(folder_ / "index" / "documents.jsonl", 10);
  EXPECT_NE(code_of([&] { TextIndex::open(folder_ / "index"); }), "");
}

}  // namespace
}  // namespace tenfold::repconc
