// SPDX-License-Identifier: Apache-2.0
// Natural identifiers: titles in words, as GENRE has them in pieces (De Cao et al., arXiv 2010.00904).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tenfold/systems/dsi/docids/digit_code.h"
#include "tenfold/systems/dsi/docids/docid_scheme.h"

namespace tenfold::dsi {

// Tokens 1 to 10 are the decimal digits of a number, the words follow, the most frequent first. The first document of a title has no number,
// the next ones 1, 2, ...; a document without a known word is a number from 0 on. Later documents are named by the words known.
class TitleScheme : public DocidScheme {
 public:
  explicit TitleScheme(const DocidOptions& options);
  std::string text(std::span<const std::uint32_t> sequence) const override;
  const std::vector<std::string>& words() const { return words_; }

 protected:
  std::vector<std::vector<std::uint32_t>> fit(const DocidDocuments& documents) override;
  std::vector<std::vector<std::uint32_t>> extend(const DocidDocuments& documents,
                                                 const Docids& docids) const override;
  std::uint32_t tokens(std::size_t) const override { return code_.tokens(); }
  void save(State& state) const override;
  void load(const io::SafetensorsReader& file) override;

 private:
  std::vector<std::vector<std::string>> words_of(const DocidDocuments& documents) const;
  void number_words();
  std::vector<std::vector<std::uint32_t>> name(const std::vector<std::vector<std::string>>& titles,
                                               Repetitions& repetitions) const;

  DigitCode code_;
  std::vector<std::string> words_;
  std::map<std::string, std::uint32_t, std::less<>> numbers_;  // of a word, from 10 on
};

}  // namespace tenfold::dsi
