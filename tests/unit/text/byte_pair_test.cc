// SPDX-License-Identifier: Apache-2.0
// Byte-pair encoding: by hand on the example of Sennrich et al., against a trainer and an encoder that are plain loops, against the
// programs of sentencepiece, and on bytes that are no text.
#include "tenfold/text/byte_pair.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"
#include "tenfold/report/child_process.h"
#include "tenfold/text/pretokenizer.h"
#include "tests/support/error_code.h"

namespace tenfold::text {
namespace {

// "low" 5 times, "lower" 2, "newest" 6, "widest" 3 (arXiv 1508.07909, algorithm 1).
std::vector<std::string> sennrich() {
  std::vector<std::string> texts;
  for (const auto& [word, count] :
       std::map<std::string, int>{{"low", 5}, {"lower", 2}, {"newest", 6}, {"widest", 3}})
    texts.insert(texts.end(), static_cast<std::size_t>(count), word);
  return texts;
}

std::vector<std::string> merged(const BytePairParts& parts) {
  std::vector<std::string> results;
  for (const BytePairMerge& merge : parts.merges)
    results.push_back(parts.tokens[merge.left] + parts.tokens[merge.right]);
  return results;
}

std::vector<std::string> pieces_of(const BytePairTokenizer& tokenizer, std::string_view text) {
  std::vector<std::string> pieces;
  for (const std::int64_t number : tokenizer.encode(text)) pieces.push_back(tokenizer.token(number));
  return pieces;
}

// Words of few syllables, the early ones often: `count` texts.
std::vector<std::string> random_texts(std::size_t count, std::uint64_t seed) {
  random::Generator draws(seed, 1);
  std::vector<std::string> words;
  for (int i = 0; i < 60; ++i) {
    std::string word;
    for (std::uint32_t j = 2 + draws.below(6); j > 0; --j)
      word.push_back(static_cast<char>('a' + draws.below(9)));
    words.push_back(word);
  }
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i) {
    std::string text;
    for (int j = 0; j < 12; ++j) text += " " + words[draws.below(1 + draws.below(60))];
    texts.push_back(text);
  }
  return texts;
}

struct PlainTraining {
  std::vector<std::string> merged;
  std::size_t without_ties = 0;  // merges before the first one that had a rival
};

// Counts all pairs anew before each merge.
PlainTraining train_plainly(const std::vector<std::string>& texts, std::size_t merges) {
  std::map<std::vector<std::string>, std::int64_t> words;
  for (const std::string& text : texts)
    for (const std::string_view piece : pretokenize(text)) {
      std::vector<std::string> symbols;
      for (const char byte : piece) symbols.emplace_back(1, byte);
      ++words[symbols];
    }
  std::map<std::string, std::size_t> numbers;
  for (int pass = 0; pass < 2; ++pass)
    for (int byte = 0; byte < 256; ++byte)
      if (((byte >= 33 && byte <= 126) || (byte >= 0xA1 && byte != 0xAD)) == (pass == 0))
        numbers.emplace(std::string(1, static_cast<char>(byte)), numbers.size());
  PlainTraining result;
  bool tied = false;
  while (result.merged.size() < merges) {
    std::map<std::pair<std::size_t, std::size_t>, std::int64_t> counts;
    std::map<std::pair<std::size_t, std::size_t>, std::pair<std::string, std::string>> names;
    for (const auto& [symbols, count] : words)
      for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
        const std::pair key{numbers.at(symbols[i]), numbers.at(symbols[i + 1])};
        counts[key] += count;
        names[key] = {symbols[i], symbols[i + 1]};
      }
    if (counts.empty()) break;
    auto best = counts.begin();
    for (auto i = counts.begin(); i != counts.end(); ++i)
      if (i->second > best->second) best = i;
    const auto rivals = std::count_if(
        counts.begin(), counts.end(), [&](const auto& entry) { return entry.second == best->second; });
    tied = tied || rivals > 1;
    if (!tied) ++result.without_ties;
    const auto [left, right] = names.at(best->first);
    std::map<std::vector<std::string>, std::int64_t> next;
    for (const auto& [symbols, count] : words) {
      std::vector<std::string> joined;
      for (std::size_t i = 0; i < symbols.size(); ++i) {
        const bool here = i + 1 < symbols.size() && symbols[i] == left && symbols[i + 1] == right;
        joined.push_back(here ? left + right : symbols[i]);
        if (here) ++i;
      }
      next[joined] += count;
    }
    words = std::move(next);
    numbers.emplace(left + right, numbers.size());
    result.merged.push_back(left + right);
  }
  return result;
}

