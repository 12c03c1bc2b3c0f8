// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/retrieval_data.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/systems/retrieval/demo_corpus.h"
#include "tenfold/systems/retrieval/pseudo_queries.h"

namespace tenfold::retrieval {
namespace {

// In [0, 1), the same on every machine.
double hash_of(const std::string& id) {
  const std::string digits = sha256_hex(id).substr(0, 12);
  return static_cast<double>(std::stoull(digits, nullptr, 16)) / static_cast<double>(std::uint64_t{1} << 48);
}

std::string hash_of_data(const RetrievalData& data, const TokenLists& documents, const DataOptions& options) {
  Sha256 hash;
  hash.update(fmt::format("pairs/1 {} {} ", options.pseudo_queries, options.label_repeats));
  hash.update(std::as_bytes(std::span(documents.tokens)));
  hash.update(std::as_bytes(std::span(documents.begins)));
  hash.update(data.content);
  for (const std::string& text : data.queries.texts) hash.update(text + "\n");
  for (const auto& [name, split] : data.splits) {
    hash.update(name);
    for (std::size_t i = 0; i < split.queries.size(); ++i)
      for (const search::Judgement& label : split.judgements[i])
        hash.update(fmt::format(" {} {} {}", split.queries[i], label.row, label.grade));
  }
  return hash.hex_digest();
}

}  // namespace

RetrievalData load_retrieval_data(const DataOptions& options) {
  if (options.path.empty()) {
    RetrievalData data = make_demo_corpus();
    hold_out(data, options.valid_share);
    return data;
  }
  RetrievalData data;
  data.corpus = search::read_beir_corpus(options.path);
  data.queries = search::read_beir_queries(options.path);
  for (const std::string& name : search::beir_splits(options.path))
    data.splits.emplace(name == "dev" ? "valid" : name,
                        search::read_beir_split(options.path, name, data.corpus, data.queries));
  if (!data.splits.contains("valid")) hold_out(data, options.valid_share);
  return data;
}

void hold_out(RetrievalData& data, double share) {
  const auto found = data.splits.find("train");
  if (found == data.splits.end() || share <= 0.0) return;
  search::BeirSplit train, valid;
  for (std::size_t i = 0; i < found->second.queries.size(); ++i) {
    const search::Judgements& labels = found->second.judgements[i];
    const bool held = !labels.empty() && hash_of(data.corpus.ids[labels.front().row]) < share;
    search::BeirSplit& target = held ? valid : train;
    target.queries.push_back(found->second.queries[i]);
    target.judgements.push_back(labels);
  }
  if (train.queries.empty() || valid.queries.empty()) return;
  data.splits["train"] = std::move(train);
  data.splits["valid"] = std::move(valid);
}

std::vector<std::vector<std::int64_t>> relevant_documents(const RetrievalData& data,
                                                          const std::string& split) {
  std::vector<std::vector<std::int64_t>> relevant(data.queries.ids.size());
  const auto found = data.splits.find(split);
  if (found == data.splits.end()) return relevant;
  for (std::size_t i = 0; i < found->second.queries.size(); ++i)
    for (const search::Judgement& label : found->second.judgements[i])
      if (label.grade > 0) relevant[found->second.queries[i]].push_back(label.row);
  return relevant;
}

PairDataset::PairDataset(const RetrievalData& data,
                         const TokenLists& documents,
                         const TokenLists& queries,
                         const DataOptions& options,
                         std::vector<bool> continues_word)
    : documents_(documents),
      queries_(queries),
      pseudo_queries_(options.pseudo_queries),
      label_repeats_(options.label_repeats),
      continues_word_(std::move(continues_word)),
      fingerprint_(hash_of_data(data, documents, options)) {
  for (std::size_t i = 0; i < documents.size(); ++i)
    if (!documents[i].empty()) with_words_.push_back(static_cast<std::int64_t>(i));
  const auto relevant = relevant_documents(data, "train");
  for (std::size_t query = 0; query < relevant.size(); ++query)
    for (const std::int64_t document : relevant[query])
      pairs_.push_back({static_cast<std::int64_t>(query), document});
  if (size() > 0) return;
  throw Error(
      ErrorClass::kData,
      "retrieval.no_pairs",
      {.what = "there is no pair of a query and a document to train on",
       .seen = fmt::format("{} documents with words, {} labelled pairs", with_words_.size(), pairs_.size()),
       .wanted = "documents with pseudo_queries above 0, or labels in qrels/train.tsv",
       .remedy = "set --data.pseudo-queries, or add labels"});
}

std::int64_t PairDataset::size() const {
  return static_cast<std::int64_t>(with_words_.size()) * pseudo_queries_ +
         static_cast<std::int64_t>(pairs_.size()) * label_repeats_;
}

data::Batch PairDataset::get(std::span<const std::int64_t> ids, const data::DrawKey& key) const {
  data::check_rows(ids, size());
  const auto count = static_cast<std::int64_t>(ids.size());
  data::Batch batch;
  batch.ids.assign(ids.begin(), ids.end());
  const at::Tensor words = at::full({count, kQueryWords}, -1, at::kLong);
  const at::Tensor documents = at::empty({count}, at::kLong), queries = at::empty({count}, at::kLong);
  const std::int64_t made_up = static_cast<std::int64_t>(with_words_.size()) * pseudo_queries_;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t id = ids[static_cast<std::size_t>(i)];
    std::int64_t* out = words.data_ptr<std::int64_t>() + i * kQueryWords;
    Pair pair{-1, -1};
    if (id < made_up) {
      pair.document = with_words_[static_cast<std::size_t>(id / pseudo_queries_)];
      put_pseudo_query(words_of(documents_[static_cast<std::size_t>(pair.document)], continues_word_),
                       data::example_draws(key, id),
                       {out, static_cast<std::size_t>(kQueryWords)});
    } else {
      pair = pairs_[static_cast<std::size_t>((id - made_up) / label_repeats_)];
      const auto query = queries_[static_cast<std::size_t>(pair.query)];
      std::copy_n(query.begin(), std::min(query.size(), static_cast<std::size_t>(kQueryWords)), out);
    }
    documents.data_ptr<std::int64_t>()[i] = pair.document;
    queries.data_ptr<std::int64_t>()[i] = pair.query;
  }
  batch.tensors = {words, documents, queries, at::full({1}, key.epoch, at::kLong)};
  return batch;
}

}  // namespace tenfold::retrieval
