// SPDX-License-Identifier: Apache-2.0
// Words for lexical search: runs of letters, marks and digits of any script, lower-cased, stemmed, stop words left out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tenfold/config/field.h"

namespace tenfold::search {

struct TokenizerOptions {
  bool lower_case = true;
  // "s": Harman's S-stemmer ("How effective is suffixing?", JASIS 1991): plurals only.
  // "light": the S-stemmer, then -ing, -ed, -ly and a last -e, with doubled consonants made single. For English.
  std::string stemmer = "light";
  bool stop_words = false;  // leave out the 33 English words of Lucene's classic list

  void visit_fields(auto&& field) {
    field("lower_case", lower_case, {.help = "compare words without their case"});
    field("stemmer", stemmer, {.help = "how endings are cut", .choices = {"none", "s", "light"}});
    field("stop_words", stop_words, {.help = "leave out frequent English words"});
  }
};

class Tokenizer {
 public:
  // Throws Error(kConfig, "config.not_a_choice") for an unknown stemmer.
  explicit Tokenizer(TokenizerOptions options = {});

  // Words in order. Bytes that are not valid UTF-8 separate words, like spaces. Thread-safe.
  std::vector<std::string> operator()(std::string_view text) const;

  const TokenizerOptions& options() const { return options_; }

 private:
  void finish(std::string& word, std::vector<std::string>& words) const;

  TokenizerOptions options_;
};

// Both take a lower-case word and return its stem; words with other letters than a-z come back as they are.
std::string s_stem(std::string_view word);
std::string light_stem(std::string_view word);

}  // namespace tenfold::search
