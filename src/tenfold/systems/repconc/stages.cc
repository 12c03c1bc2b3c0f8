// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/stages.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/version.h"
#include "tenfold/config/toml.h"
#include "tenfold/systems/repconc/start.h"
#include "tenfold/systems/repconc/vector_stages.h"
#include "tenfold/train/checkpoint.h"

namespace tenfold::repconc {
namespace {

constexpr std::uint64_t kDenseSeed = 1'000'003, kQuerySeed = 2'000'003;  // added to the seed of the run

Path folder_of(const TrainOptions& options, const systems::Context& context) {
  if (!context.out.empty()) return context.out;
  TrainOptions copy = options;
  return Path("runs") / fmt::format("repconc-{}-{}", config::hash(config::Fields(copy)), context.seed);
}

// Runs of the three stages share options, seed and surroundings.
class Stages {
 public:
  Stages(const TrainOptions& options, systems::Context& context)
      : options_(options), context_(context), folder_(folder_of(options, context)) {
    TrainOptions named = options;
    const config::Fields fields(named);
    toml_ = config::to_toml(fields, "train");
    hash_ = config::hash(fields);
    check_blocks(options_);
    corpus_ = std::make_shared<const retrieval::Corpus>(options_.data, options_.vocabulary, options_.encoder);
    check_size();
  }

  systems::Outcome run() {
    training::seed_initial_weights(context_.seed);
    retrieval::DenseTask dense("repconc", corpus_, options_.encoder, options_.loss, options_.dense_stage);
    if (options_.dense.epochs > 0.0) {
      systems::Outcome outcome = train(dense, training::trainer_of(options_.dense), "dense");
      if (stopped(outcome)) return outcome;
    }
    const search::ProductQuantizer start =
        Codebook(start_of(dense.encoder()), 1.0, options_.joint.unit_blocks)->quantizer();
    JointModule joint(copy_of(dense.encoder()),
                      Codebook(start, options_.joint.codeword_rate, options_.joint.unit_blocks),
                      options_.joint.memory);
    nlohmann::json object = nlohmann::json::object();
    std::string text;
    if (has_joint_stage(options_)) {
      JointTask task(corpus_, joint, options_.loss, options_.joint);
      const systems::Outcome outcome = train(task, options_.training.trainer, "");
      if (stopped(outcome)) return outcome;
      object = *outcome.json;
      text = outcome.text;
    }
    const search::ProductQuantizer assigning =
        has_joint_stage(options_) ? joint->codebook->quantizer() : start;
    QueryStage last = query_stage(joint->encoder, assigning, options_.query, "query");
    if (last.stopped.has_value()) return *last.stopped;
    if (last.json.is_object()) object["query"] = last.json;
    write("model",
          {.vocabulary = corpus_->vocabulary,
           .documents = joint->encoder,
           .queries = last.encoder,
           .assigning = assigning,
           .scoring = last.scoring,
           .dense = dense.encoder(),
           .unit_blocks = options_.joint.unit_blocks});
    if (options_.compare) {
      if (const std::optional<systems::Outcome> ended = train_baselines(dense, start)) return *ended;
    }
    return systems::make_outcome(std::move(object), text + last.text);
  }

 private:
  void check_size() const {
    const std::size_t codewords = std::size_t{1} << options_.bits;
    if (corpus_->size() >= codewords) return;
    throw Error(ErrorClass::kData,
                "repconc.too_few_documents",
                {.what = "there are fewer documents than codewords",
                 .seen = fmt::format("{} documents", corpus_->size()),
                 .wanted = fmt::format("at least {}", codewords),
                 .remedy = options_.bits == 8 ? "use --bits 4, or more documents" : "use more documents"});
  }

  static bool stopped(const systems::Outcome& outcome) {
    return !outcome.shown || outcome.json->value("ended_by", "") == "stopped";
  }

  systems::Outcome train(training::SystemTask& task,
                         const train::TrainerOptions& trainer,
                         const std::string& part) {
    const auto estimator = train::make_gradient_estimator(options_.training.gradient);
    systems::Context context = context_;
    context.out = part.empty() ? folder_ : folder_ / part;
    // Other pairs in another order: a stage must not see again what the one before has learned by heart.
    context.seed += part == "dense" ? kDenseSeed : part.empty() || part == kBaselines[0] ? 0 : kQuerySeed;
    const std::string name = options_.training.name.empty() ? "repconc" : options_.training.name;
    return training::run_training({.system = "repconc",
                                   .name = part.empty() ? name : name + " " + part,
                                   .config_toml = toml_,
                                   .config_hash = hash_},
                                  task,
                                  *estimator,
                                  trainer,
                                  context);
  }

  search::ProductQuantizer start_of(retrieval::Encoder encoder) const {
    context_.progress(
        fmt::format("codewords start from {} of {} documents", options_.start, corpus_->size()));
    return start_codewords(
        encoder->encode(corpus_->documents),
        {.method = options_.start, .bytes = options_.bytes, .bits = options_.bits, .seed = context_.seed});
  }

