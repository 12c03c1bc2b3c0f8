// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/demo_corpus.h"

#include <fmt/format.h>

#include <array>

#include "tenfold/base/random.h"

namespace tenfold::retrieval {
namespace {

constexpr std::uint64_t kSeed = 2110'05789;
constexpr std::uint32_t kDocuments = 1024, kTopics = 32, kTopicWords = 40, kCommonWords = 60;

// Word `number` in one of two ways to say it: documents use the first, queries either.
std::string made_up_word(std::uint32_t number, std::uint32_t way) {
  static constexpr std::array<const char*, 16> kSyllables = {
      "ba", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "vu", "za", "do", "fi", "gu", "ha", "jo"};
  std::string word = way == 0 ? "" : "x";
  for (std::uint32_t rest = number + 16; rest > 0; rest /= 16) word += kSyllables[rest % 16];
  return word;
}

struct Document {
  std::uint32_t topic;
  std::vector<std::uint32_t> words;  // of the topic first
};

Document make_document(std::uint32_t row) {
  random::Generator draws(kSeed, row);
  Document document{.topic = draws.below(kTopics), .words = {}};
  for (int i = 0; i < 12; ++i)
    document.words.push_back(kCommonWords + document.topic * kTopicWords + draws.below(kTopicWords));
  for (int i = 0; i < 6; ++i) document.words.push_back(draws.below(kCommonWords));
  return document;
}

std::string document_text(const Document& document) {
  std::string text;
  for (const std::uint32_t word : document.words) text += (text.empty() ? "" : " ") + made_up_word(word, 0);
  return text;
}

std::string query_text(const Document& document, std::uint64_t stream) {
  random::Generator draws(kSeed + 1, stream);
  std::string text;
  for (int i = 0; i < 6; ++i) {
    const std::uint32_t word = document.words[draws.below(12)];
    text += (text.empty() ? "" : " ") + made_up_word(word, draws.below(2));
  }
  return text;
}

}  // namespace

RetrievalData make_demo_corpus() {
  RetrievalData data;
  for (std::uint32_t row = 0; row < kDocuments; ++row) {
    const Document document = make_document(row);
    data.corpus.ids.push_back(fmt::format("d{:04}", row));
    data.corpus.titles.emplace_back();
    data.corpus.texts.push_back(document_text(document));
    for (std::uint32_t number = 0; number < (row % 2 == 0 ? 2U : 1U); ++number) {
      search::BeirSplit& split = data.splits[number == 0 ? "train" : "test"];
      split.queries.push_back(static_cast<std::uint32_t>(data.queries.ids.size()));
      split.judgements.push_back({{.row = row, .grade = 1}});
      data.queries.ids.push_back(fmt::format("q{:04}-{}", row, number));
      data.queries.texts.push_back(query_text(document, 2 * std::uint64_t{row} + number));
    }
  }
  return data;
}

}  // namespace tenfold::retrieval
