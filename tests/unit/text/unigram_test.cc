// SPDX-License-Identifier: Apache-2.0
// The unigram tokenizer on cases computed by hand, and beside Debian's own programs of SentencePiece.
#include "tenfold/text/unigram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>

#include "tenfold/base/random.h"
#include "tenfold/base/strings.h"
#include "tenfold/report/child_process.h"
#include "tests/support/error_code.h"

namespace tenfold::text {
namespace {

using Numbers = std::vector<std::int64_t>;

UnigramParts small_parts() {
  return {.pieces = {{"<unk>", 0, UnigramPieceType::kUnknown},
                     {"</s>", 0, UnigramPieceType::kControl},
                     {"\u2581", -3},
                     {"a", -2},
                     {"b", -2.5F},
                     {"ab", -3},
                     {"\u2581ab", -6.5F},
                     {"ba", -9},
                     {"<x>", 0, UnigramPieceType::kUserDefined},
                     {"é", -4}},
          .end = 1};
}

TEST(Unigram, TakesThePiecesWithTheLargestSum) {
  const UnigramTokenizer tokenizer(small_parts());
  // _ + ab = -6 beats _ab = -6.5 and _ + a + b = -7.5.
  EXPECT_EQ(tokenizer.encode("ab"), (Numbers{2, 5}));
  // _ + a + ba = -14, _ + ab + a = -8.
  EXPECT_EQ(tokenizer.encode("aba"), (Numbers{2, 5, 3}));
  EXPECT_EQ(tokenizer.encode(""), Numbers{});
  EXPECT_EQ(tokenizer.encode("   "), Numbers{});
  EXPECT_EQ(tokenizer.encode(" a   é "), (Numbers{2, 3, 2, 9}));
}

TEST(Unigram, JoinsUnknownCharactersAndKeepsUserDefinedPieces) {
  const UnigramTokenizer tokenizer(small_parts());
  EXPECT_EQ(tokenizer.encode("zzq a"), (Numbers{2, 0, 2, 3}));
  EXPECT_EQ(tokenizer.encode("a<x>a"), (Numbers{2, 3, 8, 3}));
  EXPECT_EQ(tokenizer.encode("</s>"), (Numbers{2, 0}));  // a marker's name is text
  EXPECT_EQ(tokenizer.encode("\xFF\xC3"), (Numbers{2, 0}));
}

TEST(Unigram, FallsBackToBytes) {
  UnigramParts parts = small_parts();
  for (int byte = 0; byte < 256; ++byte) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    const std::string name{'<', '0', 'x', kDigits[byte / 16], kDigits[byte % 16], '>'};
    parts.pieces.push_back({name, 0, UnigramPieceType::kByte});
  }
  parts.byte_fallback = true;
  const UnigramTokenizer tokenizer(parts);
  EXPECT_EQ(tokenizer.encode("aß"), (Numbers{2, 3, 10 + 0xC3, 10 + 0x9F}));
  EXPECT_EQ(tokenizer.decode(Numbers{2, 3, 10 + 0xC3, 10 + 0x9F, 1}), "aß");
}

TEST(Unigram, DecodesPiecesToText) {
  const UnigramTokenizer tokenizer(small_parts());
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("ab a b")), "ab a b");
  EXPECT_EQ(tokenizer.decode(Numbers{0, 1}), "\u2047 ");
  EXPECT_EQ(code_of([&] { tokenizer.decode(Numbers{10}); }), "unigram.no_such_piece");
  EXPECT_EQ(code_of([&] { tokenizer.decode(Numbers{-1}); }), "unigram.no_such_piece");
}

