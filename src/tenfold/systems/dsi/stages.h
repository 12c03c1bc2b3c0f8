// SPDX-License-Identifier: Apache-2.0
// Options of a whole training run, and the stages in their order: a dual encoder of the same size (whose vectors give documents their
// identifiers, and which the model is compared with), identifiers, the model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tenfold/search/bm25.h"
#include "tenfold/systems/dsi/docids/docid_scheme.h"
#include "tenfold/systems/dsi/examples.h"
#include "tenfold/systems/dsi/model.h"
#include "tenfold/systems/retrieval/corpus.h"
#include "tenfold/systems/retrieval/dense_task.h"
#include "tenfold/systems/training/options.h"
#include "tenfold/systems/training/stage.h"
#include "tenfold/systems/training/verbs.h"

namespace tenfold::dsi {

struct TrainOptions {
  retrieval::DataOptions data;
  DocidOptions docid{.scheme = "atomic"};
  retrieval::VocabularyOptions vocabulary;
  ModelOptions model;
  ExampleOptions examples;
  training::StageOptions dual{.epochs = 6, .batch_size = 512, .learning_rate = 2e-3, .weight_decay = 0.01};
  double dual_scale = 16.0;
  search::Bm25Options bm25;
  training::TrainingOptions training = main_stage();

  void visit_fields(auto&& field) {
    const auto prefixed = [&](const char* first, const std::string& rest) {
      return [&field, first, rest](std::string_view name, auto& value, config::FieldInfo info) {
        field(name == first ? rest : rest + "_" + std::string(name), value, std::move(info));
      };
    };
    data.visit_fields(prefixed("path", "data"));
    docid.visit_fields(prefixed("scheme", "docid"));
    field("vocabulary", vocabulary, {});
    field("model", model, {});
    field("examples", examples, {});
    dual.visit_fields([&](std::string_view name, auto& value, config::FieldInfo info) {
      field("dual." + std::string(name), value, std::move(info));
    });
    field("dual.scale",
          dual_scale,
          {.help = "of scores in the dual encoder's softmax: 1 / temperature", .min = 1e-3, .max = 1e6});
    field("bm25", bm25, {});
    training.visit_fields(field);
  }

  static training::TrainingOptions main_stage();
};

// The encoder options a model of these options has: a bag of words for sequences has slots x width dimensions.
retrieval::EncoderOptions encoder_of(const TrainOptions& options);

std::shared_ptr<const retrieval::Corpus> corpus_of(const TrainOptions& options);

// The dual encoder before training, with word vectors when the options name a file.
retrieval::Encoder start_encoder(const TrainOptions& options,
                                 const retrieval::Corpus& corpus,
                                 std::uint64_t seed);

// Identifiers by the dual encoder's vectors; `scheme` learns them.
Docids assign_docids(DocidScheme& scheme, const retrieval::Corpus& corpus, retrieval::Encoder dual);

// A fresh model for these documents. `docids` is not looked at when they are atomic.
DocidModel make_model(const TrainOptions& options,
                      const retrieval::Vocabulary& vocabulary,
                      std::shared_ptr<const retrieval::TokenLists> documents,
                      retrieval::Encoder encoder,
                      Docids docids);

bool is_atomic(const TrainOptions& options);

// Trains the dual encoder in DIR/dual and the model in DIR, then writes the bundle DIR/model (model_file.h). The same call continues where it
// was stopped. Throws what the parts throw. How many documents have no known word, or the words of another one, is said as progress.
systems::Outcome train_stages(const TrainOptions& options, systems::Context& context);

}  // namespace tenfold::dsi
