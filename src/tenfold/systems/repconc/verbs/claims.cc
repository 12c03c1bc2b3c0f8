// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/verbs/claims.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>
#include <utility>

namespace tenfold::repconc {
namespace {

using systems::Budget;
using systems::ClaimRun;
using systems::Measurement;

constexpr const char* kMadeUp = "made-up";

TrainOptions made_up_options(Budget budget) {
  TrainOptions options;
  options.encoder = {.width = 64, .hidden = 64, .dimension = 32};
  options.data.pseudo_queries = 2;
  options.dense = {.epochs = budget == Budget::kQuick ? 4.0 : 20.0, .batch_size = 256, .learning_rate = 5e-3};
  options.training.trainer.epochs = budget == Budget::kQuick ? 2 : 8;
  options.training.trainer.batch_size = 256;
  options.query_stage.epochs = budget == Budget::kQuick ? 1 : 4;
  options.query.negatives = 100;
  return options;
}

TrainOptions options_for(const std::string& collection, const ClaimRun& run) {
  if (collection == kMadeUp || run.budget == Budget::kQuick) return made_up_options(run.budget);
  TrainOptions options;
  options.data.path = (run.data / collection).string();
  if (collection == "cranfield") {
    options.dense.epochs = 40;  // passes of few pairs
    options.training.trainer.epochs = 32;
    options.query_stage.epochs = 16;
  }
  if (collection == "packages" || collection == "wordnet") {
    options.vocabulary.least_documents = 3;
    options.data.pseudo_queries = 1;
    options.data.label_repeats = 1;
    options.dense.epochs = 4;
    options.training.trainer.epochs = 2;
    options.query_stage.epochs = 0.3;
  }
  return options;
}

template <typename Key, typename Value, typename Make>
Value& once(std::map<Key, Value>& made, const Key& key, const Make& make) {
  const auto found = made.find(key);
  return found != made.end() ? found->second : made.emplace(key, make()).first->second;
}

std::shared_ptr<const retrieval::Corpus> corpus_of(const TrainOptions& options) {
  static std::map<std::string, std::shared_ptr<const retrieval::Corpus>> made;
  return once(made, options.data.path, [&] {
    return std::make_shared<const retrieval::Corpus>(options.data, options.vocabulary, options.encoder);
  });
}

Measurement figures_of(const std::vector<MethodRow>& rows) {
  Measurement figures;
  for (const MethodRow& row : rows) {
    figures["mrr_" + row.method] = row.scores.mean("mrr@10");
    figures["ndcg_" + row.method] = row.scores.mean("ndcg@10");
    figures["recall_" + row.method] = row.scores.mean("recall@100");
    figures["bytes_" + row.method] = row.bytes_per_document;
    figures["code_bytes_" + row.method] = row.code_bytes;
  }
  for (const MethodComparison& compared : compare_methods(rows)) {
    const std::string name = compared.method + "_minus_" + compared.against;
    figures[name] = compared.mrr.mean;
    figures[name + "_low"] = compared.mrr.low;
    figures[name + "_high"] = compared.mrr.high;
  }
  for (const char* method : {"jpq", "distillation", "repconc-1", "repconc"})
    if (const auto closed = gap_closed(rows, method)) figures[std::string("gap_closed_") + method] = *closed;
  figures["queries"] = static_cast<double>(rows.front().scores.queries);
  return figures;
}

}  // namespace

const std::vector<Collection>& collections() {
  static const std::vector<Collection> list = {
      {kMadeUp, "1,024 documents and 512 test queries in made-up words, 32 dimensions", {4}},
      {"squad_sentences",
       "6,795 sentences of SQuAD and 2,352 test questions, 128 dimensions",
       {8, 16, 4, 32}},
      {"cranfield", "1,400 abstracts and the test queries of Cranfield, 128 dimensions", {8, 16, 4, 32}},
      {"packages",
       "package descriptions of Debian by their one-line synopsis (`tenfold repconc make-collection "
       "packages`), 128 "
       "dimensions",
       {8, 16, 4, 32}},
      {"wordnet",
       "glosses of WordNet by example sentences (`tenfold repconc make-collection wordnet`), 128 dimensions",
       {8, 16, 4, 32}}};
  return list;
}

Study& study_of(const std::string& collection, const ClaimRun& run) {
  static std::map<std::tuple<std::string, std::uint64_t, Budget>, std::unique_ptr<Study>> made;
  const std::string name = run.budget == Budget::kQuick ? kMadeUp : collection;
  return *once(made, std::tuple(name, run.seed, run.budget), [&] {
    const TrainOptions options = options_for(name, run);
    return std::make_unique<Study>(
        corpus_of(options),
        options,
        StudyEnvironment{.seed = run.seed, .stop = run.stop, .progress = run.progress});
  });
}

const Measurement& grid_cell(const std::string& collection, std::int64_t bytes, const ClaimRun& run) {
  static std::map<std::tuple<std::string, std::uint64_t, Budget, std::int64_t>, Measurement> made;
  const std::string name = run.budget == Budget::kQuick ? kMadeUp : collection;
  return once(made, std::tuple(name, run.seed, run.budget, bytes), [&] {
    return figures_of(study_of(name, run).table(bytes));
  });
}

std::vector<systems::Claim> make_claims() {
  std::vector<systems::Claim> claims = grid_claims();
  for (systems::Claim& claim : part_claims()) claims.push_back(std::move(claim));
  return claims;
}

}  // namespace tenfold::repconc
