// SPDX-License-Identifier: Apache-2.0
// Words of a corpus and their numbers: what the bag-of-words encoder (encoder.h) reads. No LibTorch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/search/tokenizer.h"

namespace tenfold::repconc {

struct VocabularyOptions {
  std::int64_t least_documents = 1;  // a word of fewer documents is left out
  std::int64_t largest = 200'000;    // words that are kept, the most frequent ones
  search::TokenizerOptions tokenizer;

  void visit_fields(auto&& field) {
    field("least_documents",
          least_documents,
          {.help = "a word that fewer documents have is left out", .min = 1, .max = 1e9});
    field("largest", largest, {.help = "words kept, the most frequent ones", .min = 1, .max = 1e8});
    field("tokenizer", tokenizer, {});
  }
};

// Numbers of the words of many texts, one text after the other.
struct WordLists {
  std::vector<std::int64_t> words;
  std::vector<std::int64_t> begins = {0};  // [texts + 1]

  std::size_t size() const { return begins.size() - 1; }
  std::span<const std::int64_t> operator[](std::size_t text) const {
    return std::span(words).subspan(static_cast<std::size_t>(begins[text]),
                                    static_cast<std::size_t>(begins[text + 1] - begins[text]));
  }
  void add(std::span<const std::int64_t> text);
};

class Vocabulary {
 public:
  // Counts the words of the documents. Words are numbered by falling number of documents, ties by the alphabet. Throws
  // Error(kData, "repconc.no_words") when no word is left.
  Vocabulary(std::span<const std::string> documents, const VocabularyOptions& options);

  // {"words": [...], "idf": [...], "tokenizer": {...}}, and back. Throws Error(kFile, "repconc.vocabulary") for anything else.
  std::string to_json() const;
  static Vocabulary from_json(std::string_view text);

  std::size_t size() const { return words_.size(); }
  // ln(1 + (N - n + 0.5) / (n + 0.5)), as BM25 has it (search/bm25.h).
  const std::vector<float>& idf() const { return idf_; }
  // Numbers of the words of a text in order; words that are not known are left out.
  std::vector<std::int64_t> operator()(std::string_view text) const;
  WordLists operator()(std::span<const std::string> texts) const;

 private:
  Vocabulary() = default;
  void number();

  search::Tokenizer tokenizer_;
  std::vector<std::string> words_;
  std::vector<float> idf_;
  std::unordered_map<std::string, std::int64_t> numbers_;
};

}  // namespace tenfold::repconc
