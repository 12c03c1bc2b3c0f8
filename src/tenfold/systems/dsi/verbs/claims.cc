// SPDX-License-Identifier: Apache-2.0
// Rules of judgement stand here as they were fixed before the test queries were looked at.
#include "tenfold/systems/dsi/verbs/claims.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "tenfold/config/field.h"
#include "tenfold/systems/dsi/study.h"

namespace tenfold::dsi {
namespace {

using systems::Budget;
using systems::Claim;
using systems::ClaimRun;
using systems::Measurement;
using systems::Verdict;

constexpr const char* kSquad = "squad_sentences";
constexpr const char* kPaper = "arXiv 2202.06991";

TrainOptions made_up_options(Budget budget) {
  TrainOptions options;
  options.model.encoder = {.width = 64, .hidden = 64, .dimension = 64};
  options.model.width = 32;
  options.model.layers = 1;
  options.model.heads = 2;
  options.model.hidden = 64;
  options.examples.per_document = 2;
  options.dual = {.epochs = 1.0, .batch_size = 256, .learning_rate = 5e-3};
  options.training.trainer.epochs = budget == Budget::kQuick ? 2 : 12;
  options.training.trainer.batch_size = 256;
  options.training.trainer.optimizer.learning_rate = 5e-3;
  return options;
}

TrainOptions options_for(const ClaimRun& run) {
  if (run.budget == Budget::kQuick) return made_up_options(run.budget);
  TrainOptions options;
  options.data.path = (run.data / kSquad).string();
  options.data.valid_share = 0.0;  // settings were chosen with a share of 0.1 before
  return options;
}

struct Variant {
  std::string name;
  void (*change)(TrainOptions&);
  bool sequential = false;
};

std::shared_ptr<const retrieval::Corpus> corpus_once(const TrainOptions& options) {
  static std::map<std::pair<std::string, std::string>, std::shared_ptr<const retrieval::Corpus>> made;
  auto& corpus = made[{options.data.path, options.model.encoder.kind}];
  if (!corpus) corpus = corpus_of(options);
  return corpus;
}

void put(const search::RankingScores& scores, const std::string& name, Measurement& to) {
  if (scores.queries == 0) return;
  for (const char* metric : {"hits@1", "mrr@10", "ndcg@10", "recall@10"})
    to[name + "_" + metric] = scores.mean(metric);
}

void put_difference(const search::RankingScores& a,
                    const search::RankingScores& b,
                    const std::string& metric,
                    const std::string& name,
                    Measurement& to) {
  const auto difference = search::paired_bootstrap(a.per_query.at(metric), b.per_query.at(metric));
  to[name] = difference.mean;
  to[name + "_low"] = difference.low;
  to[name + "_high"] = difference.high;
}

struct Result {
  Measurement figures;
  DsiEvaluation evaluation;
};

// Trained and evaluated once for each variant, seed and budget.
const Result& result_of(const Variant& variant, const ClaimRun& run) {
  static std::map<std::tuple<std::string, std::uint64_t, Budget>, Result> made;
  const std::tuple key(variant.name, run.seed, run.budget);
  if (const auto found = made.find(key); found != made.end()) return found->second;
  TrainOptions options = options_for(run);
  variant.change(options);
  const auto corpus = corpus_once(options);
  const Ranker ranker = train_model(
      options, corpus, {.seed = run.seed, .stop = run.stop, .progress = run.progress}, variant.sequential);
  Result result{.figures = {}, .evaluation = evaluate_model(ranker, corpus->data, "test")};
  for (const MethodRow& row : result.evaluation.rows) {
    put(row.all, row.method, result.figures);
    put(row.seen, row.method + "_seen", result.figures);
    put(row.unseen, row.method + "_unseen", result.figures);
  }
  result.figures["memorised"] = memorisation(ranker, 32);
  return made.emplace(key, std::move(result)).first->second;
}

const Variant kWide{"wide", [](TrainOptions& options) { options.model.wide = true; }};
const Variant kAtomic{"atomic", [](TrainOptions&) {}};
const Variant kSequential{"sequential", [](TrainOptions&) {}, true};
const Variant kRawText{"direct", [](TrainOptions& options) { options.examples.views = {"direct"}; }};
const Variant kSemantic{"semantic", [](TrainOptions& options) { options.docid.scheme = "semantic"; }};
const Variant kNaive{"naive", [](TrainOptions& options) { options.docid.scheme = "naive"; }};

Claim base(const std::string& id, const std::string& sentence, const std::string& metric) {
  Claim claim;
  claim.id = id;
  claim.sentence = sentence;
  claim.source = kPaper;
  claim.metric = metric;
  claim.setup =
      "6,795 sentences of SQuAD and 2,352 test questions; models trained from nothing, 12 epochs (quick: the "
      "made-up collection)";
  claim.needs = {kSquad};
  return claim;
}

std::function<Verdict(const std::vector<Measurement>&)> above_zero(const std::string& metric) {
  return [metric](const std::vector<Measurement>& runs) {
    const auto above = [&](const Measurement& run) { return run.at(metric + "_low") > 0; };
    const auto below = [&](const Measurement& run) { return run.at(metric + "_high") <= 0; };
    if (std::all_of(runs.begin(), runs.end(), above)) return Verdict::kReproduced;
    if (std::all_of(runs.begin(), runs.end(), below)) return Verdict::kNotReproduced;
    return Verdict::kNotSeparable;
  };
}

// All seeds at or above `least`, or none of them.
std::function<Verdict(const std::vector<Measurement>&)> at_least(const std::string& metric, double least) {
  return [metric, least](const std::vector<Measurement>& runs) {
    const auto count = std::count_if(
        runs.begin(), runs.end(), [&](const Measurement& run) { return run.at(metric) >= least; });
    if (count == static_cast<std::ptrdiff_t>(runs.size())) return Verdict::kReproduced;
    return count == 0 ? Verdict::kNotReproduced : Verdict::kNotSeparable;
  };
}

// `with` against `without` by hits@1 of all test queries.
Claim compared(const std::string& id,
               const std::string& sentence,
               const Variant& with,
               const Variant& without) {
  Claim claim = base(id, sentence, "difference");
  claim.expected = "hits@1 higher; the paired 95 % interval over queries is above 0 with every seed";
  claim.measure = [&with, &without](const ClaimRun& run) {
    const Result &a = result_of(without, run), &b = result_of(with, run);
    Measurement figures;
    put_difference(find_row(a.evaluation.rows, "dsi")->all,
                   find_row(b.evaluation.rows, "dsi")->all,
                   "hits@1",
                   "difference",
                   figures);
    figures["with"] = b.figures.at("dsi_hits@1");
    figures["without"] = a.figures.at("dsi_hits@1");
    figures["ratio"] = figures["with"] / std::max(1e-9, figures["without"]);
    return figures;
  };
  claim.judge = above_zero("difference");
  return claim;
}

// A row of one variant against another row of the same evaluation.
Claim against(const std::string& id,
              const std::string& sentence,
              const Variant& variant,
              const std::string& method,
              const std::string& other) {
  Claim claim = base(id, sentence, "difference");
  claim.expected = "hits@1 higher; the paired 95 % interval over queries is above 0 with every seed";
  claim.measure = [&variant, method, other](const ClaimRun& run) {
    const Result& result = result_of(variant, run);
    Measurement figures = result.figures;
    put_difference(find_row(result.evaluation.rows, other)->all,
                   find_row(result.evaluation.rows, method)->all,
                   "hits@1",
                   "difference",
                   figures);
    return figures;
  };
  claim.judge = above_zero("difference");
  return claim;
}

Claim memorises() {
  Claim claim =
      base("memorises", "The model finds nearly every document from its own first words.", "memorised");
  claim.expected = "at least 98 % of the documents from their first 32 words with every seed";
  claim.measure = [](const ClaimRun& run) {
    return Measurement{{"memorised", result_of(kWide, run).figures.at("memorised")}};
  };
  claim.judge = at_least("memorised", 0.98);
  return claim;
}

Claim pseudo_queries() {
  Claim claim =
      compared("pseudo_queries",
               "Indexing by pseudo-queries finds far more than indexing by the first words of the text.",
               kAtomic,
               kRawText);
  claim.source = "arXiv 2206.10128 (DSI-QG), table 2";
  claim.metric = "ratio";
  claim.expected = "hits@1 at least 1.5 times as high with every seed";
  claim.judge = at_least("ratio", 1.5);
  return claim;
}

}  // namespace

std::vector<Claim> make_claims() {
  return {
      against("above_bm25", "DSI with word weights finds more than tuned BM25.", kWide, "dsi", "bm25"),
      against("fusion_above_bm25", "DSI and BM25 together find more than BM25.", kWide, "fusion", "bm25"),
      against("fusion_above_dsi", "DSI and BM25 together find more than DSI.", kWide, "fusion", "dsi"),
      against("above_dual_encoder",
              "DSI without word weights finds more than a dual encoder of its size.",
              kAtomic,
              "dsi",
              "dual"),
      memorises(),
      compared("word_weights", "Word weights beside the vectors pay.", kWide, kAtomic),
      compared("multi_task",
               "Indexing and retrieval trained together beat one after the other.",
               kAtomic,
               kSequential),
      pseudo_queries(),
      compared("semantic_above_naive", "Semantic identifiers find more than naive ones.", kSemantic, kNaive)};
}

}  // namespace tenfold::dsi
