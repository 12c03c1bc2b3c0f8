// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/task.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "tenfold/search/ranking_metrics.h"

namespace tenfold::dsi {
namespace {

constexpr std::size_t kDepth = 10;
constexpr std::size_t kLossBatch = 256;

}  // namespace

DsiTask::DsiTask(std::shared_ptr<const retrieval::Corpus> corpus,
                 std::shared_ptr<const ExampleDataset> examples,
                 DocidModel model,
                 double index_weight)
    : corpus_(std::move(corpus)),
      examples_(std::move(examples)),
      model_(std::move(model)),
      index_weight_(index_weight) {}

train::StepOutput DsiTask::run(const data::Batch& batch) {
  model_->begin_epoch(batch.tensors[3].item<std::int64_t>());
  const torch::Tensor indexing = batch.tensors[2].lt(0);
  const torch::Tensor loss =
      model_->loss(retrieval::make_tokens(batch.tensors[0]), batch.tensors[1], indexing);
  const torch::Tensor weights = at::where(indexing, at::full_like(loss, index_weight_), at::ones_like(loss));
  const torch::Tensor weighted = loss * weights;
  return {.loss = weighted.sum() / weights.sum().clamp_min(1e-6), .example_loss = {}, .metrics = {}};
}

std::vector<std::string> DsiTask::splits() const {
  std::vector<std::string> names;
  for (const auto& [name, split] : corpus_->data.splits)
    if (!split.queries.empty()) names.push_back(name);
  return names;
}

std::int64_t DsiTask::split_size(const std::string& split) const {
  return static_cast<std::int64_t>(corpus_->data.splits.at(split).queries.size());
}

train::Figures DsiTask::evaluate_split(const std::string& split) {
  const c10::NoGradGuard no_grad;
  const search::BeirSplit& labelled = corpus_->data.splits.at(split);
  const retrieval::TokenLists queries = corpus_->queries_of(split);
  const std::vector<search::Hits> hits = model_->rank(queries, {.k = kDepth});
  const search::RankingScores scores = search::score_rankings(hits, labelled.judgements);
  double loss = 0;
  for (std::size_t begin = 0; begin < queries.size(); begin += kLossBatch) {
    std::vector<std::int64_t> rows;
    std::vector<std::int64_t> targets;
    for (std::size_t i = begin; i < std::min(queries.size(), begin + kLossBatch); ++i) {
      rows.push_back(static_cast<std::int64_t>(i));
      targets.push_back(labelled.judgements[i].empty() ? 0 : labelled.judgements[i].front().row);
    }
    const torch::Tensor each = model_->loss(retrieval::make_tokens(queries, rows),
                                            at::tensor(targets, at::kLong),
                                            at::zeros({static_cast<std::int64_t>(rows.size())}, at::kBool));
    loss += each.sum().item<double>();
  }
  return {{"loss", loss / static_cast<double>(queries.size())},
          {"hits@1", scores.mean("hits@1")},
          {"mrr@10", scores.mean("mrr@10")},
          {"recall@10", scores.mean("recall@10")}};
}

}  // namespace tenfold::dsi
