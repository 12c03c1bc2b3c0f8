// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/names.h"

#include <algorithm>
#include <cstddef>

#include "tenfold/base/strings.h"

namespace tenfold::compute_trends {
namespace {

bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
}

std::string digits_of(std::string_view name) {
  std::string digits;
  for (char c : name) {
    if (c >= '0' && c <= '9') digits += c;
  }
  return digits;
}

// Levenshtein distance, given up (limit + 1) as soon as it must exceed `limit`.
std::size_t bounded_distance(std::string_view a, std::string_view b, std::size_t limit) {
  if (a.size() > b.size() + limit || b.size() > a.size() + limit) return limit + 1;
  std::vector<std::size_t> previous(b.size() + 1), current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      current[j] =
          std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
    }
    if (*std::min_element(current.begin(), current.end()) > limit) return limit + 1;
    previous.swap(current);
  }
  return previous[b.size()];
}

// Short names differ by a letter on purpose ("GPT", "GAT"; "ViT-G/14", "ViT-H/14"): no tolerance below eight letters.
bool is_near_spelling(std::string_view a, std::string_view b) {
  const std::size_t shorter = std::min(a.size(), b.size());
  if (shorter < 8 || digits_of(a) != digits_of(b)) return false;
  const std::size_t limit = shorter < 12 ? 1 : 2;
  return bounded_distance(a, b, limit) <= limit;
}

bool is_word_prefix(const std::vector<std::string>& shorter, const std::vector<std::string>& longer) {
  return !shorter.empty() && shorter.size() <= longer.size() &&
         std::equal(shorter.begin(), shorter.end(), longer.begin());
}

// "model" says nothing; a single short word ("Net") would be found everywhere.
bool words_stand_in(const std::vector<std::string>& few, const std::vector<std::string>& many) {
  std::size_t letters = 0;
  for (const std::string& word : few) {
    if (word.size() < 3 || word == "model") continue;
    if (std::find(many.begin(), many.end(), word) == many.end()) return false;
    letters += word.size();
  }
  return letters >= 8;
}

}  // namespace

std::string squeezed_name(std::string_view name) {
  std::string squeezed;
  for (char c : to_lower(name)) {
    if (is_word_byte(c)) squeezed += c;
  }
  return squeezed;
}

std::vector<std::string> name_words(std::string_view name) {
  std::vector<std::string> words;
  bool inside = false;
  for (char c : to_lower(name)) {
    if (!is_word_byte(c)) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    words.back() += c;
    inside = true;
  }
  return words;
}

std::string name_base(std::string_view name) {
  const std::string base = squeezed_name(name.substr(0, name.find_first_of("([")));
  return base.empty() ? squeezed_name(name) : base;
}

std::string_view to_string(Likeness likeness) {
  switch (likeness) {
    case Likeness::kNone:
      return "none";
    case Likeness::kFigures:
      return "figures";
    case Likeness::kWords:
      return "words";
    case Likeness::kPrefix:
      return "prefix";
    case Likeness::kSpelling:
      return "spelling";
    case Likeness::kSame:
      return "same name";
  }
  return "none";
}

Likeness name_likeness(std::string_view a, std::string_view b) {
  const std::string squeezed_a = squeezed_name(a), squeezed_b = squeezed_name(b);
  if (squeezed_a.empty() || squeezed_b.empty()) return Likeness::kNone;
  if (squeezed_a == squeezed_b) return Likeness::kSame;
  if (is_near_spelling(squeezed_a, squeezed_b)) return Likeness::kSpelling;
  const std::vector<std::string> words_a = name_words(a), words_b = name_words(b);
  const bool prefix = is_word_prefix(words_a, words_b) || is_word_prefix(words_b, words_a) ||
                      name_base(a) == name_base(b) || name_base(a) == squeezed_b ||
                      name_base(b) == squeezed_a;
  if (prefix) return Likeness::kPrefix;
  if (words_stand_in(words_a, words_b) || words_stand_in(words_b, words_a)) return Likeness::kWords;
  return Likeness::kNone;
}

}  // namespace tenfold::compute_trends
