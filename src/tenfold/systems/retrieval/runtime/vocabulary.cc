// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/runtime/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/threads.h"
#include "tenfold/io/json.h"
#include "tenfold/systems/retrieval/runtime/piece_vocabulary.h"

namespace tenfold::retrieval {
namespace {

constexpr std::size_t kTextsAtOnce = 256;
constexpr std::uint64_t kMaxVocabularyBytes = std::uint64_t{1} << 30;

struct Counted {
  std::string word;
  std::int64_t documents;
};

std::vector<Counted> count_words(std::span<const std::string> documents, const search::Tokenizer& tokenizer) {
  std::unordered_map<std::string, std::int64_t> counts;
  for (const std::string& document : documents) {
    const std::vector<std::string> words = tokenizer(document);
    for (const std::string& word : std::unordered_set<std::string>(words.begin(), words.end()))
      ++counts[word];
  }
  std::vector<Counted> list;
  list.reserve(counts.size());
  for (const auto& [word, documents_with] : counts) list.push_back({word, documents_with});
  std::sort(list.begin(), list.end(), [](const Counted& a, const Counted& b) {
    return a.documents != b.documents ? a.documents > b.documents : a.word < b.word;
  });
  return list;
}

Error bad_vocabulary(std::string seen) {
  return Error(ErrorClass::kFile,
               "retrieval.vocabulary",
               {.what = "vocabulary.json is not a vocabulary of this system",
                .seen = std::move(seen),
                .wanted = "an object with words, their idf and the tokenizer",
                .remedy = "train the model again"});
}

}  // namespace

TokenLists Vocabulary::operator()(std::span<const std::string> texts) const {
  std::vector<std::vector<std::int64_t>> tokens(texts.size());
  parallel_for(texts.size(), kTextsAtOnce, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) tokens[i] = (*this)(texts[i]);
  });
  TokenLists lists;
  for (const std::vector<std::int64_t>& text : tokens) lists.add(text);
  return lists;
}

std::shared_ptr<const Vocabulary> open_vocabulary(const io::BundleReader& bundle) {
  const std::string text = bundle.read_text("vocabulary.json", kMaxVocabularyBytes);
  if (auto pieces = open_piece_vocabulary(bundle, text)) return pieces;
  return std::make_shared<WordVocabulary>(WordVocabulary::from_json(text));
}

std::vector<std::int64_t> query_tokens(const Vocabulary& vocabulary, std::string_view text) {
  if (search::Tokenizer{}(text).empty()) {
    throw Error(ErrorClass::kData,
                "retrieval.empty_query",
                {.what = "the query has no words",
                 .seen = printable(text),
                 .wanted = "at least one letter or digit",
                 .remedy = "write what you look for"});
  }
  std::vector<std::int64_t> tokens = vocabulary(text);
  if (!tokens.empty()) return tokens;
  throw Error(ErrorClass::kData,
              "retrieval.unknown_words",
              {.what = "the model knows no word of the query",
               .seen = printable(text),
               .wanted = "a word of the documents it was trained on",
               .remedy = "use other words"});
}

WordVocabulary::WordVocabulary(std::span<const std::string> documents, const VocabularyOptions& options)
    : tokenizer_(options.tokenizer) {
  const auto total = static_cast<double>(documents.size());
  for (Counted& counted : count_words(documents, tokenizer_)) {
    if (counted.documents < options.least_documents) break;
    if (static_cast<std::int64_t>(words_.size()) == options.largest) break;
    const auto n = static_cast<double>(counted.documents);
    idf_.push_back(static_cast<float>(std::log(1 + (total - n + 0.5) / (n + 0.5))));
    words_.push_back(std::move(counted.word));
  }
  if (words_.empty()) {
    throw Error(ErrorClass::kData,
                "retrieval.no_words",
                {.what = "the documents have no words to learn from",
                 .seen = std::to_string(documents.size()) + " documents",
                 .wanted = "at least one word that enough documents have",
                 .remedy = "check the texts, or lower vocabulary.least_documents"});
  }
  number();
}

void WordVocabulary::number() {
  for (std::size_t i = 0; i < words_.size(); ++i) numbers_.emplace(words_[i], static_cast<std::int64_t>(i));
}

std::string WordVocabulary::to_json() const {
  const search::TokenizerOptions& options = tokenizer_.options();
  const nlohmann::ordered_json object = {{"words", words_},
                                         {"idf", idf_},
                                         {"tokenizer",
                                          {{"lower_case", options.lower_case},
                                           {"stemmer", options.stemmer},
                                           {"stop_words", options.stop_words}}}};
  return object.dump() + "\n";
}

WordVocabulary WordVocabulary::from_json(std::string_view text) {
  const nlohmann::json object = io::parse_json(
      text,
      "vocabulary.json",
      {.max_bytes = std::size_t{1} << 30, .max_nodes = 400'000'000, .error_class = ErrorClass::kFile});
  WordVocabulary vocabulary;
  try {
    const nlohmann::json& tokenizer = object.at("tokenizer");
    vocabulary.words_ = object.at("words").get<std::vector<std::string>>();
    vocabulary.idf_ = object.at("idf").get<std::vector<float>>();
    vocabulary.tokenizer_ = search::Tokenizer({.lower_case = tokenizer.at("lower_case").get<bool>(),
                                               .stemmer = tokenizer.at("stemmer").get<std::string>(),
                                               .stop_words = tokenizer.at("stop_words").get<bool>()});
  } catch (const nlohmann::json::exception&) {
    throw bad_vocabulary("a field is missing or of another kind");
  }
  if (vocabulary.words_.empty() || vocabulary.words_.size() != vocabulary.idf_.size())
    throw bad_vocabulary("words and idf of different length, or none");
  vocabulary.number();
  return vocabulary;
}

std::vector<std::int64_t> WordVocabulary::operator()(std::string_view text) const {
  std::vector<std::int64_t> numbers;
  for (const std::string& word : tokenizer_(text)) {
    const auto found = numbers_.find(word);
    if (found != numbers_.end()) numbers.push_back(found->second);
  }
  return numbers;
}

void WordVocabulary::add_members(io::BundleWriter& bundle) const {
  bundle.add("vocabulary.json", to_json());
}

}  // namespace tenfold::retrieval
