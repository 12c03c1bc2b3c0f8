// SPDX-License-Identifier: Apache-2.0
// `tenfold dsi eval`: the model beside BM25, the dual encoder and their fusion, on labelled queries, seen and unseen documents apart.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/dsi/evaluation.h"
#include "tenfold/systems/dsi/verbs/verbs.h"

namespace tenfold::dsi {
namespace {

constexpr const char* kMetrics[] = {"hits@1", "mrr@10", "ndcg@10", "recall@10", "recall@100"};

struct EvalOptions {
  std::string path, queries;
  std::string split = "test";

  void visit_fields(auto&& field) {
    field("path",
          path,
          {.help = "--out folder of a training run, or a model",
           .positional = true,
           .required = true,
           .file = config::FileUse::kRunFolder});
    field("queries",
          queries,
          {.help = "BEIR folder; default: what the model was trained on", .file = config::FileUse::kRead});
    field("split", split, {.help = "train, valid, test, or another file of qrels"});
  }
};

retrieval::RetrievalData data_of(const EvalOptions& options, const OpenModel& open) {
  retrieval::DataOptions data = open.options.data;
  if (!options.queries.empty()) data.path = options.queries;
  retrieval::RetrievalData loaded = retrieval::load_retrieval_data(data);
  if (loaded.corpus.ids != open.corpus.ids)
    throw Error(ErrorClass::kData,
                "dsi.other_corpus",
                {.what = "the labels are of other documents than the model's",
                 .seen = fmt::format("{} documents, the model has {}", loaded.corpus.ids.size(), open.size()),
                 .wanted = "the documents the model was trained on, in their order",
                 .remedy = "train a model on this corpus, or name its own folder with --queries"});
  if (loaded.splits.contains(options.split)) return loaded;
  std::vector<std::string> names;
  for (const auto& [name, split] : loaded.splits) names.push_back(name);
  throw Error(ErrorClass::kConfig,
              "eval.unknown_split",
              {.what = "this data set has no such split",
               .seen = printable(options.split),
               .wanted = "one of " + join(names, ", "),
               .remedy = "name one of these with --split"});
}

nlohmann::json figures_of(const search::RankingScores& scores) {
  if (scores.queries == 0) return nullptr;
  nlohmann::json figures = {{"queries", scores.queries}};
  for (const char* metric : kMetrics) figures[metric] = scores.mean(metric);
  return figures;
}

std::string cell(const search::RankingScores& scores, const char* metric) {
  return scores.queries == 0 ? "-" : fmt::format("{:.3f}", scores.mean(metric));
}

// Against BM25: hits@1 of the model and of the fusion.
nlohmann::json comparison(const DsiEvaluation& evaluation) {
  nlohmann::json list = nlohmann::json::array();
  const MethodRow* words = find_row(evaluation.rows, "bm25");
  for (const char* method : {"dsi", "fusion"}) {
    const MethodRow* row = find_row(evaluation.rows, method);
    const search::PairedDifference difference =
        search::paired_bootstrap(words->all.per_query.at("hits@1"), row->all.per_query.at("hits@1"));
    list.push_back({{"method", method},
                    {"against", "bm25"},
                    {"metric", "hits@1"},
                    {"mean", difference.mean},
                    {"interval_95", {difference.low, difference.high}}});
  }
  return list;
}

systems::Outcome run_eval(const EvalOptions& options, systems::Context&) {
  const Ranker ranker(open_model(open_part(options.path)));
  const retrieval::RetrievalData data = data_of(options, ranker.open());
  const DsiEvaluation evaluation = evaluate_model(ranker, data, options.split);
  report::Table table{
      fmt::format("{} queries of {} ({} of documents with labelled training queries), {} documents",
                  evaluation.seen + evaluation.unseen,
                  options.split,
                  evaluation.seen,
                  ranker.open().size()),
      {"method", "hits@1", "MRR@10", "nDCG@10", "recall@10", "recall@100", "hits@1 seen", "hits@1 unseen"},
      {},
      {}};
  nlohmann::json rows = nlohmann::json::array(), metrics;
  for (const MethodRow& row : evaluation.rows) {
    std::vector<std::string> cells = {row.method};
    for (const char* metric : kMetrics) cells.push_back(cell(row.all, metric));
    cells.push_back(cell(row.seen, "hits@1"));
    cells.push_back(cell(row.unseen, "hits@1"));
    table.rows.push_back(std::move(cells));
    nlohmann::json object = figures_of(row.all);
    if (row.method == "dsi") metrics = object;
    object["method"] = row.method;
    object["seen"] = figures_of(row.seen);
    object["unseen"] = figures_of(row.unseen);
    rows.push_back(std::move(object));
  }
  const nlohmann::json compared = comparison(evaluation);
  for (const nlohmann::json& one : compared)
    table.notes.push_back(
        fmt::format("{} minus bm25 in hits@1: {:.3f}, 95 % interval [{:.3f}; {:.3f}] by paired bootstrap",
                    one["method"].get<std::string>(),
                    one["mean"].get<double>(),
                    one["interval_95"][0].get<double>(),
                    one["interval_95"][1].get<double>()));
  table.notes.push_back(
      fmt::format("fusion: {:.2f} of DSI, chosen on the split valid", evaluation.fusion_weight));
  return systems::make_outcome({{"split", options.split},
                                {"n", evaluation.seen + evaluation.unseen},
                                {"metrics", metrics},
                                {"rows", std::move(rows)},
                                {"fusion_weight", evaluation.fusion_weight},
                                {"comparison", compared}},
                               report::to_terminal(table));
}

}  // namespace

systems::Verb make_eval_verb() {
  return systems::served_as(
      systems::Served::kJob,
      systems::make_verb<EvalOptions>(
          "eval",
          "measure the model beside BM25, a dual encoder of its size, and fusion",
          "One row a method. `metrics` are those of the model. Seen: queries of documents that a labelled "
          "training query "
          "points to; unseen: the others. The fusion's weight is chosen on the split valid.",
          {},
          run_eval));
}

}  // namespace tenfold::dsi
