// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/stages.h"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/config/toml.h"
#include "tenfold/systems/dsi/atomic_model.h"
#include "tenfold/systems/dsi/model_file.h"
#include "tenfold/systems/dsi/sequence_model.h"
#include "tenfold/systems/dsi/task.h"
#include "tenfold/systems/retrieval/tensor_rows.h"
#include "tenfold/systems/retrieval/word_vectors.h"
#include "tenfold/train/checkpoint.h"

namespace tenfold::dsi {
namespace {

constexpr std::uint64_t kDualSeed = 1'000'003;  // added to the seed of the run

Path folder_of(const TrainOptions& options, const systems::Context& context) {
  if (!context.out.empty()) return context.out;
  TrainOptions copy = options;
  return Path("runs") / fmt::format("dsi-{}-{}", config::hash(config::Fields(copy)), context.seed);
}

bool stopped(const systems::Outcome& outcome) {
  return !outcome.shown || outcome.json->value("ended_by", "") == "stopped";
}

// An identifier stands for one text: a document without words cannot be learned, nor two with the same ones told apart.
void check_documents(const retrieval::Corpus& corpus, systems::Context& context) {
  std::set<std::vector<std::int64_t>> seen;
  std::size_t empty = 0, twice = 0;
  for (std::size_t i = 0; i < corpus.size(); ++i) {
    const auto tokens = corpus.documents[i];
    empty += tokens.empty() ? 1 : 0;
    twice += !tokens.empty() && !seen.emplace(tokens.begin(), tokens.end()).second ? 1 : 0;
  }
  if (empty > 0)
    context.progress(fmt::format("{} documents have no known word: they will not be found", empty));
  if (twice > 0)
    context.progress(
        fmt::format("{} documents have the words of an earlier one: no model can tell them apart", twice));
}

// Runs of the stages share options, seed and surroundings.
class Stages {
 public:
  Stages(const TrainOptions& options, systems::Context& context)
      : options_(options), context_(context), folder_(folder_of(options, context)) {
    TrainOptions named = options;
    const config::Fields fields(named);
    toml_ = config::to_toml(fields, "train");
    hash_ = config::hash(fields);
    corpus_ = corpus_of(options_);
    check_documents(*corpus_, context_);
  }

  systems::Outcome run() {
    training::seed_initial_weights(context_.seed);
    const retrieval::LossOptions loss{.scale = options_.dual_scale};
    retrieval::DenseTask dual("dsi", corpus_, encoder_of(options_), loss);
    train::copy_into(*dual.encoder(),
                     train::module_tensors(*start_encoder(options_, *corpus_, context_.seed)));
    if (options_.dual.epochs > 0.0) {
      const systems::Outcome outcome = train(dual, training::trainer_of(options_.dual), "dual");
      if (stopped(outcome)) return outcome;
    }
    OpenModel open{.options = options_, .vocabulary = corpus_->vocabulary, .corpus = corpus_->data.corpus};
    open.documents = std::make_shared<const retrieval::TokenLists>(corpus_->documents);
    const std::shared_ptr<DocidScheme> scheme = make_docid_scheme(options_.docid);
    open.docids = assign_docids(*scheme, *corpus_, dual.encoder());
    open.scheme = scheme;
    training::seed_initial_weights(context_.seed);
    open.model = make_model(options_,
                            *corpus_->vocabulary,
                            open.documents,
                            start_encoder(options_, *corpus_, context_.seed),
                            open.docids);
    const auto examples = std::make_shared<const ExampleDataset>(corpus_, options_.examples);
    DsiTask task(corpus_, examples, open.model, options_.examples.index_weight);
    const systems::Outcome outcome = train(task, options_.training.trainer, "");
    if (stopped(outcome)) return outcome;
    if (options_.dual.epochs > 0.0) open.dual = dual.encoder();
    open.live = search::Bitmap(open.size(), true);
    open.words = search::Bm25Index(open.corpus.texts, options_.bm25);
    write_model(*context_.files, folder_ / "model", open);
    return outcome;
  }

 private:
  systems::Outcome train(training::SystemTask& task,
                         const train::TrainerOptions& trainer,
                         const std::string& part) {
    const auto estimator = train::make_gradient_estimator(options_.training.gradient);
    systems::Context context = context_;
    context.out = part.empty() ? folder_ : folder_ / part;
    if (!part.empty()) context.seed += kDualSeed;
    const std::string name = options_.training.name.empty() ? "dsi" : options_.training.name;
    return training::run_training({.system = "dsi",
                                   .name = part.empty() ? name : name + " " + part,
                                   .config_toml = toml_,
                                   .config_hash = hash_},
                                  task,
                                  *estimator,
                                  trainer,
                                  context);
  }

  TrainOptions options_;
  systems::Context& context_;
  Path folder_;
  std::string toml_, hash_;
  std::shared_ptr<const retrieval::Corpus> corpus_;
};

}  // namespace

training::TrainingOptions TrainOptions::main_stage() {
  training::TrainingOptions options;
  options.trainer =
      training::trainer_of({.epochs = 12, .batch_size = 512, .learning_rate = 2e-3, .weight_decay = 0.01});
  return options;
}

bool is_atomic(const TrainOptions& options) {
  return options.docid.scheme == "atomic";
}

retrieval::EncoderOptions encoder_of(const TrainOptions& options) {
  retrieval::EncoderOptions encoder = options.model.encoder;
  if (!is_atomic(options) && encoder.kind == "bag")
    encoder.dimension = options.model.slots * options.model.width;
  return encoder;
}

std::shared_ptr<const retrieval::Corpus> corpus_of(const TrainOptions& options) {
  return std::make_shared<const retrieval::Corpus>(options.data, options.vocabulary, options.model.encoder);
}

retrieval::Encoder start_encoder(const TrainOptions& options,
                                 const retrieval::Corpus& corpus,
                                 std::uint64_t seed) {
  retrieval::Encoder encoder = retrieval::make_encoder(encoder_of(options), *corpus.vocabulary);
  auto* bag = dynamic_cast<retrieval::BagEncoderImpl*>(encoder.get());
  if (bag != nullptr && !options.model.word_vectors.empty())
    retrieval::start_from_word_vectors(options.model.word_vectors, *corpus.vocabulary, seed, *bag);
  return encoder;
}

Docids assign_docids(DocidScheme& scheme, const retrieval::Corpus& corpus, retrieval::Encoder dual) {
  const torch::Tensor vectors = dual->encode(corpus.documents).contiguous();
  return scheme.assign({.count = corpus.size(),
                        .titles = corpus.data.corpus.titles,
                        .texts = corpus.data.corpus.texts,
                        .embeddings = retrieval::rows_of(vectors)});
}

DocidModel make_model(const TrainOptions& options,
                      const retrieval::Vocabulary& vocabulary,
                      std::shared_ptr<const retrieval::TokenLists> documents,
                      retrieval::Encoder encoder,
                      Docids docids) {
  std::shared_ptr<DocidModelImpl> model;
  if (is_atomic(options)) {
    model = std::make_shared<AtomicModelImpl>(
        std::move(documents), vocabulary.size(), std::move(encoder), options.model);
  } else {
    const bool bag = options.model.encoder.kind == "bag";
    model = std::make_shared<SequenceModelImpl>(std::move(docids),
                                                static_cast<std::int64_t>(vocabulary.size()),
                                                bag ? std::move(encoder) : retrieval::Encoder(nullptr),
                                                options.model);
  }
  return DocidModel(std::move(model));
}

systems::Outcome train_stages(const TrainOptions& options, systems::Context& context) {
  return Stages(options, context).run();
}

}  // namespace tenfold::dsi
