// SPDX-License-Identifier: Apache-2.0
// Byte-level byte-pair encoding (Sennrich et al., arXiv 1508.07909; over bytes: Radford et al. 2019): a text is cut into pieces
// (text/pretokenizer.h), a piece into bytes, and neighbours are joined in the order in which training joined them. Every text has tokens,
// invalid UTF-8 too, and decode(encode(text)) is the text, byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tenfold/base/file_system.h"

namespace tenfold::text {

struct BytePairMerge {
  std::uint32_t left = 0, right = 0;  // tokens
  bool operator==(const BytePairMerge&) const = default;
};

// What training finds and files hold. Tokens stand at their number; those that are neither a byte nor the result of a merge are special:
// they stand for no text of their own.
struct BytePairParts {
  std::vector<std::string> tokens;    // bytes, or the name of a special token
  std::vector<BytePairMerge> merges;  // in order of training
};

struct BytePairEncodeOptions {
  // The names of special tokens in a text become these tokens. Off for text of strangers, who could otherwise end a document.
  bool special_tokens = false;
};

// Immutable and thread-safe.
class BytePairTokenizer {
 public:
  // Throws Error(kData): "bpe.bytes" (a byte without a token), "bpe.merge" (of tokens that are not there, or whose result is not a token,
  // or that stands twice), "bpe.duplicate_token", "bpe.too_many_tokens" (2^31 or more).
  explicit BytePairTokenizer(BytePairParts parts);

  std::size_t size() const { return parts_.tokens.size(); }
  const BytePairParts& parts() const { return parts_; }
  std::vector<std::string> special_tokens() const;  // in order of their numbers

  std::vector<std::int64_t> encode(std::string_view text, const BytePairEncodeOptions& options = {}) const;
  // Uses the threads of base/threads.h.
  std::vector<std::vector<std::int64_t>> encode(std::span<const std::string> texts,
                                                const BytePairEncodeOptions& options = {}) const;
  // The bytes that tokens stand for; special tokens by their names. Throws Error(kData, "bpe.no_such_token").
  std::string decode(std::span<const std::int64_t> tokens) const;

  // The bytes of a token. Throws Error(kData, "bpe.no_such_token").
  const std::string& token(std::int64_t number) const;
  // The number of a token, or -1.
  std::int64_t number(std::string_view token) const;
  bool is_special(std::int64_t number) const;  // false for a number that is not there

 private:
  struct Joined {
    std::uint32_t rank, token;
  };
  using Cache = std::unordered_map<std::string_view, std::vector<std::uint32_t>>;

  void check_bytes();
  void check_merges();
  std::vector<std::uint32_t> encode_piece(std::string_view piece) const;
  void encode_ordinary(std::string_view text, Cache& cache, std::vector<std::int64_t>& tokens) const;
  std::vector<std::int64_t> encode_with(std::string_view text,
                                        const BytePairEncodeOptions& options,
                                        Cache& cache) const;

  BytePairParts parts_;
  std::vector<std::uint32_t> of_byte_;                // [256] tokens
  std::unordered_map<std::uint64_t, Joined> joined_;  // by left and right
  std::unordered_map<std::string, std::uint32_t> numbers_;
  std::vector<bool> special_;
  std::vector<std::uint32_t> specials_;  // numbers of the special tokens
};

struct BytePairTrainOptions {
  std::size_t tokens = 8192;                // size of the vocabulary, special tokens and 256 bytes included
  std::int64_t least_count = 2;             // a pair that is rarer is not joined
  std::vector<std::string> special_tokens;  // the first numbers, in this order
};

// Joins the most frequent pair of neighbours again and again, ties by the smaller numbers; fewer tokens come out when no pair is frequent
// enough. Time grows with the different pieces of the texts and with log of the pairs, and depends little on the number of merges. A pure
// function of the texts, whatever the number of threads. Throws Error(kConfig, "bpe.vocabulary_size") for less than 256 tokens and the
// special ones, "bpe.special_token" (shorter than two bytes, not UTF-8, or there twice).
BytePairParts train_byte_pair(std::span<const std::string> texts, const BytePairTrainOptions& options);

// GPT-2's way to write bytes as printable characters: '!' to '~', 0xA1 to 0xAC and 0xAE to 0xFF stand for themselves, the others for
// U+0100 and on, so that a space is U+0120. These are the spellings in vocab.json and merges.txt.
std::string to_printable_bytes(std::string_view bytes);

// vocab.json: {"token": number, ...} with every number from 0 on once; merges.txt: "left right" a line, after an optional line
// "#version: ...". Tokens that are no merge and no byte are special (see BytePairParts). `place` begins the messages. Throws Error(kFile):
// "bpe.vocabulary_file" (no object of numbers; a number missing or twice), "bpe.merges_file" (with the line), and with class kFile what the
// constructor above throws.
BytePairTokenizer parse_byte_pair(std::string_view vocabulary_json,
                                  std::string_view merges_text,
                                  std::string_view place);
// The files vocab.json and merges.txt of a folder, as published models have them. Throws Error(kFile) also as read_text_file().
BytePairTokenizer read_byte_pair(const Path& folder);

struct BytePairFiles {
  std::string vocabulary_json, merges_text;
};
BytePairFiles format_byte_pair(const BytePairTokenizer& tokenizer);
// Each file atomically, vocab.json last.
void write_byte_pair(FileSystem& files, const Path& folder, const BytePairTokenizer& tokenizer);

}  // namespace tenfold::text