TEST(BytePairTraining, MergesTheExampleOfThePaperByHand) {
  const BytePairParts parts = train_byte_pair(sennrich(), {.tokens = 400});
  // 9 times es and st: e has the smaller number. Then est 9; lo and ow 7; ne, ew, west 6; ... down to pairs that occur twice.
  EXPECT_EQ(merged(parts),
            (std::vector<std::string>{
                "es", "est", "lo", "low", "ew", "new", "newest", "dest", "idest", "widest", "er", "lower"}));
  const BytePairTokenizer tokenizer(parts);
  EXPECT_EQ(pieces_of(tokenizer, "lowest"), (std::vector<std::string>{"low", "est"}));
  EXPECT_EQ(pieces_of(tokenizer, "newer"), (std::vector<std::string>{"new", "er"}));
}

TEST(BytePairTraining, EqualsCountingAllPairsAnew) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const std::vector<std::string> texts = random_texts(60, seed);
    const PlainTraining plain = train_plainly(texts, 80);
    BytePairParts parts = train_byte_pair(texts, {.tokens = 256 + 80});
    EXPECT_EQ(merged(parts), plain.merged);
  }
}

TEST(BytePairTraining, DoesNotDependOnThreadsOrTheOrderOfTexts) {
  std::vector<std::string> texts = random_texts(3000, 4);
  set_thread_count(1);
  const BytePairParts one = train_byte_pair(texts, {.tokens = 500});
  set_thread_count(4);
  std::reverse(texts.begin(), texts.end());
  const BytePairParts four = train_byte_pair(texts, {.tokens = 500});
  set_thread_count(1);
  EXPECT_EQ(one.tokens, four.tokens);
  EXPECT_EQ(one.merges, four.merges);
}

TEST(BytePairTraining, NeverMakesASpecialTokenOfText) {
  const std::vector<std::string> texts(20, "<s>");
  const BytePairTokenizer tokenizer(train_byte_pair(texts, {.tokens = 300, .special_tokens = {"<s>"}}));
  EXPECT_EQ(tokenizer.number("<s>"), 0);
  EXPECT_EQ(tokenizer.special_tokens(), std::vector<std::string>{"<s>"});
  EXPECT_GT(tokenizer.encode("<s>").size(), 1u);
  EXPECT_EQ(tokenizer.encode("<s>a", {.special_tokens = true}),
            (std::vector<std::int64_t>{0, tokenizer.number("a")}));
}

TEST(BytePairTraining, RefusesVocabulariesThatCannotBe) {
  EXPECT_EQ(code_of([] { train_byte_pair({}, {.tokens = 255}); }), "bpe.vocabulary_size");
  EXPECT_EQ(code_of([] { train_byte_pair({}, {.special_tokens = {"a"}}); }), "bpe.special_token");
  EXPECT_EQ(code_of([] { train_byte_pair({}, {.special_tokens = {"<s>", "<s>"}}); }), "bpe.special_token");
}

// GPT-2's loop: the pair of lowest rank, everywhere, until there is none.
std::vector<std::string> encode_plainly(const BytePairParts& parts, std::string_view piece) {
  std::vector<std::string> symbols;
  for (const char byte : piece) symbols.emplace_back(1, byte);
  while (true) {
    std::size_t best = parts.merges.size();
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i)
      for (std::size_t rank = 0; rank < best; ++rank)
        if (parts.tokens[parts.merges[rank].left] == symbols[i] &&
            parts.tokens[parts.merges[rank].right] == symbols[i + 1])
          best = rank;
    if (best == parts.merges.size()) return symbols;
    const std::string left = parts.tokens[parts.merges[best].left],
                      right = parts.tokens[parts.merges[best].right];
    std::vector<std::string> joined;
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      const bool here = i + 1 < symbols.size() && symbols[i] == left && symbols[i + 1] == right;
      joined.push_back(here ? left + right : symbols[i]);
      if (here) ++i;
    }
    symbols = joined;
  }
}

TEST(BytePair, EncodesAsTheLoopOfGpt2) {
  const BytePairParts parts = train_byte_pair(random_texts(200, 5), {.tokens = 400});
  const BytePairTokenizer tokenizer(parts);
  random::Generator draws(6, 0);
  for (int round = 0; round < 300; ++round) {
    std::string word;
    for (std::uint32_t i = 1 + draws.below(20); i > 0; --i)
      word.push_back(static_cast<char>('a' + draws.below(10)));
    EXPECT_EQ(pieces_of(tokenizer, word), encode_plainly(parts, word)) << word;
  }
}

