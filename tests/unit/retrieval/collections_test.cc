// SPDX-License-Identifier: Apache-2.0
// Collections from WordNet's files and package descriptions, by lines written for this test.
#include "tenfold/systems/retrieval/collections.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tenfold/base/error.h"
#include "tenfold/search/beir.h"

namespace tenfold::retrieval {
namespace {

constexpr const char* kNouns =
    "  1 a line of the licence\n"
    "00000010 03 n 01 vessel 0 000 | a thing that holds liquid while it stands\n"
    "00000020 03 n 02 mug 0 coffee_cup 0 001 @ 00000010 n 0000 | a mug with a handle; used for coffee; \"he "
    "drank from "
    "the blue mug\"; \"two mugs stood there\"\n";

TEST(Wordnet, MasksTheWordsThatExamplesUse) {
  const MadeCollection made = parse_wordnet({{"data.noun", kNouns}});
  ASSERT_EQ(made.documents.size(), 2u);
  EXPECT_EQ(made.documents[1].id, "n00000020");
  // "mug" is in its examples and goes, wherever it stands; the other word, the hypernym and the definition stay.
  EXPECT_EQ(made.documents[1].text, "coffee cup, a kind of vessel, a with a handle; used for coffee");
  ASSERT_EQ(made.queries.size(), 2u);
  EXPECT_EQ(made.queries[0].text, "he drank from the blue mug");
  EXPECT_EQ(made.queries[1].text, "two mugs stood there");
  for (const auto& query : made.queries) {
    EXPECT_EQ(query.documents, (std::vector<std::string>{"n00000020"}));
    EXPECT_EQ(query.split, split_of_document("n00000020"));
  }
}

TEST(Wordnet, NamesFileAndLineOfWhatIsNoSynset) {
  for (const char* line : {"00000010 03 n 01 vessel 0 000",                 // no gloss
                           "00000010 03 n ff vessel 0 000 | a gloss here",  // fewer words than it says
                           "00000010 03 n 01 vessel 0 005 | a gloss here",  // fewer pointers
                           "x | y"}) {
    try {
      parse_wordnet({{"data.noun", std::string("  licence\n") + line + "\n"}});
      FAIL() << line;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "collection.wordnet_line");
      EXPECT_NE(std::string(error.what()).find("data.noun:2"), std::string::npos) << error.what();
    }
  }
}

TEST(Packages, EqualDescriptionsAreOneDocumentAndEqualSynopsesOneQuery) {
  const MadeCollection made = parse_packages(
      "Package: alpha\nDescription-en: tool that shows clocks\n The alpha program shows many\n clocks at "
      "once.\n .\n It "
      "is small.\n\n"
      "Package: beta\nDescription-en: tool that shows clocks\n The program shows many clocks at once. It is "
      "small.\n\n"
      "Package: gamma\nDescription: no long text\nSection: games\n not of the description\n");
  ASSERT_EQ(made.documents.size(), 1u);
  EXPECT_EQ(made.documents[0].id, "alpha");
  EXPECT_EQ(made.documents[0].text, "The program shows many clocks at once. It is small.");
  ASSERT_EQ(made.queries.size(), 1u);
  EXPECT_EQ(made.queries[0].text, "tool that shows clocks");
  EXPECT_EQ(made.queries[0].documents, (std::vector<std::string>{"alpha"}));
}

TEST(Packages, OfTwoVersionsTheFirstCounts) {
  const MadeCollection made = parse_packages(
      "Package: alpha\nDescription-en: first synopsis of it\n The first long text.\n\n"
      "Package: alpha\nDescription-en: second synopsis of it\n The second long text.\n");
  ASSERT_EQ(made.documents.size(), 1u);
  EXPECT_EQ(made.documents[0].text, "The first long text.");
  ASSERT_EQ(made.queries.size(), 1u);
  EXPECT_EQ(made.queries[0].text, "first synopsis of it");
}

TEST(Packages, SaysWhereDescriptionsComeFrom) {
  try {
    parse_packages("Package: alpha\nDescription: only a synopsis\n");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "collection.no_descriptions");
    EXPECT_NE(error.text().remedy.find("apt-get update"), std::string::npos);
  }
}

TEST(Collection, IsReadBackAsItWasMade) {
  const Path folder = Path(TENFOLD_BINARY_DIR) / "repconc_test_collection";
  std::filesystem::remove_all(folder);
  MadeCollection made;
  made.documents = {{"b", "second \"text\""}, {"a", "first"}};
  made.queries = {{"q2", "two", {"b"}, "test"}, {"q1", "one", {"a", "b"}, "train"}};
  write_collection(real_file_system(), folder, made);
  const search::BeirCorpus corpus = search::read_beir_corpus(folder);
  const search::BeirQueries queries = search::read_beir_queries(folder);
  EXPECT_EQ(corpus.ids, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(corpus.texts, (std::vector<std::string>{"first", "second \"text\""}));
  const search::BeirSplit train = search::read_beir_split(folder, "train", corpus, queries);
  ASSERT_EQ(train.queries.size(), 1u);
  EXPECT_EQ(train.judgements[0].size(), 2u);
  EXPECT_EQ(search::read_beir_split(folder, "test", corpus, queries).judgements[0][0].row, 1u);
  std::filesystem::remove_all(folder);
}

TEST(Collection, SplitsAreTenthsOfTheDocuments) {
  std::map<std::string, int> counts;
  for (int i = 0; i < 5000; ++i) ++counts[split_of_document("n" + std::to_string(i))];
  EXPECT_NEAR(counts["test"], 500, 110);  // five standard deviations
  EXPECT_NEAR(counts["dev"], 500, 110);
  EXPECT_EQ(counts["train"] + counts["dev"] + counts["test"], 5000);
}

}  // namespace
}  // namespace tenfold::retrieval
