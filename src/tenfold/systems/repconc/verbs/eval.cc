// SPDX-License-Identifier: Apache-2.0
// `tenfold repconc eval`: what the compression cost, on labelled queries.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/repconc/evaluation.h"
#include "tenfold/systems/repconc/index_part.h"
#include "tenfold/systems/repconc/stages.h"
#include "tenfold/systems/repconc/vector_retriever.h"
#include "tenfold/systems/repconc/verbs/vector_verbs.h"
#include "tenfold/systems/repconc/verbs/verbs.h"

namespace tenfold::repconc {
namespace {

struct EvalOptions {
  std::string path, queries;
  std::string split = "test";
  search::Bm25Options bm25;

  void visit_fields(auto&& field) {
    field("path",
          path,
          {.help = "--out folder of a training run",
           .positional = true,
           .required = true,
           .file = config::FileUse::kRunFolder});
    field("queries",
          queries,
          {.help = "BEIR folder, or a file of query vectors; default: what the model was trained on",
           .file = config::FileUse::kRead});
    field("split", split, {.help = "train, valid, test, or another file of qrels"});
    field("bm25", bm25, {});
  }
};

// The data the model was trained on, or the folder of --queries.
RetrievalData data_of(const EvalOptions& options, const io::BundleReader& bundle) {
  DataOptions data = options_of(bundle).data;
  if (!options.queries.empty()) data.path = options.queries;
  return load_retrieval_data(data);
}

const search::BeirSplit& split_of(const RetrievalData& data, const std::string& name) {
  const auto found = data.splits.find(name);
  if (found != data.splits.end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [other, split] : data.splits) names.push_back(other);
  throw Error(ErrorClass::kConfig,
              "eval.unknown_split",
              {.what = "this data set has no such split",
               .seen = printable(name),
               .wanted = "one of " + join(names, ", "),
               .remedy = "name one of these with --split"});
}

EvaluationRequest request_of(const EvalOptions& options, RetrievalData data, std::uint64_t seed) {
  EvaluationRequest request;
  const search::BeirSplit& split = split_of(data, options.split);
  for (const std::uint32_t query : split.queries) request.queries.push_back(data.queries.texts[query]);
  request.judgements = split.judgements;
  request.corpus = std::move(data.corpus);
  request.seed = static_cast<std::int64_t>(seed);
  request.bm25 = options.bm25;
  if (path_exists(Path(options.path) / "index" / "manifest.json")) {
    const OpenIndex open = open_index(options.path);
    if (open.corpus.ids == request.corpus.ids)
      request.index_bytes_per_document =
          static_cast<double>(open.code_file_bytes) / static_cast<double>(open.corpus.ids.size());
  }
  return request;
}

const MethodRow* find_row(const std::vector<MethodRow>& rows, std::string_view method) {
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.method == method; });
  return found == rows.end() ? nullptr : &*found;
}

// Of MRR@10: how far the trained codes are above OPQ, and how much of the gap to the fine-tuned encoder that closes.
nlohmann::json comparison(const std::vector<MethodRow>& rows) {
  const MethodRow *opq = find_row(rows, "opq"), *ours = find_row(rows, "repconc"),
                  *whole = find_row(rows, "fine-tuned");
  if (opq == nullptr) return nullptr;
  const search::PairedDifference difference =
      search::paired_bootstrap(opq->scores.per_query.at("mrr@10"), ours->scores.per_query.at("mrr@10"));
  const double gap = whole->scores.mean("mrr@10") - opq->scores.mean("mrr@10");
  nlohmann::json object = {{"metric", "mrr@10"},
                           {"repconc_minus_opq", difference.mean},
                           {"interval_95", {difference.low, difference.high}},
                           {"gap_closed", nullptr}};
  if (gap > 0) object["gap_closed"] = difference.mean / gap;
  return object;
}

systems::Outcome run_eval(const EvalOptions& options, systems::Context& context) {
  const io::BundleReader bundle = open_part(options.path, "model");
  if (is_vector_bundle(bundle)) return eval_vectors(bundle, options.queries);
  const Retriever retriever = open_retriever(bundle);
  const EvaluationRequest request = request_of(options, data_of(options, bundle), context.seed);
  const std::vector<MethodRow> rows = evaluate_methods(request, retriever);
  report::Table table{
      fmt::format(
          "{} queries of {}, {} documents", request.queries.size(), options.split, request.corpus.ids.size()),
      {"method", "bytes a document", "MRR@10", "nDCG@10", "recall@100"},
      {},
      {}};
  nlohmann::json list = nlohmann::json::array(), metrics;
  for (const MethodRow& row : rows) {
    nlohmann::json object = {{"method", row.method}, {"bytes_per_document", row.bytes_per_document}};
    for (const char* name : {"hits@1", "mrr@10", "ndcg@10", "recall@100"})
      object[name] = row.scores.mean(name);
    table.rows.push_back({row.method,
                          fmt::format("{:.1f}", row.bytes_per_document),
                          fmt::format("{:.3f}", row.scores.mean("mrr@10")),
                          fmt::format("{:.3f}", row.scores.mean("ndcg@10")),
                          fmt::format("{:.3f}", row.scores.mean("recall@100"))});
    if (row.method == "repconc") {
      metrics = object;
      metrics.erase("method");
    }
    list.push_back(std::move(object));
  }
  nlohmann::json object = {
      {"split", options.split}, {"n", request.queries.size()}, {"metrics", metrics}, {"rows", list}};
  const nlohmann::json compared = comparison(rows);
  if (!compared.is_null()) {
    object["comparison"] = compared;
    table.notes.push_back(
        fmt::format("repconc minus opq in MRR@10: {:.3f}, 95 % interval [{:.3f}; {:.3f}] by paired bootstrap",
                    compared["repconc_minus_opq"].get<double>(),
                    compared["interval_95"][0].get<double>(),
                    compared["interval_95"][1].get<double>()));
  }
  return systems::make_outcome(std::move(object), report::to_terminal(table));
}

}  // namespace

systems::Verb make_eval_verb() {
  return systems::served_as(systems::Served::kJob,
                            systems::make_verb<EvalOptions>(
                                "eval",
                                "measure what the compression cost, beside BM25, whole vectors, PQ and OPQ",
                                "One row a method: bytes of a document, MRR@10, nDCG@10, recall@100. "
                                "`metrics` are those of the trained codes. "
                                "PQ and OPQ are trained on the vectors of the dense encoder; fine-tuned is "
                                "the encoder of stage 1 without "
                                "compression; hybrid joins BM25 and the trained codes by reciprocal ranks.",
                                {},
                                run_eval));
}

}  // namespace tenfold::repconc
