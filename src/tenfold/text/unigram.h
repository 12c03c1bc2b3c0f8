// SPDX-License-Identifier: Apache-2.0
// The unigram tokenizer of SentencePiece (Kudo, arXiv 1804.10959; Kudo and Richardson, arXiv 1808.06226) for published vocabularies
// such as T5's: text is normalised by the table of the model, spaces become U+2581, and the pieces with the largest sum of scores win.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"

namespace tenfold::text {

// With the numbers of the file format.
enum class UnigramPieceType : std::uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

struct UnigramPiece {
  std::string text;
  float score = 0.0F;
  UnigramPieceType type = UnigramPieceType::kNormal;
};

struct UnigramParts {
  std::vector<UnigramPiece> pieces;
  bool byte_fallback = false;  // unknown characters become pieces <0x00> to <0xFF>
  bool add_dummy_prefix = true;
  bool remove_extra_whitespaces = true;
  bool escape_whitespaces = true;
  bool whitespace_as_suffix = false;
  // Replacements before anything else: four bytes length, a double array of that many bytes, texts that end with a zero byte. May be empty.
  std::string charsmap;
  std::int64_t begin = -1, end = -1, padding = -1;  // numbers of <s>, </s> and <pad>; -1 for none
};

// The longest keys of a text in a set, by a trie of bytes.
class PrefixTrie {
 public:
  struct Entry {
    std::string_view key;
    std::int64_t value = 0;  // not negative
  };
  PrefixTrie() = default;
  // Keys are different and not empty.
  explicit PrefixTrie(std::vector<Entry> entries);

  // Calls found(length, value) for every key that `text` begins with, short ones first.
  template <typename Found>
  void match(std::string_view text, const Found& found) const {
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size() && !nodes_.empty(); ++i) {
      node = child(node, static_cast<std::uint8_t>(text[i]));
      if (node == 0) return;
      if (nodes_[node].value >= 0) found(i + 1, nodes_[node].value);
    }
  }

 private:
  struct Node {
    std::int64_t value = -1;
    std::uint32_t first_child = 0;
    std::uint16_t children = 0;
    std::uint8_t byte = 0;
  };
  std::uint32_t child(std::uint32_t node, std::uint8_t byte) const;  // 0: none

  std::vector<Node> nodes_;
};

// Immutable and thread-safe.
class UnigramTokenizer {
 public:
  // Throws Error(kData): "unigram.piece" (empty, twice, not UTF-8 or with a score that is not finite), "unigram.unknown" (not exactly one
  // unknown piece), "unigram.bytes" (fallback without all 256), "unigram.charsmap" (its parts do not fit), "unigram.marker" (begin, end or
  // padding is no piece).
  explicit UnigramTokenizer(UnigramParts parts);

  std::size_t size() const { return parts_.pieces.size(); }
  const UnigramParts& parts() const { return parts_; }

  // Numbers of the pieces, without markers. Any text has some; unknown characters next to each other are one unknown piece.
  std::vector<std::int64_t> encode(std::string_view text) const;
  // Text with spaces; markers give nothing, the unknown piece U+2047 between spaces. Throws Error(kData, "unigram.no_such_piece").
  std::string decode(std::span<const std::int64_t> pieces) const;
  // What is cut into pieces.
  std::string normalise(std::string_view text) const;

  std::int64_t unknown() const { return unknown_; }
  std::int64_t begin() const { return parts_.begin; }
  std::int64_t end() const { return parts_.end; }
  std::int64_t padding() const { return parts_.padding; }

 private:
  struct Replacement {
    std::string_view text;
    std::size_t consumed = 0;
  };
  void check_pieces();
  void check_charsmap();
  Replacement replacement_at(std::string_view text) const;
  std::uint32_t unit(std::size_t index) const;

  UnigramParts parts_;
  PrefixTrie trie_;          // normal and user-defined pieces
  PrefixTrie user_defined_;  // these stay as they are
  std::int64_t unknown_ = 0;
  float unknown_score_ = 0.0F;
  std::vector<std::int64_t> bytes_;    // [256] pieces of the fallback, or empty
  std::string_view units_, replaced_;  // of the charsmap
};

// The .model file of SentencePiece. Throws Error(kFile) with the codes of read_text_file() and the constructor, "unigram.file" (damaged) and
// "unigram.model_type" (not a unigram model).
UnigramTokenizer read_unigram(const Path& model);
UnigramTokenizer parse_unigram(std::string_view model, std::string_view place);

}  // namespace tenfold::text
