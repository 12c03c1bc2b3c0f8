// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/examples.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/base/strings.h"
#include "tenfold/systems/retrieval/pseudo_queries.h"

namespace tenfold::dsi {
namespace {

using retrieval::TokenSpan;

constexpr std::uint32_t kRareWords = 4;  // of a key phrase, drawn from the kRarest
constexpr std::size_t kRarest = 8;

std::size_t copy_front(TokenSpan tokens, std::span<std::int64_t> out) {
  const std::size_t count = std::min(tokens.size(), out.size());
  std::copy_n(tokens.begin(), count, out.begin());
  return count;
}

// Cut behind ". ", "! ", "? " and line ends.
std::vector<std::string> sentences_of(const std::string& text) {
  std::vector<std::string> sentences;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool ends = text[i] == '\n' || ((text[i] == '.' || text[i] == '!' || text[i] == '?') &&
                                          (i + 1 == text.size() || text[i + 1] == ' '));
    if (!ends) continue;
    sentences.push_back(text.substr(begin, i + 1 - begin));
    begin = i + 1;
  }
  if (begin < text.size()) sentences.push_back(text.substr(begin));
  return sentences;
}

bool has(const ExampleOptions& options, const std::string& view) {
  return std::find(options.views.begin(), options.views.end(), view) != options.views.end();
}

// Labelled examples of an epoch for `indexing` others.
std::int64_t labelled_count(const ExampleOptions& options, std::int64_t indexing, std::int64_t pairs) {
  if (pairs == 0) return 0;
  if (options.ratio <= 0.0) return pairs * options.label_repeats;
  return std::max<std::int64_t>(1, std::llround(static_cast<double>(indexing) / options.ratio));
}

}  // namespace

ExampleDataset::ExampleDataset(std::shared_ptr<const retrieval::Corpus> corpus,
                               const ExampleOptions& options,
                               std::vector<std::int64_t> documents)
    : corpus_(std::move(corpus)), options_(options), documents_(std::move(documents)) {
  const retrieval::Vocabulary& vocabulary = *corpus_->vocabulary;
  continues_word_ = vocabulary.continues_word();
  if (documents_.empty()) {
    documents_.resize(corpus_->size());
    std::iota(documents_.begin(), documents_.end(), 0);
  }
  std::erase_if(documents_, [&](std::int64_t document) {
    return corpus_->documents[static_cast<std::size_t>(document)].empty();
  });
  const std::set<std::int64_t> indexed(documents_.begin(), documents_.end());
  for (std::size_t query = 0; query < corpus_->train_relevant.size(); ++query)
    for (const std::int64_t document : corpus_->train_relevant[query])
      if (indexed.contains(document) && !corpus_->queries[query].empty())
        pairs_.push_back({static_cast<std::int64_t>(query), document});
  labelled_ = labelled_count(options_, indexing_examples(), static_cast<std::int64_t>(pairs_.size()));
  titles_ = vocabulary(corpus_->data.corpus.titles);
  if (has(options_, "sentence")) cut_sentences();
  if (has(options_, "generated")) {
    std::vector<QueryGenerator::Pair> labels;
    for (const Pair& pair : pairs_)
      labels.push_back({corpus_->queries[static_cast<std::size_t>(pair.query)],
                        corpus_->documents[static_cast<std::size_t>(pair.document)]});
    generator_ = std::make_unique<const QueryGenerator>(
        labels, document_frequencies(corpus_->documents, vocabulary.size()));
  }
  Sha256 hash;
  hash.update(fmt::format("dsi/1 {} {} {} {} {}",
                          corpus_->pairs.fingerprint(),
                          join(options_.views, ","),
                          options_.per_document,
                          options_.length,
                          labelled_));
  hash.update(std::as_bytes(std::span(documents_)));
  fingerprint_ = hash.hex_digest();
  if (size() > 0) return;
  throw Error(
      ErrorClass::kData,
      "dsi.no_examples",
      {.what = "there is nothing to train on",
       .seen = fmt::format("{} documents with words, {} labelled pairs", documents_.size(), pairs_.size()),
       .wanted = "documents with examples.per_document above 0, or labels in qrels/train.tsv",
       .remedy = "set --examples.per-document, or add labels"});
}

void ExampleDataset::cut_sentences() {
  for (const std::string& text : corpus_->data.corpus.texts) {
    const std::int64_t begin = static_cast<std::int64_t>(sentences_.size());
    for (const std::string& sentence : sentences_of(text)) {
      const std::vector<std::int64_t> tokens = (*corpus_->vocabulary)(sentence);
      if (!tokens.empty()) sentences_.add(tokens);
    }
    sentence_range_.emplace_back(begin, static_cast<std::int64_t>(sentences_.size()));
  }
}

