// SPDX-License-Identifier: Apache-2.0
// `tenfold repconc eval`: what the compression cost, on labelled queries.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/repconc/evaluation.h"
#include "tenfold/systems/repconc/index_part.h"
#include "tenfold/systems/repconc/stages.h"
#include "tenfold/systems/repconc/study.h"
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
retrieval::RetrievalData data_of(const EvalOptions& options, const io::BundleReader& bundle) {
  retrieval::DataOptions data = options_of(bundle).data;
  if (!options.queries.empty()) data.path = options.queries;
  return retrieval::load_retrieval_data(data);
}

const search::BeirSplit& split_of(const retrieval::RetrievalData& data, const std::string& name) {
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

EvaluationRequest request_of(const EvalOptions& options, retrieval::RetrievalData data, std::uint64_t seed) {
  split_of(data, options.split);
  EvaluationRequest request;
  request.queries = labelled_queries(data, options.split);
  if (options.split != "valid") request.tuning = labelled_queries(data, "valid");
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

// What `train --compare` has left beside the model.
std::map<std::string, Retriever> open_baselines(const std::string& path) {
  std::map<std::string, Retriever> baselines;
  for (const char* name : kBaselines) {
    const Path folder = Path(path) / name;
    if (path_exists(folder / "model" / "manifest.json"))
      baselines.emplace(name, open_retriever(open_part(folder.string(), "model")));
  }
  return baselines;
}

// Of MRR@10: who is above whom, and how much of the gap between OPQ and the uncompressed control each closes.
nlohmann::json comparison(const std::vector<MethodRow>& rows) {
  nlohmann::json object = {{"metric", "mrr@10"}, {"differences", nlohmann::json::array()}};
  for (const MethodComparison& compared : compare_methods(rows))
    object["differences"].push_back({{"method", compared.method},
                                     {"against", compared.against},
                                     {"mean", compared.mrr.mean},
                                     {"interval_95", {compared.mrr.low, compared.mrr.high}}});
  if (object["differences"].empty()) return nullptr;
  for (const char* method : {"jpq", "distillation", "repconc-1", "repconc"})
    if (const std::optional<double> closed = gap_closed(rows, method)) object["gap_closed"][method] = *closed;
  object["control"] = find_row(rows, "fine-tuned") != nullptr ? "fine-tuned" : "joint-whole";
  return object;
}

std::vector<std::string> notes_of(const nlohmann::json& compared) {
  std::vector<std::string> notes;
  for (const nlohmann::json& difference : compared["differences"])
    notes.push_back(
        fmt::format("{} minus {} in MRR@10: {:.3f}, 95 % interval [{:.3f}; {:.3f}] by paired bootstrap",
                    difference["method"].get<std::string>(),
                    difference["against"].get<std::string>(),
                    difference["mean"].get<double>(),
                    difference["interval_95"][0].get<double>(),
                    difference["interval_95"][1].get<double>()));
  if (compared.contains("gap_closed") && compared["gap_closed"].contains("repconc"))
    notes.push_back(fmt::format("repconc closes {:.0f} % of the gap between opq and {}",
                                100.0 * compared["gap_closed"]["repconc"].get<double>(),
                                compared["control"].get<std::string>()));
  return notes;
}

systems::Outcome run_eval(const EvalOptions& options, systems::Context& context) {
  const io::BundleReader bundle = open_part(options.path, "model");
  if (is_vector_bundle(bundle)) return eval_vectors(bundle, options.queries);
  const Retriever retriever = open_retriever(bundle);
  const EvaluationRequest request = request_of(options, data_of(options, bundle), context.seed);
  const std::map<std::string, Retriever> opened = open_baselines(options.path);
  Baselines baselines;
  for (const auto& [name, baseline] : opened) baselines[name] = &baseline;
  const std::vector<MethodRow> rows = evaluate_methods(request, retriever, baselines);
  report::Table table{fmt::format("{} queries of {}, {} documents",
                                  request.queries.texts.size(),
                                  options.split,
                                  request.corpus.ids.size()),
                      {"method", "code bytes", "bytes a document", "MRR@10", "nDCG@10", "recall@100"},
                      {},
                      {}};
  nlohmann::json list = nlohmann::json::array(), metrics;
  for (const MethodRow& row : rows) {
    nlohmann::json object = {{"method", row.method},
                             {"code_bytes", row.code_bytes},
                             {"bytes_per_document", row.bytes_per_document}};
    for (const char* name : {"hits@1", "mrr@10", "ndcg@10", "recall@100"})
      object[name] = row.scores.mean(name);
    table.rows.push_back({row.method,
                          fmt::format("{:.0f}", row.code_bytes),
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
      {"split", options.split}, {"n", request.queries.texts.size()}, {"metrics", metrics}, {"rows", list}};
  const nlohmann::json compared = comparison(rows);
  if (!compared.is_null()) {
    object["comparison"] = compared;
    table.notes = notes_of(compared);
  }
  return systems::make_outcome(std::move(object), report::to_terminal(table));
}

}  // namespace

systems::Verb make_eval_verb() {
  return systems::served_as(
      systems::Served::kJob,
      systems::make_verb<EvalOptions>(
          "eval",
          "measure what the compression cost, beside BM25, whole vectors, PQ and OPQ",
          "One row a method: bytes of a document, MRR@10, nDCG@10, recall@100. "
          "`metrics` are those of the trained codes. "
          "pq, opq, anisotropic and rabitq are trained on the vectors of the dense encoder; "
          "joint-whole is the encoder of the joint stage without compression; rerank puts "
          "the best 1,000 by codes in the order of 8-bit vectors; hybrid joins BM25 and the "
          "trained codes by reciprocal ranks, hybrid-weighted by scores with a weight chosen "
          "on the split valid. fine-tuned, jpq and distillation are there after "
          "train --compare.",
          {},
          run_eval));
}

}  // namespace tenfold::repconc
