// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/study.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/systems/repconc/index_part.h"
#include "tenfold/systems/repconc/start.h"
#include "tenfold/systems/training/in_memory.h"
#include "tenfold/train/checkpoint.h"
#include "tenfold/train/trainer.h"

namespace tenfold::repconc {
namespace {

constexpr std::uint64_t kDenseStage = 1'000'003, kJointStage = 0, kQueryStage = 2'000'003;
constexpr std::size_t kDepth = 100;

}  // namespace

LabelledQueries labelled_queries(const retrieval::RetrievalData& data, const std::string& split) {
  LabelledQueries queries;
  const auto found = data.splits.find(split);
  if (found == data.splits.end()) return queries;
  for (const std::uint32_t query : found->second.queries) queries.texts.push_back(data.queries.texts[query]);
  queries.judgements = found->second.judgements;
  return queries;
}

Study::Study(std::shared_ptr<const retrieval::Corpus> corpus,
             TrainOptions options,
             StudyEnvironment environment)
    : corpus_(std::move(corpus)), options_(std::move(options)), environment_(std::move(environment)) {}

retrieval::Encoder Study::fresh(const retrieval::Encoder& encoder) const {
  return copy_of(encoder);
}

std::map<std::string, double> Study::train(training::SystemTask& task,
                                           const train::TrainerOptions& trainer,
                                           std::uint64_t stage,
                                           const std::string& what) {
  const train::TrainReport report =
      training::train_in_memory(task,
                                trainer,
                                {.what = fmt::format("seed {}: {}", environment_.seed, what),
                                 .seed = environment_.seed + stage,
                                 .stop = environment_.stop,
                                 .progress = environment_.progress,
                                 .gradient = options_.training.gradient});
  std::map<std::string, double> figures;
  for (const train::LogRow& row : report.log)
    for (const auto& [name, value] : row.figures) figures[name] = value;
  return figures;
}

retrieval::Encoder Study::dense() {
  if (!dense_.is_empty()) return dense_;
  training::seed_initial_weights(environment_.seed);
  retrieval::DenseTask task("repconc", corpus_, options_.encoder, options_.loss, options_.dense_stage);
  train(task, training::trainer_of(options_.dense), kDenseStage, "dense encoder");
  dense_ = task.encoder();
  return dense_;
}

const Retriever& Study::control() {
  if (control_.has_value()) return *control_;
  retrieval::DenseTask task("repconc", corpus_, options_.encoder, options_.loss, options_.dense_stage);
  train::copy_into(*task.encoder(), train::module_tensors(*dense()));
  train(task, options_.training.trainer, kJointStage, "uncompressed control");
  const search::ProductQuantizer any =
      start_codewords(dense()->encode(corpus_->documents),
                      {.method = "random", .bytes = 1, .bits = 8, .seed = environment_.seed});
  control_.emplace(Retriever{.vocabulary = corpus_->vocabulary,
                             .documents = task.encoder(),
                             .queries = task.encoder(),
                             .assigning = any,
                             .scoring = any});
  return *control_;
}

const search::ProductQuantizer& Study::start(std::int64_t bytes, const std::string& method) {
  const auto key = std::pair(method, bytes);
  if (const auto found = starts_.find(key); found != starts_.end()) return found->second;
  return starts_
      .emplace(key,
               start_codewords(
                   dense()->encode(corpus_->documents),
                   {.method = method, .bytes = bytes, .bits = options_.bits, .seed = environment_.seed}))
      .first->second;
}

JointModule Study::joint(const search::ProductQuantizer& start,
                         const JointOptions& options,
                         std::map<std::string, double>* figures) {
  JointModule model(
      fresh(dense()), Codebook(start, options.codeword_rate, options.unit_blocks), options.memory);
  JointTask task(corpus_, model, options_.loss, options);
  const std::map<std::string, double> last = train(
      task, options_.training.trainer, kJointStage, fmt::format("joint stage, {} bytes", start.code_bytes()));
  if (figures != nullptr) *figures = last;
  return model;
}

const JointModule& Study::joint(std::int64_t bytes) {
  const auto found = joints_.find(bytes);
  return found != joints_.end() ? found->second
                                : joints_.emplace(bytes, joint(start(bytes), options_.joint)).first->second;
}

Retriever Study::query(const retrieval::Encoder& encoder,
                       const search::ProductQuantizer& assigning,
                       const QueryOptions& options) {
  JointModule model(fresh(encoder), Codebook(assigning, options.codeword_rate, options_.joint.unit_blocks));
  if (options_.query_stage.epochs > 0.0) {
    QueryTask task(corpus_, model, encoder, options_.loss, options);
    train(task,
          training::trainer_of(options_.query_stage),
          kQueryStage,
          fmt::format("query stage, {} bytes", assigning.code_bytes()));
  }
  return {.vocabulary = corpus_->vocabulary,
          .documents = encoder,
          .queries = model->encoder,
          .assigning = assigning,
          .scoring = model->codebook->quantizer(),
          .dense = dense(),
          .unit_blocks = options_.joint.unit_blocks};
}

Retriever Study::without_query(const JointModule& model) const {
  const search::ProductQuantizer codewords = model->codebook->quantizer();
  return {.vocabulary = corpus_->vocabulary,
          .documents = model->encoder,
          .queries = model->encoder,
          .assigning = codewords,
          .scoring = codewords,
          .unit_blocks = options_.joint.unit_blocks};
}

search::Bm25Options Study::tuned_bm25() {
  if (bm25_.has_value()) return *bm25_;
  bm25_.emplace();
  const LabelledQueries tuning = labelled_queries(corpus_->data, "valid");
  if (tuning.texts.empty()) return *bm25_;
  double best = -1;
  for (const double k1 : {0.6, 0.9, 1.2})
    for (const double b : {0.2, 0.4, 0.6, 0.75}) {
      const search::Bm25Options tried{.k1 = k1, .b = b};
      const search::Bm25Index index(corpus_->data.corpus.texts, tried);
      const double mrr =
          search::score_rankings(index.search(tuning.texts, kDepth), tuning.judgements).mean("mrr@10");
      if (mrr <= best) continue;
      best = mrr;
      bm25_ = tried;
    }
  return *bm25_;
}

std::vector<MethodRow> Study::table(std::int64_t bytes) {
  const search::ProductQuantizer& begin = start(bytes);
  const JointModule& model = joint(bytes);
  const Retriever ours = query(model->encoder, model->codebook->quantizer(), options_.query);
  const Retriever jpq = query(dense(), begin, options_.query);
  const Retriever distillation = query(dense(), begin, without_labels(options_.query));
  const EvaluationRequest request{.corpus = corpus_->data.corpus,
                                  .queries = labelled_queries(corpus_->data, "test"),
                                  .tuning = labelled_queries(corpus_->data, "valid"),
                                  .seed = static_cast<std::int64_t>(environment_.seed),
                                  .bm25 = tuned_bm25()};
  return evaluate_methods(
      request, ours, {{"fine-tuned", &control()}, {"jpq", &jpq}, {"distillation", &distillation}});
}

search::RankingScores Study::scores(const Retriever& retriever,
                                    const std::optional<std::vector<std::uint8_t>>& codes) const {
  const LabelledQueries queries = labelled_queries(corpus_->data, "test");
  search::CodeIndex index(retriever.scoring);
  index.add_codes(
      codes.has_value() ? *codes : retriever.codes(retriever.encode_documents(corpus_->data.corpus.texts)));
  const std::vector<float> vectors = retriever.encode_queries(queries.texts);
  return search::score_rankings(
      index.search(search::as_vectors(vectors, retriever.scoring.dimension()), {.k = kDepth}),
      queries.judgements);
}

}  // namespace tenfold::repconc
