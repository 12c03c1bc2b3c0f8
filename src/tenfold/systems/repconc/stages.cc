// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/stages.h"

#include <ATen/Functions.h>
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/version.h"
#include "tenfold/config/toml.h"
#include "tenfold/search/quantizer.h"
#include "tenfold/systems/repconc/vector_stages.h"

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
    corpus_ = std::make_shared<const Corpus>(options_.data, options_.vocabulary, options_.encoder);
    check_size();
  }

  systems::Outcome run() {
    training::seed_initial_weights(context_.seed);
    DenseTask dense(corpus_, options_.encoder, options_.loss, options_.dense_stage);
    if (options_.dense.epochs > 0.0) {
      systems::Outcome outcome = train(dense, trainer_of(options_.dense), "dense");
      if (stopped(outcome)) return outcome;
    }
    JointModule joint(copy_of(dense.encoder()),
                      Codebook(start(dense.encoder()), options_.joint.codeword_rate));
    JointTask task(corpus_, joint, options_.loss, options_.joint);
    systems::Outcome outcome = train(task, options_.training.trainer, "");
    if (stopped(outcome)) return outcome;
    const search::ProductQuantizer assigning = joint->codebook->quantizer();
    JointModule last_model(copy_of(joint->encoder), Codebook(assigning, options_.query.codeword_rate));
    if (options_.query_stage.epochs > 0.0) {
      QueryTask query(corpus_, last_model, joint->encoder, options_.loss, options_.query);
      const systems::Outcome last = train(query, trainer_of(options_.query_stage), "query");
      if (stopped(last)) return last;
      nlohmann::json object = *outcome.json;
      object["query"] = *last.json;
      outcome = systems::make_outcome(std::move(object), outcome.text + last.text);
    }
    write({.vocabulary = corpus_->vocabulary,
           .documents = joint->encoder,
           .queries = last_model->encoder,
           .assigning = assigning,
           .scoring = last_model->codebook->quantizer(),
           .dense = dense.encoder()});
    return outcome;
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
    context.seed += part == "dense" ? kDenseSeed : part == "query" ? kQuerySeed : 0;
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

  search::ProductQuantizer start(Encoder encoder) const {
    const torch::Tensor vectors = encoder->encode(corpus_->documents).contiguous();
    context_.progress(
        fmt::format("codewords start from {} of {} documents", options_.start, corpus_->size()));
    return search::train_product_quantizer(
        search::Vectors(
            vectors.data_ptr<float>(), corpus_->size(), static_cast<std::size_t>(vectors.size(1))),
        {.method = options_.start,
         .bytes = options_.bytes,
         .bits = options_.bits,
         .seed = static_cast<std::int64_t>(context_.seed)});
  }

  void write(const Retriever& retriever) const {
    io::BundleWriter bundle(*context_.files,
                            folder_ / "model",
                            {.system = "repconc", .created_by = "tenfold " + std::string(version())});
    bundle.add("config.toml", toml_);
    add_retriever_members(bundle, retriever);
    bundle.commit();
  }

  TrainOptions options_;
  systems::Context& context_;
  Path folder_;
  std::string toml_, hash_;
  std::shared_ptr<const Corpus> corpus_;
};

}  // namespace

train::TrainerOptions trainer_of(const StageOptions& stage) {
  train::TrainerOptions trainer;
  trainer.epochs = stage.epochs;
  trainer.batch_size = stage.batch_size;
  trainer.optimizer.learning_rate = stage.learning_rate;
  trainer.optimizer.weight_decay = stage.weight_decay;
  trainer.schedule.name = "linear";
  trainer.metric = "mrr@10";
  trainer.lower_is_better = false;
  return trainer;
}

training::TrainingOptions TrainOptions::main_stage() {
  training::TrainingOptions options;
  options.trainer = trainer_of({.epochs = 4, .batch_size = 1024, .learning_rate = 2e-4});
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
