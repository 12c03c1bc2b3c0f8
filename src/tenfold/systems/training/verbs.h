// SPDX-License-Identifier: Apache-2.0
// The verbs every trainable system has, made from its options struct and a function that builds its task.
//
//   struct MyOptions {
//     std::int64_t width = 64;
//     training::TrainingOptions training;
//     void visit_fields(auto&& field) {
//       field("width", width, {.help = "hidden units"});
//       training.visit_fields(field);  // steps, batch_size, optimizer.*, schedule.*, gradient, ...
//     }
//   };
//   system.verbs = training::make_verbs<MyOptions>({.system = "my-system", .make_task = make_task});
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/config/schema.h"
#include "tenfold/config/toml.h"
#include "tenfold/systems/system.h"
#include "tenfold/systems/training/options.h"
#include "tenfold/systems/training/run.h"
#include "tenfold/systems/training/task.h"

namespace tenfold::training {

template <typename Options>
struct TrainableSystem {
  std::string system;  // name on the command line
  // Builds data and module; LibTorch's generator is seeded before, so that a seed names the initial weights.
  std::function<std::unique_ptr<SystemTask>(const Options&)> make_task;
  // Empty: make_gradient_estimator() of the options.
  std::function<std::unique_ptr<train::GradientEstimator>(const Options&, SystemTask&)> make_estimator;
  std::vector<std::string> train_examples;  // command lines that end within seconds; run by a test
  std::vector<std::string> eval_examples;
};

struct EvalOptions {
  std::string path;
  std::string split = "test";

  void visit_fields(auto&& field) {
    field("path",
          path,
          {.help = "folder of a training run, or a bundle",
           .positional = true,
           .required = true,
           .file = config::FileUse::kRunFolder});
    field("split", split, {.help = "train, valid or test"});
  }
};

struct ExportOptions {
  std::string path;

  void visit_fields(auto&& field) {
    field("path",
          path,
          {.help = "folder of a training run, or a bundle",
           .positional = true,
           .required = true,
           .file = config::FileUse::kRunFolder});
  }
};

// Seeds LibTorch's default generator: initial weights are a function of the seed.
void seed_initial_weights(std::uint64_t seed);

template <typename Options>
systems::Outcome train_with(const TrainableSystem<Options>& trainable,
                            Options options,
                            systems::Context& context) {
  const config::Fields fields(options);
  const RunRequest request{.system = trainable.system,
                           .name = options.training.name,
                           .config_toml = config::to_toml(fields, "train"),
                           .config_hash = config::hash(fields)};
  seed_initial_weights(context.seed);
  const std::unique_ptr<SystemTask> task = trainable.make_task(options);
  const std::unique_ptr<train::GradientEstimator> estimator =
      trainable.make_estimator ? trainable.make_estimator(options, *task)
                               : train::make_gradient_estimator(options.training.gradient);
  return run_training(request, *task, *estimator, options.training.trainer, context);
}

// The task of a trained model, with its weights. The options are those it was trained with.
template <typename Options>
std::unique_ptr<SystemTask> load_task(const TrainableSystem<Options>& trainable, const LoadedModel& model) {
  Options options;
  config::apply_toml(config::Fields(options),
                     model.checkpoint.config_toml,
                     "train",
                     {},
                     (model.path / "config.toml").string());
  std::unique_ptr<SystemTask> task = trainable.make_task(options);
  train::copy_into(task->module(), model.checkpoint.weights);
  return task;
}

template <typename Options>
systems::Verb make_train_verb(TrainableSystem<Options> trainable) {
  return systems::make_verb<Options>(
      "train",
      "train a model; the same command continues a run that was stopped",
      "Writes a run folder: config.toml, metrics.jsonl, TensorBoard events, checkpoints and run.json, which "
      "puts the run on the "
      "compute chart (tenfold trends plot --run). --gradient chooses how gradients are obtained.",
      trainable.train_examples,
      [trainable](const Options& options, systems::Context& context) {
        return train_with(trainable, options, context);
      });
}

template <typename Options>
systems::Verb make_eval_verb(TrainableSystem<Options> trainable) {
  return systems::make_verb<EvalOptions>("eval",
                                         "measure a trained model on a split of its data",
                                         "",
                                         trainable.eval_examples,
                                         [trainable](const EvalOptions& options, systems::Context&) {
                                           const LoadedModel model =
                                               load_model(options.path, trainable.system);
                                           const auto task = load_task(trainable, model);
                                           return evaluate_model(*task, options.split);
                                         });
}

template <typename Options>
systems::Verb make_export_verb(TrainableSystem<Options> trainable) {
  return systems::make_verb<ExportOptions>(
      "export",
      "write weights and configuration of a run as one bundle",
      "The bundle is DIR/model of --out DIR; docs/bundle-format.md says what is in it.",
      {},
      [trainable](const ExportOptions& options, systems::Context& context) {
        return export_model(load_model(options.path, trainable.system), context);
      });
}

// train, eval, export.
template <typename Options>
std::vector<systems::Verb> make_verbs(TrainableSystem<Options> trainable) {
  using systems::Served;
  return {served_as(Served::kJob, make_train_verb(trainable)),
          served_as(Served::kJob, make_eval_verb(trainable)),
          served_as(Served::kJob, make_export_verb(trainable))};
}

}  // namespace tenfold::training
