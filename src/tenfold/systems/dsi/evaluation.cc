// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/evaluation.h"

#include <algorithm>
#include <set>
#include <utility>

#include "tenfold/search/beir.h"

namespace tenfold::dsi {
namespace {

constexpr std::size_t kDepth = 100;
constexpr int kWeightSteps = 20;

std::vector<std::string> texts_of(const retrieval::RetrievalData& data, const search::BeirSplit& split) {
  std::vector<std::string> texts;
  for (const std::uint32_t query : split.queries) texts.push_back(data.queries.texts[query]);
  return texts;
}

std::vector<char> seen_queries(const retrieval::RetrievalData& data, const search::BeirSplit& split) {
  std::set<std::uint32_t> labelled;
  if (const auto train = data.splits.find("train"); train != data.splits.end())
    for (const search::Judgements& judgements : train->second.judgements)
      for (const search::Judgement& label : judgements)
        if (label.grade > 0) labelled.insert(label.row);
  std::vector<char> seen;
  for (const search::Judgements& judgements : split.judgements)
    seen.push_back(std::any_of(judgements.begin(), judgements.end(), [&](const search::Judgement& label) {
      return label.grade > 0 && labelled.contains(label.row);
    }));
  return seen;
}

// Scores of the queries where `part` is `wanted`; empty when there are none.
search::RankingScores part_of(const search::RankingScores& scores,
                              const std::vector<char>& part,
                              bool wanted) {
  search::RankingScores result;
  for (const auto& [name, values] : scores.per_query)
    for (std::size_t i = 0; i < values.size(); ++i)
      if ((part[i] != 0) == wanted) result.per_query[name].push_back(values[i]);
  result.queries = result.per_query.empty() ? 0 : result.per_query.begin()->second.size();
  return result;
}

double tuned_weight(const Ranker& ranker, const retrieval::RetrievalData& data, const std::string& split) {
  const auto valid = data.splits.find("valid");
  if (split == "valid" || valid == data.splits.end() || valid->second.queries.empty()) return kFusionWeight;
  const std::vector<std::string> texts = texts_of(data, valid->second);
  const auto words = ranker.rank(RankMethod::kBm25, texts, kDepth);
  const auto model = ranker.rank(RankMethod::kDsi, texts, kDepth);
  double best = -1, best_weight = kFusionWeight;
  for (int step = 0; step <= kWeightSteps; ++step) {
    const double weight = static_cast<double>(step) / kWeightSteps;
    const double ndcg =
        search::score_rankings(fuse(words, model, weight, kDepth), valid->second.judgements).mean("ndcg@10");
    if (ndcg <= best) continue;
    best = ndcg;
    best_weight = weight;
  }
  return best_weight;
}

}  // namespace

DsiEvaluation evaluate_model(const Ranker& ranker,
                             const retrieval::RetrievalData& data,
                             const std::string& split) {
  const search::BeirSplit& labelled = data.splits.at(split);
  const std::vector<std::string> texts = texts_of(data, labelled);
  const std::vector<char> seen = seen_queries(data, labelled);
  DsiEvaluation evaluation;
  evaluation.seen = static_cast<std::size_t>(std::count(seen.begin(), seen.end(), 1));
  evaluation.unseen = seen.size() - evaluation.seen;
  const auto add = [&](RankMethod method, const std::vector<search::Hits>& hits) {
    MethodRow row{.method = std::string(to_string(method)),
                  .all = search::score_rankings(hits, labelled.judgements),
                  .seen = {},
                  .unseen = {}};
    row.seen = part_of(row.all, seen, true);
    row.unseen = part_of(row.all, seen, false);
    evaluation.rows.push_back(std::move(row));
  };
  const auto words = ranker.rank(RankMethod::kBm25, texts, kDepth);
  const auto model = ranker.rank(RankMethod::kDsi, texts, kDepth);
  add(RankMethod::kBm25, words);
  if (!ranker.open().dual.is_empty()) add(RankMethod::kDual, ranker.rank(RankMethod::kDual, texts, kDepth));
  add(RankMethod::kDsi, model);
  evaluation.fusion_weight = tuned_weight(ranker, data, split);
  add(RankMethod::kFusion, fuse(words, model, evaluation.fusion_weight, kDepth));
  return evaluation;
}

const MethodRow* find_row(const std::vector<MethodRow>& rows, const std::string& method) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const MethodRow& row) { return row.method == method; });
  return found == rows.end() ? nullptr : &*found;
}

double memorisation(const Ranker& ranker, std::size_t length) {
  const OpenModel& open = ranker.open();
  retrieval::TokenLists heads;
  std::vector<std::uint32_t> rows;
  for (std::size_t i = 0; i < open.size(); ++i) {
    const auto tokens = (*open.documents)[i];
    if (tokens.empty() || !open.live.test(i)) continue;
    heads.add(tokens.subspan(0, std::min(length, tokens.size())));
    rows.push_back(static_cast<std::uint32_t>(i));
  }
  DocidModel model = open.model;
  const std::vector<search::Hits> hits = model->rank(heads, {.k = 1, .allowed = &open.live});
  std::size_t first = 0;
  for (std::size_t i = 0; i < rows.size(); ++i)
    first += !hits[i].empty() && hits[i].front().row == rows[i] ? 1 : 0;
  return rows.empty() ? 0.0 : static_cast<double>(first) / static_cast<double>(rows.size());
}

}  // namespace tenfold::dsi