TEST(Unigram, RefusesVocabulariesThatAreNone) {
  const auto code = [](const std::function<void(UnigramParts&)>& change) {
    UnigramParts parts = small_parts();
    change(parts);
    return code_of([&] { UnigramTokenizer{parts}; });
  };
  EXPECT_EQ(code([](UnigramParts&) {}), "");
  EXPECT_EQ(code([](UnigramParts& p) { p.pieces.push_back({"a", -1}); }), "unigram.piece");
  EXPECT_EQ(code([](UnigramParts& p) { p.pieces.push_back({"", -1}); }), "unigram.piece");
  EXPECT_EQ(code([](UnigramParts& p) { p.pieces.push_back({"\xC3", -1}); }), "unigram.piece");
  EXPECT_EQ(code([](UnigramParts& p) { p.pieces[3].score = std::nanf(""); }), "unigram.piece");
  EXPECT_EQ(code([](UnigramParts& p) { p.pieces[0].type = UnigramPieceType::kNormal; }), "unigram.unknown");
  EXPECT_EQ(code([](UnigramParts& p) { p.pieces[1].type = UnigramPieceType::kUnknown; }), "unigram.unknown");
  EXPECT_EQ(code([](UnigramParts& p) { p.byte_fallback = true; }), "unigram.bytes");
  EXPECT_EQ(code([](UnigramParts& p) { p.end = 10; }), "unigram.marker");
  EXPECT_EQ(code([](UnigramParts& p) { p.charsmap = "abc"; }), "unigram.charsmap");
  EXPECT_EQ(code([](UnigramParts& p) { p.charsmap = std::string("\x08\0\0\0abcd", 8); }), "unigram.charsmap");
  EXPECT_EQ(code_of([] { UnigramTokenizer{UnigramParts{}}; }), "unigram.unknown");
}

TEST(Unigram, StaysInsideADamagedTableOfReplacements) {
  random::Generator draws(3, 0);
  for (int round = 0; round < 300; ++round) {
    UnigramParts parts = small_parts();
    parts.charsmap = std::string("\x00\x02\0\0", 4);
    for (int i = 0; i < 540; ++i) parts.charsmap.push_back(static_cast<char>(draws.below(256)));
    const UnigramTokenizer tokenizer(parts);
    std::string text;
    for (int i = 0; i < 200; ++i) text.push_back(static_cast<char>(draws.below(256)));
    for (const std::int64_t number : tokenizer.encode(text)) EXPECT_LT(number, 10);
  }
}

// A field of a message by hand: key, length, bytes.
std::string field(int number, const std::string& bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + bytes;
}

TEST(UnigramFile, RefusesDamage) {
  const std::string unknown = field(1, field(1, "<unk>") + std::string("\x18\x02", 2));
  const std::string piece = field(1, field(1, "a") + std::string("\x15\0\0\x80\xBF", 5));  // score -1
  const auto code = [](const std::string& bytes) { return code_of([&] { parse_unigram(bytes, "here"); }); };
  EXPECT_EQ(code(unknown + piece), "");
  EXPECT_EQ(parse_unigram(unknown + piece, "here").encode("a"), (Numbers{0, 1}));
  EXPECT_EQ(code(""), "unigram.unknown");
  EXPECT_EQ(code(unknown + piece.substr(0, piece.size() - 1)), "unigram.file");
  EXPECT_EQ(code(unknown + "\x0B"), "unigram.file");                   // a group
  EXPECT_EQ(code(unknown + std::string(11, '\xFF')), "unigram.file");  // an endless number
  EXPECT_EQ(code(unknown + std::string("\x0A\xFF\xFF\xFF\xFF\x0F", 6)),
            "unigram.file");                                              // longer than the file
  EXPECT_EQ(code(unknown + std::string("\x08\x01", 2)), "unigram.file");  // a piece that is a number
  EXPECT_EQ(code(unknown + field(1, field(1, "b") + std::string("\x18\x09", 2))), "unigram.file");
  EXPECT_EQ(code(unknown + field(2, std::string("\x18\x02", 2))), "unigram.model_type");  // byte pairs
  EXPECT_EQ(code(unknown + piece + piece), "unigram.piece");
  try {
    parse_unigram("\x0B", "here/spiece.model");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error_class(), ErrorClass::kFile);
    EXPECT_NE(error.text().what.find("here/spiece.model"), std::string::npos);
  }
}

