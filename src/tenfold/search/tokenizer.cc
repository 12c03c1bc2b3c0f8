// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/tokenizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tenfold::search {
namespace {

constexpr std::array<std::string_view, 33> kStopWords = {
    "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
    "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
    "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};

bool is_word_character(utf8proc_int32_t character) {
  switch (utf8proc_category(character)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

bool is_plain(std::string_view word) {
  return std::all_of(word.begin(), word.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

bool ends_with_any(std::string_view word, std::initializer_list<std::string_view> endings) {
  return std::any_of(
      endings.begin(), endings.end(), [&](std::string_view ending) { return word.ends_with(ending); });
}

bool has_vowel(std::string_view word) {
  return word.find_first_of("aeiouy") != std::string_view::npos;
}

// "runn" -> "run", but "fall" and "pass" stay.
void make_single(std::string& word) {
  const std::size_t n = word.size();
  if (n < 4 || word[n - 1] != word[n - 2]) return;
  if (std::string_view("aeioulsz").find(word[n - 1]) == std::string_view::npos) word.pop_back();
}

}  // namespace

std::string s_stem(std::string_view word) {
  std::string stem(word);
  if (word.size() <= 3 || !is_plain(word)) return stem;
  if (word.ends_with("ies") && !ends_with_any(word, {"eies", "aies"})) {
    stem.replace(stem.size() - 3, 3, "y");
  } else if (word.ends_with("es") && !ends_with_any(word, {"aes", "ees", "oes"})) {
    stem.pop_back();
  } else if (word.ends_with('s') && !ends_with_any(word, {"us", "ss"})) {
    stem.pop_back();
  }
  return stem;
}

std::string light_stem(std::string_view word) {
  std::string stem = s_stem(word);
  if (!is_plain(stem)) return stem;
  const auto cut = [&](std::string_view ending, std::size_t left) {
    if (stem.size() < ending.size() + left || !stem.ends_with(ending)) return false;
    if (!has_vowel(std::string_view(stem).substr(0, stem.size() - ending.size()))) return false;
    stem.resize(stem.size() - ending.size());
    return true;
  };
  if (cut("ing", 3) || cut("ed", 3)) {
    make_single(stem);
  } else {
    cut("ly", 3);
  }
  if (stem.size() > 4 && stem.back() == 'e') stem.pop_back();
  return stem;
}

Tokenizer::Tokenizer(TokenizerOptions options) : options_(std::move(options)) {
  config::check_all(config::Fields(options_));
}

void Tokenizer::finish(std::string& word, std::vector<std::string>& words) const {
  if (word.empty()) return;
  const bool stop =
      options_.stop_words && std::find(kStopWords.begin(), kStopWords.end(), word) != kStopWords.end();
  if (!stop) {
    words.push_back(options_.stemmer == "light" ? light_stem(word)
                    : options_.stemmer == "s"   ? s_stem(word)
                                                : word);
  }
  word.clear();
}

std::vector<std::string> Tokenizer::operator()(std::string_view text) const {
  std::vector<std::string> words;
  std::string word;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  std::size_t position = 0;
  while (position < text.size()) {
    utf8proc_int32_t character = -1;
    const utf8proc_ssize_t length =
        utf8proc_iterate(bytes + position, static_cast<utf8proc_ssize_t>(text.size() - position), &character);
    if (length <= 0 || !is_word_character(character)) {
      finish(word, words);
    } else {
      if (options_.lower_case) character = utf8proc_tolower(character);
      std::array<utf8proc_uint8_t, 4> encoded{};
      const utf8proc_ssize_t size = utf8proc_encode_char(character, encoded.data());
      word.append(reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(size));
    }
    position += static_cast<std::size_t>(std::max<utf8proc_ssize_t>(length, 1));
  }
  finish(word, words);
  return words;
}

}  // namespace tenfold::search
