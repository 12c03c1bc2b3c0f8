// SPDX-License-Identifier: Apache-2.0
// The tokenizer of BERT (Devlin et al., arXiv 1810.04805): text is cleaned and cut into words, and a word into the longest pieces of a
// vocabulary from its beginning to its end; pieces inside a word are written ##piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tenfold/base/file_system.h"

namespace tenfold::text {

struct WordPieceOptions {
  bool lower_case = true;             // "uncased" models
  std::optional<bool> strip_accents;  // as lower_case when it is not said
  bool split_ideographs = true;       // a CJK ideograph is a word
  std::size_t longest_word = 100;     // characters; a longer word is unknown

  bool operator==(const WordPieceOptions&) const = default;
};

// Immutable and thread-safe.
class WordPieceTokenizer {
 public:
  // pieces: by number. Throws Error(kData): "wordpiece.special_token" ([UNK], [CLS] or [SEP] is missing), "wordpiece.duplicate",
  // "wordpiece.not_utf8".
  explicit WordPieceTokenizer(std::vector<std::string> pieces, WordPieceOptions options = {});

  std::size_t size() const { return pieces_.size(); }
  const std::vector<std::string>& pieces() const { return pieces_; }
  const WordPieceOptions& options() const { return options_; }

  // Pieces of a text without [CLS] and [SEP]. A name like [SEP] in the text is text. Bytes that are not UTF-8, U+FFFD and control
  // characters are left out.
  std::vector<std::int64_t> encode(std::string_view text) const;
  // [CLS] pieces [SEP], or [CLS] first [SEP] second [SEP].
  std::vector<std::int64_t> with_markers(std::span<const std::int64_t> first,
                                         std::span<const std::int64_t> second = {}) const;
  // Words with a space between them; markers by their names. Throws Error(kData, "wordpiece.no_such_piece").
  std::string decode(std::span<const std::int64_t> pieces) const;

  std::int64_t number(std::string_view piece) const;  // -1 for none
  std::int64_t unknown() const { return unknown_; }   // [UNK]
  std::int64_t begin() const { return begin_; }       // [CLS]
  std::int64_t end() const { return end_; }           // [SEP]
  std::int64_t padding() const { return padding_; }   // [PAD]; 0 without one
  // By number: ##piece, which goes on with a word.
  std::vector<bool> continues_word() const;

 private:
  std::int64_t required(std::string_view name) const;
  void add_word(std::u32string_view word, std::vector<std::int64_t>& numbers) const;

  std::vector<std::string> pieces_;
  WordPieceOptions options_;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  std::unordered_map<std::string, std::int64_t, Hash, std::equal_to<>> numbers_;
  std::int64_t unknown_ = 0, begin_ = 0, end_ = 0, padding_ = 0;
};

// The words that BERT's first step makes of a text, before they are cut into pieces: cleaned, without accents and capitals when the
// options say so, punctuation marks and ideographs each a word.
std::vector<std::u32string> basic_words(std::string_view text, const WordPieceOptions& options);

// vocab.txt: one piece a line, its number the line's, from 0. Throws Error(kFile) with the codes of read_text_file() and the constructor,
// and "wordpiece.empty_line".
WordPieceTokenizer read_word_piece(const Path& vocabulary, const WordPieceOptions& options = {});
WordPieceTokenizer parse_word_piece(std::string_view vocabulary,
                                    std::string_view place,
                                    const WordPieceOptions& options = {});

// vocab.txt of the folder of a published model, with do_lower_case, strip_accents and tokenize_chinese_chars of its tokenizer_config.json
// when there is one. Throws Error(kFile) as read_word_piece(), what io::parse_json() throws, and "wordpiece.config" when one of the
// three is not true, false or (strip_accents) null.
WordPieceTokenizer read_bert_tokenizer(const Path& folder);

}  // namespace tenfold::text