// The pages of this project as training text, trained and encoded by spm_train and spm_encode.
class UnigramPrograms : public testing::Test {
 protected:
  void train(const std::string& name, const std::vector<std::string>& options) {
    folder_ = Path(TENFOLD_BINARY_DIR) / "text_test" / ("unigram_" + name);
    std::filesystem::create_directories(folder_);
    std::string text;
    for (const char* page : {"README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/bundle-format.md"})
      text += read_text_file(Path(TENFOLD_SOURCE_DIR) / page);
    write_file_atomically(real_file_system(), folder_ / "texts", text);
    std::vector<std::string> arguments{"spm_train",
                                       "--input=" + (folder_ / "texts").string(),
                                       "--model_prefix=" + (folder_ / "model").string(),
                                       "--model_type=unigram",
                                       "--num_threads=1",
                                       "--hard_vocab_limit=false",
                                       "--vocab_size=600"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const report::ChildResult result = report::run_child({.arguments = arguments});
    if (!result.found) GTEST_SKIP() << "no program spm_train: install the Debian package sentencepiece";
    ASSERT_EQ(result.exit_code, 0) << result.errors;
  }

  // Lines of words, signs and odd characters, and of bytes that are not UTF-8.
  static std::vector<std::string> odd_lines() {
    const std::vector<std::string> parts{"tenfold", "search",   " ",
                                         "  ",      "\t",       "index",
                                         "é",       "e\u0301",  "ﬁ",
                                         "Ａ",      "ｶﾞ",       "①",
                                         "\u00A0",  "\u3000",   "\u200B",
                                         "\u0007",  "北京",     "🙂",
                                         "½",       "—",        "\u2581",
                                         "(x)",     "0.125",    "<unk>",
                                         "</s>",    "[A]",      "Ⅻ",
                                         "ß",       "İ",        "\u0130",
                                         "\uFEFF",  "한국",     "\u1112\u1161",
                                         "\xC3",    "\xFF\xFE", "a\u0308\u0323"};
    std::vector<std::string> lines;
    random::Generator draws(9, 0);
    for (int i = 0; i < 1500; ++i) {
      std::string line;
      for (std::uint32_t n = draws.below(12); n > 0; --n)
        line += parts[draws.below(static_cast<std::uint32_t>(parts.size()))];
      lines.push_back(line);
    }
    return lines;
  }

  void expect_same_numbers() {
    if (IsSkipped() || HasFatalFailure()) return;
    std::vector<std::string> lines = split(read_text_file(folder_ / "texts"), '\n');
    for (const std::string& line : odd_lines()) lines.push_back(line);
    std::string input;
    for (const std::string& line : lines) input += line + "\n";
    const report::ChildResult result = report::run_child(
        {.arguments = {"spm_encode", "--model=" + (folder_ / "model.model").string(), "--output_format=id"},
         .input = input});
    ASSERT_EQ(result.exit_code, 0) << result.errors;
    const std::vector<std::string> answers = split(result.output, '\n');
    ASSERT_GE(answers.size(), lines.size());
    const UnigramTokenizer tokenizer = read_unigram(folder_ / "model.model");
    EXPECT_EQ(tokenizer.end(), 2);
    EXPECT_EQ(tokenizer.begin(), 1);
    EXPECT_EQ(tokenizer.padding(), -1);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      std::string ours;
      for (const std::int64_t number : tokenizer.encode(lines[i]))
        ours += (ours.empty() ? "" : " ") + std::to_string(number);
      ASSERT_EQ(ours, answers[i]) << i << ": " << lines[i];
    }
  }
  Path folder_;
};

TEST_F(UnigramPrograms, EncodeTheSameWithT5Settings) {
  train("nfkc", {"--normalization_rule_name=nmt_nfkc", "--character_coverage=1.0"});
  expect_same_numbers();
}

TEST_F(UnigramPrograms, EncodeTheSameWithBytesAndOwnPieces) {
  train("bytes",
        {"--byte_fallback=true", "--user_defined_symbols=[A],tenf,(x)", "--normalization_rule_name=nfkc_cf"});
  expect_same_numbers();
}

TEST_F(UnigramPrograms, EncodeTheSameWithoutNormalisation) {
  train(
      "identity",
      {"--normalization_rule_name=identity", "--remove_extra_whitespaces=false", "--add_dummy_prefix=false"});
  expect_same_numbers();
}

}  // namespace
}  // namespace tenfold::text