  struct QueryStage {
    retrieval::Encoder encoder{nullptr};
    search::ProductQuantizer scoring;
    nlohmann::json json;
    std::string text;
    std::optional<systems::Outcome> stopped;
  };

  // With 0 epochs: what goes in comes out.
  QueryStage query_stage(const retrieval::Encoder& encoder,
                         const search::ProductQuantizer& assigning,
                         const QueryOptions& options,
                         const std::string& part) {
    JointModule model(copy_of(encoder),
                      Codebook(assigning, options.codeword_rate, options_.joint.unit_blocks));
    QueryStage result{.encoder = model->encoder, .scoring = assigning};
    if (options_.query_stage.epochs == 0.0) return result;
    QueryTask query(corpus_, model, encoder, options_.loss, options);
    const systems::Outcome outcome = train(query, training::trainer_of(options_.query_stage), part);
    if (stopped(outcome)) result.stopped = outcome;
    result.scoring = model->codebook->quantizer();
    result.json = *outcome.json;
    result.text = outcome.text;
    return result;
  }

  // What was stopped, if something was.
  std::optional<systems::Outcome> train_baselines(retrieval::DenseTask& dense,
                                                  const search::ProductQuantizer& start) {
    retrieval::DenseTask control("repconc", corpus_, options_.encoder, options_.loss, options_.dense_stage);
    train::copy_into(*control.encoder(), train::module_tensors(*dense.encoder()));
    if (has_joint_stage(options_)) {
      const systems::Outcome outcome = train(control, options_.training.trainer, kBaselines[0]);
      if (stopped(outcome)) return outcome;
    }
    write_baseline(kBaselines[0], control.encoder(), {.encoder = control.encoder(), .scoring = start}, start);
    for (const char* name : {kBaselines[1], kBaselines[2]}) {
      const QueryOptions options = name == kBaselines[2] ? without_labels(options_.query) : options_.query;
      const QueryStage stage = query_stage(dense.encoder(), start, options, name);
      if (stage.stopped.has_value()) return stage.stopped;
      write_baseline(name, dense.encoder(), stage, start);
    }
    return std::nullopt;
  }

  void write_baseline(const std::string& name,
                      const retrieval::Encoder& documents,
                      const QueryStage& stage,
                      const search::ProductQuantizer& start) const {
    write(Path(name) / "model",
          {.vocabulary = corpus_->vocabulary,
           .documents = documents,
           .queries = stage.encoder,
           .assigning = start,
           .scoring = stage.scoring,
           .unit_blocks = options_.joint.unit_blocks && name != kBaselines[0]});
  }

  void write(const Path& part, const Retriever& retriever) const {
    context_.files->make_directories((folder_ / part).parent_path());
    io::BundleWriter bundle(*context_.files,
                            folder_ / part,
                            {.system = "repconc", .created_by = "tenfold " + std::string(version())});
    bundle.add("config.toml", toml_);
    add_retriever_members(bundle, retriever);
    bundle.commit();
  }

  TrainOptions options_;
  systems::Context& context_;
  Path folder_;
  std::string toml_, hash_;
  std::shared_ptr<const retrieval::Corpus> corpus_;
};

}  // namespace

bool has_joint_stage(const TrainOptions& options) {
  return options.training.trainer.steps > 0 || options.training.trainer.epochs > 0.0;
}

QueryOptions without_labels(QueryOptions options) {
  options.label_weight = 0.0;
  options.distillation_weight = 1.0;
  return options;
}

training::TrainingOptions TrainOptions::main_stage() {
  training::TrainingOptions options;
  options.trainer = training::trainer_of({.epochs = 8, .batch_size = 1024, .learning_rate = 1e-3});
  return options;
}

TrainOptions options_of(const io::BundleReader& bundle) {
  TrainOptions options;
  config::apply_toml(config::Fields(options),
                     bundle.read_text("config.toml"),
                     "train",
                     {},
                     (bundle.path() / "config.toml").string());
  return options;
}

void check_blocks(const TrainOptions& options) {
  const std::int64_t bits = options.bytes * 8, blocks = bits / options.bits;
  if ((options.bits == 4 || options.bits == 8) && options.encoder.dimension % blocks == 0) return;
  throw Error(ErrorClass::kConfig,
              "repconc.blocks",
              {.what = "vectors cannot be cut into these codes",
               .seen = fmt::format("{} bytes of {}-bit codes for {} dimensions",
                                   options.bytes,
                                   options.bits,
                                   options.encoder.dimension),
               .wanted = "codes of 4 or 8 bits whose number divides the dimension",
               .remedy = "choose another --bytes, --bits or --encoder.dimension"});
}

systems::Outcome train_stages(const TrainOptions& options, systems::Context& context) {
  if (is_vector_file(options.data.path)) return train_vectors(options, folder_of(options, context), context);
  return Stages(options, context).run();
}

}  // namespace tenfold::repconc
