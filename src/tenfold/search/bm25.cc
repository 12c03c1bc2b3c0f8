// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/bm25.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/kernels/adc_scan.h"
#include "tenfold/search/top_k.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kRange = 8192;  // documents at a time: their scores fit the second-level cache
constexpr std::size_t kGrain = 256;   // documents or queries a task

double inverse_document_frequency(std::size_t documents, std::size_t with_word) {
  const auto n = static_cast<double>(with_word);
  return std::log1p((static_cast<double>(documents) - n + 0.5) / (n + 0.5));
}

Bm25Options checked(Bm25Options options) {
  config::check_all(config::Fields(options));
  return options;
}

// Words of one document with their counts, in the order of the words: numbers of new words must not depend on hashing.
std::map<std::string, std::uint32_t> count_words(std::vector<std::string> words) {
  std::map<std::string, std::uint32_t> counts;
  for (std::string& word : words) ++counts[std::move(word)];
  return counts;
}

}  // namespace

Bm25Index::Bm25Index(Bm25Options options)
    : options_(checked(std::move(options))), tokenizer_(options_.tokenizer) {}

Bm25Index::Bm25Index(std::span<const std::string> documents, Bm25Options options)
    : Bm25Index(std::move(options)) {
  add(documents);
}

Bm25Index::Bm25Index(Parts parts, Bm25Options options) : Bm25Index(std::move(options)) {
  const auto refuse = [](std::string seen, std::string wanted) {
    throw Error(ErrorClass::kData,
                "bm25.parts",
                {.what = "the parts of a word index do not fit together",
                 .seen = std::move(seen),
                 .wanted = std::move(wanted),
                 .remedy = "build it from the texts again"});
  };
  if (parts.words.size() != parts.postings.size())
    refuse(fmt::format("{} words, {} posting lists", parts.words.size(), parts.postings.size()),
           "a list for each word");
  std::vector<std::uint64_t> lengths(parts.lengths.size(), 0);
  for (std::size_t word = 0; word < parts.words.size(); ++word) {
    if (!dictionary_.try_emplace(std::move(parts.words[word]), static_cast<std::uint32_t>(word)).second)
      refuse(fmt::format("word {} for the second time", word), "each word once");
    std::uint64_t next = 0;
    for (const Posting& posting : parts.postings[word]) {
      if (posting.row < next || posting.row >= lengths.size() || posting.count == 0)
        refuse(fmt::format("{} times in document {} for word {}", posting.count, posting.row, word),
               fmt::format("at least once, in ascending documents below {}", lengths.size()));
      next = std::uint64_t{posting.row} + 1;
      lengths[posting.row] += posting.count;
    }
    if (next == 0) refuse(fmt::format("no posting for word {}", word), "at least one");
  }
  if (!std::equal(lengths.begin(), lengths.end(), parts.lengths.begin()))
    refuse("documents of another length than their words", "the number of words of each document");
  postings_ = std::move(parts.postings);
  lengths_ = std::move(parts.lengths);
  for (const std::uint32_t length : lengths_) total_length_ += length;
}

Bm25Index::Parts Bm25Index::parts() const {
  Parts parts{.words = std::vector<std::string>(words()), .postings = postings_, .lengths = lengths_};
  for (const auto& [word, number] : dictionary_) parts.words[number] = word;
  return parts;
}

void Bm25Index::add(std::span<const std::string> documents) {
  if (documents.size() > std::numeric_limits<std::uint32_t>::max() - size()) {
    throw Error(ErrorClass::kResource,
                "bm25.too_many_documents",
                {.what = "a BM25 index cannot hold so many documents",
                 .seen = fmt::format("{} and {} more", size(), documents.size()),
                 .wanted = "at most 4294967295",
                 .remedy = "split the collection"});
  }
  std::vector<std::map<std::string, std::uint32_t>> counts(documents.size());
  parallel_for(documents.size(), kGrain, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) counts[i] = count_words(tokenizer_(documents[i]));
  });
  for (const auto& document : counts) {
    const auto row = static_cast<std::uint32_t>(lengths_.size());
    std::uint32_t length = 0;
    for (const auto& [word, count] : document) {
      const auto [entry, is_new] =
          dictionary_.try_emplace(word, static_cast<std::uint32_t>(postings_.size()));
      if (is_new) postings_.emplace_back();
      postings_[entry->second].push_back({row, count});
      length += count;
    }
    lengths_.push_back(length);
    total_length_ += length;
  }
}

