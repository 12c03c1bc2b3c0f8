// SPDX-License-Identifier: Apache-2.0
// Words of texts in several scripts, and stems by the published rules.
#include "tenfold/search/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tenfold/base/error.h"

namespace tenfold::search {
namespace {

using testing::ElementsAre;

TEST(Tokenizer, SplitsAtEverythingThatIsNoLetterOrDigit) {
  const Tokenizer words({.stemmer = "none"});
  EXPECT_THAT(words("The F-16's 2 engines: 0.9, e.g.\t\"new\""),
              ElementsAre("the", "f", "16", "s", "2", "engines", "0", "9", "e", "g", "new"));
  EXPECT_TRUE(words("").empty());
  EXPECT_TRUE(words(" -- !? \n").empty());
}

TEST(Tokenizer, LowersTheCaseOfEveryScript) {
  const Tokenizer words({.stemmer = "none"});
  EXPECT_THAT(words("ÄPFEL Ωμέγα ЖУК naïve"), ElementsAre("äpfel", "ωμέγα", "жук", "naïve"));
  EXPECT_THAT(Tokenizer({.lower_case = false, .stemmer = "none"})("Ab"), ElementsAre("Ab"));
}

TEST(Tokenizer, TreatsBytesThatAreNotUtf8AsSpaces) {
  const Tokenizer words({.stemmer = "none"});
  EXPECT_THAT(words("ab\xff\xc3 cd\xed\xa0\x80x"), ElementsAre("ab", "cd", "x"));
}

TEST(Tokenizer, LeavesOutStopWordsOnRequest) {
  EXPECT_THAT(Tokenizer({.stemmer = "none", .stop_words = true})("The cat is ON the mat"),
              ElementsAre("cat", "mat"));
}

TEST(Tokenizer, RefusesAnUnknownStemmer) {
  EXPECT_THROW(Tokenizer({.stemmer = "prter"}), Error);
}

// The three rules of Harman (1991), table 1, with their exceptions.
TEST(SStem, FollowsHarmansRules) {
  EXPECT_EQ(s_stem("queries"), "query");
  EXPECT_EQ(s_stem("zombies"), "zomby");
  EXPECT_EQ(s_stem("plates"), "plate");
  EXPECT_EQ(s_stem("cats"), "cat");
  EXPECT_EQ(s_stem("goes"), "goe");
  EXPECT_EQ(s_stem("corpus"), "corpus");
  EXPECT_EQ(s_stem("glass"), "glass");
  EXPECT_EQ(s_stem("its"), "its");
  EXPECT_EQ(s_stem("äpfels"), "äpfels");
}

TEST(LightStem, JoinsTheFormsOfAVerb) {
  EXPECT_EQ(light_stem("running"), "run");
  EXPECT_EQ(light_stem("used"), light_stem("used"));
  EXPECT_EQ(light_stem("created"), light_stem("creating"));
  EXPECT_EQ(light_stem("creates"), light_stem("create"));
  EXPECT_EQ(light_stem("falling"), "fall");
  EXPECT_EQ(light_stem("quickly"), "quick");
  EXPECT_EQ(light_stem("string"), "string");  // no vowel would be left
  EXPECT_EQ(light_stem("red"), "red");
  EXPECT_EQ(light_stem("king"), "king");
}

}  // namespace
}  // namespace tenfold::search
