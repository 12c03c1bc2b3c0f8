// SPDX-License-Identifier: Apache-2.0
// Options of a whole training run and the stages in their order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tenfold/systems/repconc/retriever.h"
#include "tenfold/systems/repconc/tasks.h"
#include "tenfold/systems/repconc/vector_data.h"
#include "tenfold/systems/training/options.h"
#include "tenfold/systems/training/stage.h"
#include "tenfold/systems/training/verbs.h"

namespace tenfold::repconc {

struct TrainOptions {
  retrieval::DataOptions data;
  std::int64_t bytes = 16;
  std::int64_t bits = 8;
  retrieval::VocabularyOptions vocabulary;
  retrieval::EncoderOptions encoder;
  retrieval::LossOptions loss;
  training::StageOptions dense{.epochs = 10, .batch_size = 512, .learning_rate = 2e-3, .weight_decay = 0.01};
  retrieval::DenseOptions dense_stage;
  std::string start = "opq";  // how the codewords begin
  JointOptions joint;
  QueryOptions query;
  training::StageOptions query_stage{.epochs = 4, .batch_size = 256, .learning_rate = 5e-4};
  bool compare = false;  // train the baselines too
  VectorOptions vectors;
  training::TrainingOptions training = main_stage();

  void visit_fields(auto&& field) {
    data.visit_fields([&](std::string_view name, auto& value, config::FieldInfo info) {
      field(name == "path" ? std::string("data") : "data_" + std::string(name), value, std::move(info));
    });
    field("bytes", bytes, {.help = "of a document in the index", .unit = "B", .min = 1, .max = 4096});
    field("bits",
          bits,
          {.help = "of a code: 4 or 8; with rabitq of a coordinate: 1, 2, 4 or 8", .min = 1, .max = 8});
    field("vocabulary", vocabulary, {});
    field("encoder", encoder, {});
    field("loss", loss, {});
    field("dense", dense, {});
    dense_stage.visit_fields([&](std::string_view name, auto& value, config::FieldInfo info) {
      field("dense." + std::string(name), value, std::move(info));
    });
    field("start",
          start,
          {.help = "how the codewords begin; random is for experiments", .choices = {"pq", "opq", "random"}});
    field("joint", joint, {});
    query_stage.visit_fields([&](std::string_view name, auto& value, config::FieldInfo info) {
      field("query." + std::string(name), value, std::move(info));
    });
    query.visit_fields([&](std::string_view name, auto& value, config::FieldInfo info) {
      field("query." + std::string(name), value, std::move(info));
    });
    field("compare",
          compare,
          {.help = "also train what eval compares with: the encoder without codes, JPQ, distillation without "
                   "labels"});
    field("vectors", vectors, {});
    training.visit_fields(field);
  }

  static training::TrainingOptions main_stage();
};

// The folders of the baselines in a run folder, which are also the names of their rows (evaluation.h).
inline constexpr const char* kBaselines[] = {"fine-tuned", "jpq", "distillation"};

// The options a bundle of this system was trained with. Throws Error(kFile) and Error(kConfig) as the readers.
TrainOptions options_of(const io::BundleReader& bundle);

// Throws Error(kConfig, "repconc.blocks") when the bytes give no whole number of blocks or blocks that do not divide the dimension.
void check_blocks(const TrainOptions& options);

// The stage is left out with 0 epochs: codewords stay as they began, and what follows is JPQ alone.
bool has_joint_stage(const TrainOptions& options);

// QueryOptions of the baseline without labels.
QueryOptions without_labels(QueryOptions options);

// Trains dense encoder, codewords with encoder, and query encoder, each in a run folder: DIR/dense, DIR itself, DIR/query. Then writes
// the bundle DIR/model. With `compare` also DIR/fine-tuned (the dense encoder trained on as long as the joint stage, without codes), DIR/jpq
// (the query stage straight from the start) and DIR/distillation (the same without labels), each with a bundle `model`.
// The same call continues where it was stopped. Throws check_blocks()'s, Error(kData,
// "repconc.too_few_documents") for fewer documents than codewords, and what the parts throw.
// With a file of vectors as data there is no encoder to train: vector_stages.h.
systems::Outcome train_stages(const TrainOptions& options, systems::Context& context);

}  // namespace tenfold::repconc
