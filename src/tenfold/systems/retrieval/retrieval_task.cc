// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/retrieval_task.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <map>
#include <utility>

#include "tenfold/search/flat_index.h"
#include "tenfold/search/ranking_metrics.h"
#include "tenfold/systems/retrieval/losses.h"
#include "tenfold/systems/retrieval/tensor_rows.h"

namespace tenfold::retrieval {
namespace {

constexpr std::size_t kDepth = 100;  // places of a ranking that are looked at
constexpr std::int64_t kLossQueries = 256;

// Mean of -log softmax of the first relevant document.
double mean_loss(const torch::Tensor& queries,
                 const torch::Tensor& documents,
                 const std::vector<search::Judgements>& judgements,
                 double scale) {
  torch::Tensor positive = at::zeros({queries.size(0)}, at::kLong);
  for (std::size_t i = 0; i < judgements.size(); ++i)
    for (auto label = judgements[i].rbegin(); label != judgements[i].rend(); ++label)
      if (label->grade > 0) positive.data_ptr<std::int64_t>()[i] = label->row;
  double sum = 0;
  for (std::int64_t begin = 0; begin < queries.size(0); begin += kLossQueries) {
    const std::int64_t end = std::min(queries.size(0), begin + kLossQueries);
    const torch::Tensor scores = scale * at::mm(queries.slice(0, begin, end), documents.t());
    sum += softmax_loss(scores, positive.slice(0, begin, end), {}).sum().item<double>();
  }
  return sum / static_cast<double>(queries.size(0));
}

}  // namespace

RetrievalTask::RetrievalTask(std::string system, std::shared_ptr<const Corpus> corpus, double scale)
    : system_(std::move(system)),
      corpus_(std::move(corpus)),
      scale_(scale),
      same_(first_of_same_words(corpus_->documents)) {}

torch::Tensor first_of_same_words(const TokenLists& documents) {
  const auto count = static_cast<std::int64_t>(documents.size());
  torch::Tensor first = at::empty({count}, at::kLong);
  std::map<std::vector<std::int64_t>, std::int64_t> seen;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto words = documents[static_cast<std::size_t>(i)];
    first.data_ptr<std::int64_t>()[i] =
        seen.try_emplace(std::vector<std::int64_t>(words.begin(), words.end()), i).first->second;
  }
  return first;
}

std::vector<std::string> RetrievalTask::splits() const {
  std::vector<std::string> names;
  for (const auto& [name, split] : corpus_->data.splits)
    if (!split.queries.empty()) names.push_back(name);
  return names;
}

std::int64_t RetrievalTask::split_size(const std::string& split) const {
  return static_cast<std::int64_t>(corpus_->data.splits.at(split).queries.size());
}

train::Figures RetrievalTask::evaluate_split(const std::string& split) {
  const c10::NoGradGuard no_grad;
  const std::vector<search::Judgements>& judgements = corpus_->data.splits.at(split).judgements;
  const torch::Tensor queries = encode_queries(corpus_->queries_of(split)).contiguous();
  const torch::Tensor documents = encode_documents().contiguous();
  search::FlatIndex index(static_cast<std::size_t>(documents.size(1)));
  index.add(rows_of(documents));
  const std::vector<search::Hits> hits = index.search(rows_of(queries), {.k = kDepth});
  const search::RankingScores scores = search::score_rankings(hits, judgements);
  return {{"loss", mean_loss(queries, documents, judgements, scale_)},
          {"mrr@10", scores.mean("mrr@10")},
          {"ndcg@10", scores.mean("ndcg@10")},
          {"recall@100", scores.mean("recall@100")}};
}

torch::Tensor RetrievalTask::relevant(const data::Batch& batch, const torch::Tensor& columns) const {
  const std::int64_t rows = batch.tensors[1].size(0), count = columns.size(-1);
  const torch::Tensor all = first_of_same(columns).expand({rows, count}).contiguous();
  const torch::Tensor result = all.eq(first_of_same(batch.tensors[1]).unsqueeze(1)).contiguous();
  for (std::int64_t i = 0; i < rows; ++i) {
    const std::int64_t query = batch.tensors[2].data_ptr<std::int64_t>()[i];
    if (query < 0) continue;
    const std::vector<std::int64_t>& documents = corpus_->train_relevant[static_cast<std::size_t>(query)];
    if (documents.size() < 2) continue;  // the one it is paired with
    std::vector<std::int64_t> same;
    for (const std::int64_t document : documents) same.push_back(same_.data_ptr<std::int64_t>()[document]);
    for (std::int64_t j = 0; j < count; ++j) {
      const std::int64_t document = all.data_ptr<std::int64_t>()[i * count + j];
      if (std::find(same.begin(), same.end(), document) != same.end())
        result.data_ptr<bool>()[i * count + j] = true;
    }
  }
  return result;
}

torch::Tensor RetrievalTask::first_of_same(const torch::Tensor& documents) const {
  return same_.index_select(0, documents.reshape({-1})).reshape(documents.sizes());
}

}  // namespace tenfold::retrieval
