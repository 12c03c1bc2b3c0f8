// SPDX-License-Identifier: Apache-2.0
// BERT's tokenizer on cases derived by hand from its description.
#include "tenfold/text/word_piece.h"

#include <gtest/gtest.h>

#include <functional>

#include "tenfold/base/random.h"
#include "tests/support/error_code.h"

namespace tenfold::text {
namespace {

using Words = std::vector<std::u32string>;
using Numbers = std::vector<std::int64_t>;

TEST(BasicWords, LowersAndDropsAccents) {
  EXPECT_EQ(basic_words("Héllo  WÖRLD", {}), (Words{U"hello", U"world"}));
  EXPECT_EQ(basic_words("Héllo", {.lower_case = false}), (Words{U"Héllo"}));
  EXPECT_EQ(basic_words("Héllo", {.lower_case = true, .strip_accents = false}), (Words{U"héllo"}));
  EXPECT_EQ(basic_words("Héllo", {.lower_case = false, .strip_accents = true}), (Words{U"Hello"}));
}

TEST(BasicWords, CutsAtPunctuationAndIdeographs) {
  EXPECT_EQ(basic_words("don't (x^2)!", {}), (Words{U"don", U"'", U"t", U"(", U"x", U"^", U"2", U")", U"!"}));
  EXPECT_EQ(basic_words("ab北京c\u3002", {}), (Words{U"ab", U"北", U"京", U"c", U"\u3002"}));
  EXPECT_EQ(basic_words("北京", {.split_ideographs = false}), (Words{U"北京"}));
}

TEST(BasicWords, LeavesOutWhatIsNoText) {
  EXPECT_EQ(basic_words(std::string_view("a\0b\x07\xEF\xBF\xBD\xFF c", 10), {}), (Words{U"ab", U"c"}));
  EXPECT_EQ(basic_words("a\u00A0b\tc\u2028d", {}), (Words{U"a", U"b", U"c", U"d"}));
  EXPECT_EQ(basic_words("a\u200Bb", {}), (Words{U"ab"}));  // a format character
}

class Pieces : public testing::Test {
 protected:
  // The example of BERT's own documentation: unaffable -> un ##aff ##able.
  WordPieceTokenizer tokenizer_ = parse_word_piece(
      "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\nrun\n##n\n##ing\n,\n##é\r\nh\n", "vocab.txt");
};

TEST_F(Pieces, AreTheLongestFromTheLeft) {
  EXPECT_EQ(tokenizer_.encode("UNaffable running, un"), (Numbers{4, 5, 6, 7, 8, 9, 10, 4}));
}

TEST_F(Pieces, OneUnknownPieceMakesTheWordUnknown) {
  EXPECT_EQ(tokenizer_.encode("unaffz run [SEP]"), (Numbers{1, 7, 1, 1, 1}));  // [ sep ] are three words
  EXPECT_EQ(tokenizer_.encode(std::string(101, 'u') + " un"), (Numbers{1, 4}));
  EXPECT_EQ(tokenizer_.encode(""), Numbers{});
}

TEST_F(Pieces, AreCutBetweenCharactersNotBytes) {
  const WordPieceTokenizer cased(tokenizer_.pieces(), {.lower_case = false});
  EXPECT_EQ(cased.encode("hé"), (Numbers{12, 11}));
}

TEST_F(Pieces, GetMarkers) {
  EXPECT_EQ(tokenizer_.with_markers(Numbers{4}), (Numbers{2, 4, 3}));
  EXPECT_EQ(tokenizer_.with_markers(Numbers{4}, Numbers{7}), (Numbers{2, 4, 3, 7, 3}));
  EXPECT_EQ(tokenizer_.decode(Numbers{2, 4, 5, 6, 7, 3}), "[CLS] unaffable run [SEP]");
  EXPECT_EQ(tokenizer_.padding(), 0);
  EXPECT_EQ(tokenizer_.continues_word(),
            (std::vector<bool>{
                false, false, false, false, false, true, true, false, true, true, false, true, false}));
}

TEST_F(Pieces, StandEveryText) {
  random::Generator draws(1, 0);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (std::uint32_t i = draws.below(100); i > 0; --i) text.push_back(static_cast<char>(draws.below(256)));
    for (const std::int64_t number : tokenizer_.encode(text)) {
      EXPECT_GE(number, 0);
      EXPECT_LT(number, 13);
    }
  }
}

TEST_F(Pieces, RefuseVocabulariesThatAreNone) {
  EXPECT_EQ(code_of([] { parse_word_piece("[UNK]\n[CLS]\n", "v"); }), "wordpiece.special_token");
  EXPECT_EQ(code_of([] { parse_word_piece("[UNK]\n[CLS]\n[SEP]\n[UNK]\n", "v"); }), "wordpiece.duplicate");
  EXPECT_EQ(code_of([] { parse_word_piece("[UNK]\n\n[SEP]\n", "v"); }), "wordpiece.empty_line");
  EXPECT_EQ(code_of([] { parse_word_piece("[UNK]\n\xFF\n[SEP]\n", "v"); }), "wordpiece.not_utf8");
  EXPECT_EQ(code_of([&] { tokenizer_.decode(Numbers{13}); }), "wordpiece.no_such_piece");
}

}  // namespace
}  // namespace tenfold::text
