// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/docids/title_scheme.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/search/tokenizer.h"

namespace tenfold::dsi {
namespace {

constexpr std::uint32_t kTen = 10;

}  // namespace

TitleScheme::TitleScheme(const DocidOptions& options) : DocidScheme(options) {}

std::string TitleScheme::text(std::span<const std::uint32_t> sequence) const {
  std::string text;
  bool in_number = false;
  for (const std::uint32_t digit : code_.decode(sequence)) {
    const bool number = digit < kTen;
    if (!(number && in_number)) text += text.empty() ? "" : " ";
    if (number && !in_number) text += "#";
    text += number ? std::to_string(digit) : words_[digit - kTen];
    in_number = number;
  }
  return text;
}

std::vector<std::vector<std::string>> TitleScheme::words_of(const DocidDocuments& documents) const {
  if (documents.titles.empty() && documents.texts.empty())
    throw Error(ErrorClass::kData,
                "dsi.no_titles",
                {.what = "identifiers of scheme 'title' need titles or texts",
                 .seen = "none",
                 .wanted = "one a document",
                 .remedy = "give titles, or choose another scheme"});
  const search::Tokenizer tokenizer({.stemmer = "none"});
  std::vector<std::vector<std::string>> titles(documents.count);
  for (std::size_t i = 0; i < documents.count; ++i) {
    if (!documents.titles.empty()) titles[i] = tokenizer(documents.titles[i]);
    if (titles[i].empty() && !documents.texts.empty()) titles[i] = tokenizer(documents.texts[i]);
    titles[i].resize(std::min(titles[i].size(), static_cast<std::size_t>(options().words)));
  }
  return titles;
}

void TitleScheme::number_words() {
  numbers_.clear();
  for (const std::string& word : words_)
    numbers_.emplace(word, kTen + static_cast<std::uint32_t>(numbers_.size()));
  code_.block = kTen + static_cast<std::uint32_t>(words_.size());
}

std::vector<std::vector<std::uint32_t>> TitleScheme::name(const std::vector<std::vector<std::string>>& titles,
                                                          Repetitions& repetitions) const {
  std::vector<std::vector<std::uint32_t>> sequences;
  for (const auto& title : titles) {
    Digits digits;
    for (const std::string& word : title)
      if (const auto found = numbers_.find(word); found != numbers_.end()) digits.push_back(found->second);
    const std::uint64_t number = repetitions.next(digits);
    if (digits.empty() || number != 0) append_number(number, kTen, digits);
    sequences.push_back(code_.encode(digits));
  }
  return sequences;
}

std::vector<std::vector<std::uint32_t>> TitleScheme::fit(const DocidDocuments& documents) {
  const auto titles = words_of(documents);
  std::map<std::string, std::size_t> counts;
  for (const auto& title : titles)
    for (const std::string& word : title) ++counts[word];
  std::vector<std::pair<std::string, std::size_t>> order(counts.begin(), counts.end());
  std::stable_sort(
      order.begin(), order.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  if (options().vocabulary != 0)
    order.resize(std::min(order.size(), static_cast<std::size_t>(options().vocabulary)));
  words_.clear();
  for (auto& [word, count] : order) words_.push_back(std::move(word));
  number_words();
  Repetitions repetitions;
  return name(titles, repetitions);
}

std::vector<std::vector<std::uint32_t>> TitleScheme::extend(const DocidDocuments& documents,
                                                            const Docids& docids) const {
  Repetitions repetitions;
  for (const auto& sequence : docids.sequences) {
    Digits digits = code_.decode(sequence);
    const auto begin = std::find_if(digits.begin(), digits.end(), [](std::uint32_t d) { return d < kTen; });
    const std::size_t words = static_cast<std::size_t>(begin - digits.begin());
    const auto behind = std::span(digits).subspan(words);
    const std::uint64_t number = behind.empty() ? 0 : parse_number(behind, kTen);
    digits.resize(words);
    repetitions.note(digits, number);
  }
  return name(words_of(documents), repetitions);
}

void TitleScheme::save(State& state) const {
  std::string letters;
  std::vector<std::uint64_t> ends;
  for (const std::string& word : words_) {
    letters += word;
    ends.push_back(letters.size());
  }
  state.put_bytes("letters", io::DType::kU8, {letters.size()}, std::as_bytes(std::span(letters)));
  state.put<std::uint64_t>("word_ends", {ends.size()}, ends);
}

void TitleScheme::load(const io::SafetensorsReader& file) {
  const auto letters = file.read_as<std::uint8_t>("letters");
  std::uint64_t begin = 0;
  words_.clear();
  for (const std::uint64_t end : file.read_as<std::uint64_t>("word_ends")) {
    if (end <= begin || end > letters.size())
      fail_damaged_scheme("the words do not cover their letters",
                          fmt::format("{} after {}", end, begin),
                          fmt::format("ascending up to {}", letters.size()));
    words_.emplace_back(letters.begin() + static_cast<std::ptrdiff_t>(begin),
                        letters.begin() + static_cast<std::ptrdiff_t>(end));
    begin = end;
    if (!is_valid_utf8(words_.back()))
      fail_damaged_scheme("a word is not valid UTF-8", printable(words_.back(), 40), "UTF-8");
  }
  if (begin != letters.size())
    fail_damaged_scheme(
        "letters behind the last word", fmt::format("{}", letters.size()), fmt::format("{}", begin));
  number_words();
  if (numbers_.size() != words_.size())
    fail_damaged_scheme(
        "a word stands twice in the list", fmt::format("{}", words_.size()), "different words");
}

}  // namespace tenfold::dsi