TEST(BytePair, NeverLosesAByte) {
  const BytePairTokenizer tokenizer(train_byte_pair(random_texts(50, 7), {.tokens = 300}));
  random::Generator draws(8, 0);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (std::uint32_t i = draws.below(200); i > 0; --i)
      text.push_back(static_cast<char>(draws.below(2) == 0 ? draws.below(256) : 'a' + draws.below(5)));
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  }
  const std::string long_word(100'000, 'a');
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(long_word)), long_word);
}

TEST(BytePair, EncodesManyTextsAsOneByOne) {
  const BytePairTokenizer tokenizer(train_byte_pair(random_texts(50, 7), {.tokens = 300}));
  const std::vector<std::string> texts = random_texts(300, 9);
  const auto together = tokenizer.encode(texts);
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(together[i], tokenizer.encode(texts[i]));
}

TEST(BytePair, RefusesTokensThatAreNotThere) {
  const BytePairTokenizer tokenizer(train_byte_pair({}, {.tokens = 256}));
  EXPECT_EQ(code_of([&] { tokenizer.decode(std::vector<std::int64_t>{256}); }), "bpe.no_such_token");
  EXPECT_EQ(code_of([&] { tokenizer.token(-1); }), "bpe.no_such_token");
  EXPECT_FALSE(tokenizer.is_special(256));
}

TEST(BytePair, RefusesPartsThatDoNotFitTogether) {
  const BytePairParts good = train_byte_pair(sennrich(), {.tokens = 260});
  const auto broken = [&](const std::function<void(BytePairParts&)>& change) {
    BytePairParts parts = good;
    change(parts);
    return code_of([&] { BytePairTokenizer tokenizer(parts); });
  };
  EXPECT_EQ(broken([](auto& parts) { parts.tokens[0] = "??"; }), "bpe.bytes");
  EXPECT_EQ(broken([](auto& parts) { parts.tokens.push_back("es"); }), "bpe.duplicate_token");
  EXPECT_EQ(broken([](auto& parts) { parts.merges[0].left = 260; }), "bpe.merge");
  EXPECT_EQ(broken([](auto& parts) { parts.merges[0].left = 1; }), "bpe.merge");
  EXPECT_EQ(broken([](auto& parts) { parts.merges.push_back(parts.merges[0]); }), "bpe.merge");
}

TEST(BytePairFiles, SpellBytesAsGpt2Does) {
  EXPECT_EQ(to_printable_bytes(" a\n\xC3\xA9"), "\u0120a\u010A\u00C3\u00A9");  // Ġ a Ċ Ã ©
  EXPECT_EQ(to_printable_bytes(std::string(1, '\0')), "\u0100");
  EXPECT_EQ(to_printable_bytes("\xAD"), "\u0143");
}

TEST(BytePairFiles, ReadBackWhatWasWritten) {
  const BytePairTokenizer tokenizer(
      train_byte_pair(std::vector<std::string>(5, " caf\xC3\xA9 \"x\" \\ caf\xC3\xA9"),
                      {.tokens = 300, .special_tokens = {"<|end|>"}}));
  const Path folder = Path(TENFOLD_BINARY_DIR) / "text_test" / "byte_pair";
  std::filesystem::create_directories(folder);
  write_byte_pair(real_file_system(), folder, tokenizer);
  const BytePairTokenizer back = read_byte_pair(folder);
  EXPECT_EQ(back.parts().tokens, tokenizer.parts().tokens);
  EXPECT_EQ(back.parts().merges, tokenizer.parts().merges);
  EXPECT_EQ(back.special_tokens(), std::vector<std::string>{"<|end|>"});
}

