// SPDX-License-Identifier: Apache-2.0
// A retriever and an index as bundles: what is read back answers as what was written, and damage is refused.
#include "tenfold/systems/repconc/index_part.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "tests/support/error_code.h"
#include "tests/unit/repconc/small_retriever.h"

namespace tenfold::repconc {
namespace {

Path scratch(const std::string& name) {
  const Path folder = Path(TENFOLD_BINARY_DIR) / "repconc_test" / name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

class WrittenIndex : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = scratch(testing::UnitTest::GetInstance()->current_test_info()->name());
    vectors_ = written_.encode_documents(documents().texts);
    write_small(folder_ / "index", written_, vectors_);
  }
  Retriever written_ = retriever();
  std::vector<float> vectors_;
  Path folder_;
};

TEST_F(WrittenIndex, AnswersAsBeforeItWasWritten) {
  const OpenIndex open = open_index(folder_.string());
  EXPECT_EQ(open.corpus.texts, documents().texts);
  const std::vector<float> query = written_.encode_query(documents().texts[7]);
  EXPECT_EQ(open.retriever.encode_query(documents().texts[7]), query);
  const search::Vectors row(query.data(), 1, query.size());
  EXPECT_EQ(open.codes->search(row).front(), build_codes(written_, vectors_, 0).search(row).front());
  EXPECT_GE(open.code_file_bytes, documents().ids.size() * 2);
}

TEST_F(WrittenIndex, CodesAreOfTheFirstCodewordsAndScoresOfTheSecond) {
  const OpenIndex open = open_index(folder_.string());
  EXPECT_EQ(open.codes->packed_codes(), written_.codes(vectors_));
  EXPECT_EQ(open.codes->quantizer().parts().centroids, written_.scoring.parts().centroids);
}

TEST_F(WrittenIndex, SearchOfAllListsFindsWhatSearchWithoutListsFinds) {
  const search::CodeIndex lists = build_codes(written_, vectors_, 8),
                          plain = build_codes(written_, vectors_, 0);
  const std::vector<float> query = written_.encode_query(documents().texts[9]);
  const search::Vectors row(query.data(), 1, query.size());
  EXPECT_EQ(lists.search(row, {.k = 20, .probes = 8}).front(), plain.search(row, {.k = 20}).front());
}

TEST_F(WrittenIndex, QueriesOfUnitBlocksAreScaledAfterReadingToo) {
  Retriever scaled = written_;
  scaled.unit_blocks = true;
  write_small(folder_ / "scaled", scaled, vectors_);
  const OpenIndex open = open_index((folder_ / "scaled").string());
  EXPECT_TRUE(open.retriever.unit_blocks);
  EXPECT_FALSE(open_index((folder_ / "index").string()).retriever.unit_blocks);
  const std::string text = documents().texts[3];
  const std::vector<float> query = open.retriever.encode_query(text), plain = written_.encode_query(text);
  EXPECT_EQ(open.retriever.encode_queries({text}), query);
  const std::vector<float> y = written_.scoring.rotate(search::as_vectors(query, 8));
  const std::vector<float> z = written_.scoring.rotate(search::as_vectors(plain, 8));
  for (std::size_t block = 0; block < 2; ++block) {
    double length = 0, before = 0;
    for (std::size_t i = 4 * block; i < 4 * block + 4; ++i) {
      length += y[i] * y[i];
      before += z[i] * z[i];
    }
    EXPECT_NEAR(length, 0.5, 1e-5);  // 1 / M
    for (std::size_t i = 4 * block; i < 4 * block + 4; ++i)
      EXPECT_NEAR(y[i], z[i] / std::sqrt(2 * before), 1e-5);
  }
}

TEST_F(WrittenIndex, RefusesQueriesThatCannotBeAnswered) {
  EXPECT_EQ(code_of([&] { written_.encode_query(""); }), "retrieval.empty_query");
  EXPECT_EQ(code_of([&] { written_.encode_query(" ?! "); }), "retrieval.empty_query");
  EXPECT_EQ(code_of([&] { written_.encode_query("zzzz"); }), "retrieval.unknown_words");
}

TEST_F(WrittenIndex, RefusesAChangedByteAndOtherFolders) {
  std::string text = read_text_file(folder_ / "index" / "documents.jsonl");
  text[10] = 'X';
  write_file_atomically(real_file_system(), folder_ / "index" / "documents.jsonl", text);
  EXPECT_EQ(code_of([&] { open_index(folder_.string()); }), "bundle.hash_mismatch");
  EXPECT_EQ(code_of([&] { open_part(folder_.string(), "model"); }), "repconc.no_model");
  EXPECT_EQ(code_of([&] { open_index(scratch("nothing").string()); }), "repconc.no_index");
}

}  // namespace
}  // namespace tenfold::repconc
