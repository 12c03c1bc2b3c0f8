// SPDX-License-Identifier: Apache-2.0
// Vocabularies of pieces of words, for transformers: byte pairs learned from the documents, and BERT's word pieces. No LibTorch.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/systems/retrieval/runtime/vocabulary.h"
#include "tenfold/text/byte_pair.h"
#include "tenfold/text/word_piece.h"

namespace tenfold::retrieval {

// A text is read with a space before it, so that its first word has the tokens it has elsewhere.
class BytePairVocabulary final : public Vocabulary {
 public:
  // options.pieces tokens, <s> and </s> among them; lower case when options.tokenizer says so.
  BytePairVocabulary(std::span<const std::string> texts, const VocabularyOptions& options);
  BytePairVocabulary(text::BytePairTokenizer tokenizer, bool lower_case);

  std::size_t size() const override { return tokenizer_.size(); }
  using Vocabulary::operator();
  std::vector<std::int64_t> operator()(std::string_view text) const override;
  std::vector<bool> continues_word() const override;
  Markers markers() const override;
  const std::vector<float>& idf() const override { return no_idf_; }
  void add_members(io::BundleWriter& bundle) const override;

 private:
  text::BytePairTokenizer tokenizer_;
  bool lower_case_;
  std::vector<float> no_idf_;
};

class WordPieceVocabulary final : public Vocabulary {
 public:
  explicit WordPieceVocabulary(text::WordPieceTokenizer tokenizer);

  std::size_t size() const override { return tokenizer_.size(); }
  using Vocabulary::operator();
  std::vector<std::int64_t> operator()(std::string_view text) const override {
    return tokenizer_.encode(text);
  }
  std::vector<bool> continues_word() const override { return tokenizer_.continues_word(); }
  Markers markers() const override { return {tokenizer_.begin(), tokenizer_.end(), tokenizer_.padding()}; }
  const std::vector<float>& idf() const override { return no_idf_; }
  void add_members(io::BundleWriter& bundle) const override;

 private:
  text::WordPieceTokenizer tokenizer_;
  std::vector<float> no_idf_;
};

// vocabulary.json of one of the two kinds, or nullptr when it says that it is of none. Throws as open_vocabulary().
std::shared_ptr<const Vocabulary> open_piece_vocabulary(const io::BundleReader& bundle,
                                                        const std::string& vocabulary_json);

}  // namespace tenfold::retrieval
