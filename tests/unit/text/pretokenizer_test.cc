// SPDX-License-Identifier: Apache-2.0
// GPT-2's rule, derived by hand from its regular expression, and Unicode classes.
#include "tenfold/text/pretokenizer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tenfold/base/random.h"
#include "tenfold/text/unicode.h"

namespace tenfold::text {
namespace {

using Pieces = std::vector<std::string_view>;

TEST(Pretokenizer, KeepsASpaceWithTheWordBehindIt) {
  EXPECT_EQ(pretokenize("Hello world 42nd"), (Pieces{"Hello", " world", " 42", "nd"}));
  EXPECT_EQ(pretokenize("a,b... (c)"), (Pieces{"a", ",", "b", "...", " (", "c", ")"}));
}

TEST(Pretokenizer, SplitsEnglishContractions) {
  EXPECT_EQ(pretokenize("I'll we've they'd"), (Pieces{"I", "'ll", " we", "'ve", " they", "'d"}));
  EXPECT_EQ(pretokenize("it's I'LL"), (Pieces{"it", "'s", " I", "'", "LL"}));  // lower case only
  EXPECT_EQ(pretokenize(" 's"), (Pieces{" '", "s"}));
}

TEST(Pretokenizer, GivesTheLastOfSeveralSpacesToTheNextPiece) {
  EXPECT_EQ(pretokenize("a   b"), (Pieces{"a", "  ", " b"}));
  EXPECT_EQ(pretokenize("a\n\nb"), (Pieces{"a", "\n", "\n", "b"}));
  EXPECT_EQ(pretokenize("a \t"), (Pieces{"a", " \t"}));
  EXPECT_EQ(pretokenize("  "), (Pieces{"  "}));
  EXPECT_EQ(pretokenize(""), Pieces{});
}

TEST(Pretokenizer, KnowsLettersAndDigitsOfOtherScripts) {
  EXPECT_EQ(pretokenize("Äpfel été 北京 ٣٤"), (Pieces{"Äpfel", " été", " 北京", " ٣٤"}));
  EXPECT_EQ(pretokenize("x\xC2\xA0y"), (Pieces{"x", "\xC2\xA0", "y"}));  // no-break space is white space
}

TEST(Pretokenizer, TakesBytesOutsideOfUtf8AsSymbols) {
  EXPECT_EQ(pretokenize("a\xFF\xFE!b"), (Pieces{"a", "\xFF\xFE!", "b"}));
  EXPECT_EQ(pretokenize("\xE2\x82"), (Pieces{"\xE2\x82"}));  // the beginning of a character
}

TEST(Pretokenizer, PiecesAreTheWholeText) {
  random::Generator draws(1, 0);
  for (int round = 0; round < 300; ++round) {
    std::string text, joined;
    for (std::uint32_t i = draws.below(60); i > 0; --i) text.push_back(static_cast<char>(draws.below(256)));
    for (const std::string_view piece : pretokenize(text)) {
      EXPECT_FALSE(piece.empty());
      joined += piece;
    }
    EXPECT_EQ(joined, text);
  }
}

TEST(Unicode, DecomposesAndLowers) {
  EXPECT_EQ(decompose("é"), U"e\u0301");
  EXPECT_EQ(decompose("\uD55C"), U"\u1112\u1161\u11AB");  // a Hangul syllable
  EXPECT_EQ(to_lower(U'Σ'), static_cast<std::int32_t>(U'σ'));
  EXPECT_TRUE(is_mark(0x301));
  EXPECT_TRUE(is_cjk_ideograph(0x5317));
  EXPECT_FALSE(is_cjk_ideograph(0x3042));  // kana
}

}  // namespace
}  // namespace tenfold::text
