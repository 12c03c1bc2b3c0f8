// SPDX-License-Identifier: Apache-2.0
// Words and their numbers, by hand.
#include "tenfold/systems/retrieval/runtime/vocabulary.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/error_code.h"

namespace tenfold::retrieval {
namespace {

const std::vector<std::string> kTexts = {"red cat", "Red dog", "blue sky"};

TEST(Vocabulary, NumbersWordsByDocumentsAndAlphabet) {
  const WordVocabulary vocabulary(kTexts, {});
  ASSERT_EQ(vocabulary.size(), 5u);
  EXPECT_EQ(vocabulary("red unknown blue red"), (std::vector<std::int64_t>{0, 1, 0}));
  EXPECT_NEAR(vocabulary.idf()[0], std::log(1 + 1.5 / 2.5), 1e-6);  // 2 of 3 documents
  EXPECT_NEAR(vocabulary.idf()[1], std::log(1 + 2.5 / 1.5), 1e-6);  // 1 of 3
}

TEST(Vocabulary, ReadsBackWhatItWrote) {
  const WordVocabulary vocabulary(kTexts, {.tokenizer = {.stemmer = "none"}});
  const WordVocabulary back = WordVocabulary::from_json(vocabulary.to_json());
  EXPECT_EQ(back.idf(), vocabulary.idf());
  EXPECT_EQ(back("sky dog"), vocabulary("sky dog"));
  EXPECT_EQ(back.to_json(), vocabulary.to_json());
}

TEST(Vocabulary, LeavesOutRareWordsAndThoseBeyondTheLimit) {
  EXPECT_EQ(WordVocabulary(kTexts, {.least_documents = 2}).size(), 1u);
  EXPECT_EQ(WordVocabulary(kTexts, {.largest = 3}).size(), 3u);
}

TEST(Vocabulary, RefusesTextsWithoutWordsAndDamagedFiles) {
  const std::vector<std::string> empty = {"", "..."};
  EXPECT_EQ(code_of([&] { WordVocabulary(empty, {}); }), "retrieval.no_words");
  EXPECT_EQ(code_of([] { WordVocabulary::from_json("{}"); }), "retrieval.vocabulary");
  EXPECT_EQ(
      code_of([] {
        WordVocabulary::from_json(
            R"({"words": ["a"], "idf": [], "tokenizer": {"lower_case": true, "stemmer": "none", "stop_words": false}})");
      }),
      "retrieval.vocabulary");
}

}  // namespace
}  // namespace tenfold::retrieval