std::size_t Bm25Index::bytes() const {
  std::size_t total = lengths_.size() * sizeof(std::uint32_t);
  for (const auto& list : postings_) total += list.size() * sizeof(Posting);
  for (const auto& [word, number] : dictionary_) total += word.size() + sizeof number;
  return total;
}

std::vector<Bm25Index::QueryWord> Bm25Index::look_up(std::string_view query) const {
  std::vector<QueryWord> words;
  for (const auto& [word, count] : count_words(tokenizer_(query))) {
    const auto entry = dictionary_.find(word);
    if (entry == dictionary_.end()) continue;
    const auto& list = postings_[entry->second];
    const double weight = inverse_document_frequency(size(), list.size()) * (options_.k1 + 1) * count;
    words.push_back({list.data(), list.data() + list.size(), weight});
  }
  return words;
}

Hits Bm25Index::search(std::string_view query, std::size_t k, const Bitmap* allowed) const {
  if (allowed != nullptr && allowed->size() != size()) {
    throw Error(ErrorClass::kData,
                "bm25.filter_size",
                {.what = "the filter is made for another number of documents",
                 .seen = fmt::format("{} bits", allowed->size()),
                 .wanted = fmt::format("{}", size()),
                 .remedy = "make the filter after the last document was added"});
  }
  std::vector<QueryWord> words = look_up(query);
  TopK best(std::min(k, size()));
  if (words.empty()) return {};
  const double mean = static_cast<double>(total_length_) / static_cast<double>(size());
  const double constant = options_.k1 * (1 - options_.b), slope = options_.k1 * options_.b / mean;
  std::array<double, kRange> scores{};
  std::array<std::uint32_t, kRange> places;
  for (std::size_t first = 0; first < size(); first += kRange) {
    const std::size_t end = std::min(size(), first + kRange);
    bool touched = false;
    for (QueryWord& word : words) {
      for (; word.next != word.end && word.next->row < end; ++word.next) {
        const double count = word.next->count;
        scores[word.next->row - first] +=
            word.weight * count / (count + constant + slope * lengths_[word.next->row]);
        touched = true;
      }
    }
    if (!touched) continue;
    // A score that rounds to the threshold may still enter by its row.
    const double least = std::max(best.threshold() * (1 - 1e-6), std::numeric_limits<double>::min());
    const std::size_t count =
        kernels::select_at_least(std::span(scores).first(end - first), least, places.data());
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t row = first + places[i];
      if (allowed != nullptr && !allowed->test(row)) continue;
      best.add({static_cast<std::uint32_t>(row), static_cast<float>(scores[places[i]])});
    }
    scores.fill(0.0);
    best.tighten();
  }
  return best.take();
}

std::vector<Hits> Bm25Index::search(std::span<const std::string> queries, std::size_t k) const {
  std::vector<Hits> results(queries.size());
  parallel_for(queries.size(), 8, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) results[i] = search(queries[i], k);
  });
  return results;
}

std::vector<double> bm25_plain(std::span<const std::string> documents,
                               std::string_view query,
                               const Bm25Options& options) {
  const Tokenizer tokenizer(options.tokenizer);
  std::vector<std::vector<std::string>> texts;
  double total = 0;
  for (const std::string& document : documents) {
    texts.push_back(tokenizer(document));
    total += static_cast<double>(texts.back().size());
  }
  const double mean = total / static_cast<double>(documents.size());
  std::vector<double> scores(documents.size(), 0.0);
  for (const std::string& word : tokenizer(query)) {
    const auto with_word = std::count_if(texts.begin(), texts.end(), [&](const auto& text) {
      return std::find(text.begin(), text.end(), word) != text.end();
    });
    const double idf = inverse_document_frequency(documents.size(), static_cast<std::size_t>(with_word));
    for (std::size_t row = 0; row < texts.size(); ++row) {
      const auto tf = static_cast<double>(std::count(texts[row].begin(), texts[row].end(), word));
      const double length = static_cast<double>(texts[row].size()) / mean;
      if (tf > 0) {
        scores[row] += idf * tf * (options.k1 + 1) / (tf + options.k1 * (1 - options.b + options.b * length));
      }
    }
  }
  return scores;
}

}  // namespace tenfold::search