std::int64_t ExampleDataset::size() const {
  return indexing_examples() + labelled_;
}

std::size_t ExampleDataset::put_rare_words(std::int64_t document,
                                           random::Generator& draws,
                                           std::span<std::int64_t> out) const {
  // Tokens are numbered by falling frequency, in byte-pair vocabularies nearly so: the largest numbers are the rarest.
  const TokenSpan text = corpus_->documents[static_cast<std::size_t>(document)];
  std::set<std::int64_t> unique(text.begin(), text.end());
  std::vector<std::int64_t> words(unique.rbegin(), unique.rend());
  words.resize(std::min(words.size(), kRarest));
  const std::size_t count = std::min<std::size_t>({words.size(), kRareWords, out.size()});
  for (std::size_t i = 0; i < count; ++i) {
    std::swap(words[i], words[i + draws.below(static_cast<std::uint32_t>(words.size() - i))]);
    out[i] = words[i];
  }
  return count;
}

std::size_t ExampleDataset::put_view(std::string_view view,
                                     std::int64_t document,
                                     random::Generator draws,
                                     std::span<std::int64_t> out) const {
  const TokenSpan text = corpus_->documents[static_cast<std::size_t>(document)];
  if (view == "direct") return copy_front(text, out);
  if (view == "set") {
    std::vector<std::int64_t> once;
    for (const std::int64_t token : text)
      if (std::find(once.begin(), once.end(), token) == once.end()) once.push_back(token);
    return copy_front(once, out);
  }
  if (view == "inverted") {
    const std::size_t last = text.size() > out.size() ? text.size() - out.size() : 0;
    return copy_front(text.subspan(draws.below(static_cast<std::uint32_t>(last + 1))), out);
  }
  if (view == "title" && !titles_[static_cast<std::size_t>(document)].empty())
    return copy_front(titles_[static_cast<std::size_t>(document)], out);
  if (view == "sentence") {
    const auto [begin, end] = sentence_range_[static_cast<std::size_t>(document)];
    const std::int64_t chosen = begin + draws.below(static_cast<std::uint32_t>(end - begin));
    return copy_front(sentences_[static_cast<std::size_t>(chosen)], out);
  }
  if (view == "phrase") return put_rare_words(document, draws, out);
  if (view == "generated") return generator_->put(text, draws, out);
  const std::vector<TokenSpan> words = retrieval::words_of(text, continues_word_);
  if (view == "span") return retrieval::put_span(words, draws, out);
  return retrieval::put_pseudo_query(words, draws, out);  // "words", and a title that is not there
}

data::Batch ExampleDataset::get(std::span<const std::int64_t> ids, const data::DrawKey& key) const {
  data::check_rows(ids, size());
  const auto count = static_cast<std::int64_t>(ids.size());
  const at::Tensor tokens = at::full({count, options_.length}, -1, at::kLong);
  const at::Tensor documents = at::empty({count}, at::kLong), queries = at::empty({count}, at::kLong);
  const std::int64_t indexing = indexing_examples();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t id = ids[static_cast<std::size_t>(i)];
    const std::span<std::int64_t> out(tokens.data_ptr<std::int64_t>() + i * options_.length,
                                      static_cast<std::size_t>(options_.length));
    Pair pair{-1, -1};
    if (id < indexing) {
      pair.document = documents_[static_cast<std::size_t>(id / options_.per_document)];
      random::Generator draws = data::example_draws(key, id);
      const std::string& view =
          options_.views[draws.below(static_cast<std::uint32_t>(options_.views.size()))];
      put_view(view, pair.document, draws, out);
    } else {
      // Every pair as often as any other, whatever the number of examples.
      pair = pairs_[static_cast<std::size_t>((id - indexing) % static_cast<std::int64_t>(pairs_.size()))];
      copy_front(corpus_->queries[static_cast<std::size_t>(pair.query)], out);
    }
    documents.data_ptr<std::int64_t>()[i] = pair.document;
    queries.data_ptr<std::int64_t>()[i] = pair.query;
  }
  data::Batch batch;
  batch.ids.assign(ids.begin(), ids.end());
  batch.tensors = {tokens, documents, queries, at::full({1}, key.epoch, at::kLong)};
  return batch;
}

}  // namespace tenfold::dsi
