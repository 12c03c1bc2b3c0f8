// SPDX-License-Identifier: Apache-2.0
// Folders in BEIR form: what is read, and an error with file and line for everything that is wrong.
#include "tenfold/search/beir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tenfold/base/error.h"
#include "tests/unit/io/text_test_util.h"

namespace tenfold::search {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Beir : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& content) {
    std::filesystem::create_directories((path() / name).parent_path());
    write_file_atomically(real_file_system(), path() / name, content);
  }
  void write_all(const std::string& labels = "q1\td2\t1\n") {
    write("corpus.jsonl",
          R"({"_id": "d1", "title": "One", "text": "first", "url": 3})"
          "\n"
          R"({"_id": "d2", "text": "second"})"
          "\n");
    write("queries.jsonl", "{\"_id\": \"q1\", \"text\": \"?\"}\n{\"_id\": 7, \"text\": \"!\"}\n");
    write("qrels/test.tsv", "query-id\tcorpus-id\tscore\n" + labels);
  }
  Path path() const { return folder_.path(); }

  // The code of the error, "" for none; `message_` keeps the text.
  std::string code(const std::string& split = "test") {
    try {
      const auto corpus = read_beir_corpus(path());
      const auto queries = read_beir_queries(path());
      static_cast<void>(read_beir_split(path(), split, corpus, queries));
      return "";
    } catch (const Error& error) {
      message_ = error.what();
      return error.code();
    }
  }

  io::TempFolder folder_;
  std::string message_;
};

TEST_F(Beir, ReadsTextsIdsAndLabels) {
  write_all("7\td1\t2\nq1\td2\t0\n");
  const auto corpus = read_beir_corpus(path());
  EXPECT_THAT(corpus.ids, ElementsAre("d1", "d2"));
  EXPECT_THAT(corpus.texts, ElementsAre("One first", "second"));
  EXPECT_THAT(corpus.titles, ElementsAre("One", ""));
  const auto queries = read_beir_queries(path());
  EXPECT_THAT(queries.ids, ElementsAre("q1", "7"));
  const auto split = read_beir_split(path(), "test", corpus, queries);
  EXPECT_THAT(split.queries, ElementsAre(0, 1));
  EXPECT_EQ(split.judgements[0][0].row, 1u);
  EXPECT_EQ(split.judgements[1][0].grade, 2);
  EXPECT_THAT(beir_splits(path()), ElementsAre("test"));
}

TEST_F(Beir, NamesTheSplitsThereAre) {
  write_all();
  EXPECT_EQ(code("dev"), "beir.no_split");
  EXPECT_THAT(message_, HasSubstr("test"));
}

TEST_F(Beir, RefusesLabelsForWhatIsNotThere) {
  write_all("q1\td9\t1\n");
  EXPECT_EQ(code(), "beir.unknown_document");
  EXPECT_THAT(message_, HasSubstr("test.tsv line 2"));
  write_all("q9\td1\t1\n");
  EXPECT_EQ(code(), "beir.unknown_query");
}

TEST_F(Beir, RefusesWrongLabels) {
  write_all("q1\td1\tyes\n");
  EXPECT_EQ(code(), "beir.grade");
  write_all("q1\td1\t1\nq1\td1\t1\n");
  EXPECT_EQ(code(), "beir.duplicate_label");
  write_all("");
  EXPECT_EQ(code(), "beir.empty");
  write("qrels/test.tsv", "q1 d1 1\n");
  EXPECT_EQ(code(), "beir.columns");
}

TEST_F(Beir, RefusesWrongLines) {
  write_all();
  write("corpus.jsonl", "{\"_id\": \"d1\", \"text\": \"a\"}\n{\"_id\": \"d1\", \"text\": \"b\"}\n");
  EXPECT_EQ(code(), "beir.duplicate_id");
  EXPECT_THAT(message_, HasSubstr("corpus.jsonl line 2"));
  write("corpus.jsonl", "{\"_id\": \"d1\"}\n");
  EXPECT_EQ(code(), "beir.field");
  write("corpus.jsonl", "{\"_id\": \"d1\", \"text\": 5}\n");
  EXPECT_EQ(code(), "beir.field");
  write("corpus.jsonl", "");
  EXPECT_EQ(code(), "beir.empty");
  std::filesystem::remove(path() / "corpus.jsonl");
  EXPECT_EQ(code(), "file.not_found");
}

}  // namespace
}  // namespace tenfold::search
