// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/study.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "tenfold/systems/dsi/task.h"
#include "tenfold/systems/training/in_memory.h"
#include "tenfold/train/checkpoint.h"

namespace tenfold::dsi {
namespace {

constexpr std::uint64_t kDualSeed = 1'000'003, kSecondSeed = 2'000'003;

training::InMemoryRun run_of(const StudyEnvironment& environment,
                             std::uint64_t stage,
                             const std::string& what) {
  return {.what = fmt::format("seed {}: {}", environment.seed, what),
          .seed = environment.seed + stage,
          .stop = environment.stop,
          .progress = environment.progress,
          .gradient = {}};
}

void train_examples(const OpenModel& open,
                    const std::shared_ptr<const retrieval::Corpus>& corpus,
                    const ExampleOptions& examples,
                    const train::TrainerOptions& trainer,
                    const StudyEnvironment& environment,
                    std::uint64_t stage,
                    const std::string& what) {
  DsiTask task(
      corpus, std::make_shared<const ExampleDataset>(corpus, examples), open.model, examples.index_weight);
  training::train_in_memory(task, trainer, run_of(environment, stage, what));
}

}  // namespace

Ranker train_model(const TrainOptions& options,
                   const std::shared_ptr<const retrieval::Corpus>& corpus,
                   const StudyEnvironment& environment,
                   bool sequential) {
  OpenModel open{.options = options, .vocabulary = corpus->vocabulary, .corpus = corpus->data.corpus};
  open.documents = std::make_shared<const retrieval::TokenLists>(corpus->documents);
  training::seed_initial_weights(environment.seed);
  retrieval::DenseTask dual("dsi", corpus, encoder_of(options), {.scale = options.dual_scale});
  train::copy_into(*dual.encoder(),
                   train::module_tensors(*start_encoder(options, *corpus, environment.seed)));
  if (options.dual.epochs > 0.0) {
    training::train_in_memory(
        dual, training::trainer_of(options.dual), run_of(environment, kDualSeed, "dual encoder"));
    open.dual = dual.encoder();
  }
  const std::shared_ptr<DocidScheme> scheme = make_docid_scheme(options.docid);
  open.docids = assign_docids(*scheme, *corpus, dual.encoder());
  open.scheme = scheme;
  training::seed_initial_weights(environment.seed);
  open.model = make_model(options,
                          *corpus->vocabulary,
                          open.documents,
                          start_encoder(options, *corpus, environment.seed),
                          open.docids);
  if (sequential) {
    train::TrainerOptions half = options.training.trainer;
    half.epochs *= 0.5;
    ExampleOptions documents = options.examples, labels = options.examples;
    documents.label_repeats = 0;
    documents.ratio = 0.0;
    // As many labelled examples as there would be documents, so that both halves have the steps of the mixture's.
    labels.label_repeats = options.examples.label_repeats + options.examples.per_document;
    labels.per_document = 0;
    labels.ratio = 0.0;
    train_examples(open, corpus, documents, half, environment, 0, "documents alone");
    train_examples(open, corpus, labels, half, environment, kSecondSeed, "labels alone");
  } else {
    train_examples(
        open, corpus, options.examples, options.training.trainer, environment, 0, options.docid.scheme);
  }
  open.live = search::Bitmap(open.size(), true);
  open.words = search::Bm25Index(open.corpus.texts, options.bm25);
  return Ranker(std::move(open));
}

}  // namespace tenfold::dsi