TEST(BytePairFiles, RefuseDamage) {
  const BytePairFiles good =
      format_byte_pair(BytePairTokenizer(train_byte_pair(sennrich(), {.tokens = 260})));
  const auto vocabulary = [&](const std::string& json) {
    return code_of([&] { parse_byte_pair(json, good.merges_text, ""); });
  };
  EXPECT_EQ(vocabulary("[]"), "bpe.vocabulary_file");
  EXPECT_EQ(vocabulary(R"({"a": "b"})"), "bpe.vocabulary_file");
  EXPECT_EQ(vocabulary(R"({"a": 1})"), "bpe.vocabulary_file");
  EXPECT_EQ(vocabulary(R"({"a": 0, "b": 0})"), "bpe.vocabulary_file");
  EXPECT_EQ(vocabulary(R"({"a": -1})"), "bpe.vocabulary_file");
  EXPECT_EQ(vocabulary("{"), "json.syntax");
  const auto merges = [&](const std::string& text) {
    return code_of([&] { parse_byte_pair(good.vocabulary_json, text, ""); });
  };
  EXPECT_EQ(merges("es"), "bpe.merges_file");
  EXPECT_EQ(merges("e s t"), "bpe.merges_file");
  EXPECT_EQ(merges("e zz"), "bpe.merges_file");
  EXPECT_EQ(merges("x y"), "bpe.merge");
  EXPECT_EQ(merges(good.merges_text), "");
  try {
    parse_byte_pair(good.vocabulary_json, "#version: 0.2\ne s\nbad", "here");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error_class(), ErrorClass::kFile);
    EXPECT_NE(error.text().what.find("here/merges.txt line 3"), std::string::npos);
  }
}

// The programs of Debian's package sentencepiece as an oracle.
class SentencePiece : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = Path(TENFOLD_BINARY_DIR) / "text_test" / "sentencepiece";
    std::filesystem::create_directories(folder_);
    texts_ = random_texts(3000, 11);
    std::string lines;
    for (const std::string& text : texts_) lines += text.substr(1) + "\n";
    write_file_atomically(real_file_system(), folder_ / "texts", lines);
    const report::ChildResult result =
        report::run_child({.arguments = {"spm_train",
                                         "--input=" + (folder_ / "texts").string(),
                                         "--model_prefix=" + (folder_ / "model").string(),
                                         "--model_type=bpe",
                                         "--vocab_size=90",
                                         "--character_coverage=1.0",
                                         "--num_threads=1",
                                         "--normalization_rule_name=identity",
                                         "--hard_vocab_limit=false"}});
    if (!result.found) GTEST_SKIP() << "no program spm_train: install the Debian package sentencepiece";
    ASSERT_EQ(result.exit_code, 0) << result.errors;
    for (const std::string& line : split(read_text_file(folder_ / "model.vocab"), '\n')) {
      std::string piece = line.substr(0, line.find('\t'));
      if (piece.empty() || piece.front() == '<') continue;
      if (piece.starts_with("\u2581")) piece.replace(0, 3, " ");
      if (piece.size() > 1) pieces_.push_back(piece);  // in order of training; single letters come last
    }
  }
  Path folder_;
  std::vector<std::string> texts_, pieces_;
};

TEST_F(SentencePiece, MergesTheSamePairsUntilTheFirstTie) {
  const PlainTraining plain = train_plainly(texts_, 80);
  ASSERT_GT(plain.without_ties, 0u);
  const std::vector<std::string> ours = merged(train_byte_pair(texts_, {.tokens = 256 + 80}));
  for (std::size_t i = 0; i < plain.without_ties; ++i) EXPECT_EQ(ours[i], pieces_.at(i)) << i;
}

TEST_F(SentencePiece, EncodesTheSameWithItsPieces) {
  // Each way to make a piece of two that are there before it is a merge.
  BytePairParts parts = train_byte_pair({}, {.tokens = 256});
  std::map<std::string, std::uint32_t> numbers;
  for (std::uint32_t i = 0; i < 256; ++i) numbers[parts.tokens[i]] = i;
  for (const std::string& piece : pieces_) {
    for (std::size_t cut = 1; cut < piece.size(); ++cut) {
      const auto left = numbers.find(piece.substr(0, cut)), right = numbers.find(piece.substr(cut));
      if (left != numbers.end() && right != numbers.end())
        parts.merges.push_back({left->second, right->second});
    }
    numbers.emplace(piece, static_cast<std::uint32_t>(parts.tokens.size()));
    parts.tokens.push_back(piece);
  }
  const BytePairTokenizer tokenizer(parts);
  const report::ChildResult result =
      report::run_child({.arguments = {"spm_encode", "--model=" + (folder_ / "model.model").string()},
                         .input = read_text_file(folder_ / "texts")});
  ASSERT_EQ(result.exit_code, 0) << result.errors;
  const std::vector<std::string> lines = split(result.output, '\n');
  ASSERT_GE(lines.size(), texts_.size());
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    std::vector<std::string> theirs;
    for (std::string piece : split(lines[i], ' ')) {
      if (piece.starts_with("\u2581")) piece.replace(0, 3, " ");
      theirs.push_back(piece);
    }
    EXPECT_EQ(pieces_of(tokenizer, texts_[i]), theirs) << texts_[i];
  }
}

}  // namespace
}  // namespace tenfold::text
