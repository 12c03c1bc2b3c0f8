// SPDX-License-Identifier: Apache-2.0
// What turns texts into token numbers, and the words of a corpus as the first kind of it. No LibTorch.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/io/bundle.h"
#include "tenfold/search/tokenizer.h"
#include "tenfold/systems/retrieval/runtime/token_lists.h"

namespace tenfold::retrieval {

struct VocabularyOptions {
  std::int64_t least_documents = 1;  // a word of fewer documents is left out
  std::int64_t largest = 200'000;    // words that are kept, the most frequent ones
  search::TokenizerOptions tokenizer;
  std::int64_t pieces = 8192;  // of the byte-pair vocabulary of a transformer

  void visit_fields(auto&& field) {
    field("least_documents",
          least_documents,
          {.help = "a word that fewer documents have is left out", .min = 1, .max = 1e9});
    field("largest", largest, {.help = "words kept, the most frequent ones", .min = 1, .max = 1e8});
    field("tokenizer", tokenizer, {});
    field("pieces",
          pieces,
          {.help = "of the byte-pair vocabulary of a transformer, trained on the documents",
           .min = 258,
           .max = 1e7});
  }
};

// Texts to token numbers, whatever a token is.
class Vocabulary {
 public:
  virtual ~Vocabulary() = default;

  virtual std::size_t size() const = 0;
  // Numbers of the tokens of a text in order; what has no number is left out.
  virtual std::vector<std::int64_t> operator()(std::string_view text) const = 0;
  TokenLists operator()(std::span<const std::string> texts) const;

  // By token number, whether it goes on with the word before it; empty: every token is a word.
  virtual std::vector<bool> continues_word() const { return {}; }
  // Tokens that a transformer reads before and behind a text and where there is no text; -1: none.
  struct Markers {
    std::int64_t begin = -1, end = -1, padding = 0;
  };
  virtual Markers markers() const { return {}; }
  // Weights of the tokens for a bag of words; empty: none are known.
  virtual const std::vector<float>& idf() const = 0;
  // The members vocabulary.json and, with byte pairs, merges.txt of a bundle.
  virtual void add_members(io::BundleWriter& bundle) const = 0;
};

// Throws Error(kFile): "retrieval.vocabulary" and the codes of text/byte_pair.h and text/word_piece.h, for anything that add_members() has not written.
std::shared_ptr<const Vocabulary> open_vocabulary(const io::BundleReader& bundle);

// The tokens of a query. Throws Error(kData): "retrieval.empty_query" for a text without any letter or digit, "retrieval.unknown_words" when
// none has a number.
std::vector<std::int64_t> query_tokens(const Vocabulary& vocabulary, std::string_view text);

class WordVocabulary final : public Vocabulary {
 public:
  // Counts the words of the documents. Words are numbered by falling number of documents, ties by the alphabet. Throws
  // Error(kData, "retrieval.no_words") when no word is left.
  WordVocabulary(std::span<const std::string> documents, const VocabularyOptions& options);

  // {"words": [...], "idf": [...], "tokenizer": {...}}, and back. Throws Error(kFile, "retrieval.vocabulary") for anything else.
  std::string to_json() const;
  static WordVocabulary from_json(std::string_view text);

  std::size_t size() const override { return words_.size(); }
  // ln(1 + (N - n + 0.5) / (n + 0.5)), as BM25 has it (search/bm25.h).
  const std::vector<float>& idf() const override { return idf_; }
  using Vocabulary::operator();
  std::vector<std::int64_t> operator()(std::string_view text) const override;
  void add_members(io::BundleWriter& bundle) const override;

 private:
  WordVocabulary() = default;
  void number();

  search::Tokenizer tokenizer_;
  std::vector<std::string> words_;
  std::vector<float> idf_;
  std::unordered_map<std::string, std::int64_t> numbers_;
};

}  // namespace tenfold::retrieval
