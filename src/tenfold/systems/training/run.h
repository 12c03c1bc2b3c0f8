// SPDX-License-Identifier: Apache-2.0
// One training run of a system: where it is kept, how it is continued, and what is said of it at the end.
#pragma once

#include <cstdint>
#include <string>

#include "tenfold/base/file_system.h"
#include "tenfold/systems/system.h"
#include "tenfold/systems/training/task.h"
#include "tenfold/train/checkpoint.h"
#include "tenfold/train/gradient_estimator.h"
#include "tenfold/train/trainer.h"

namespace tenfold::training {

struct RunRequest {
  std::string system;       // "forward-gradient"
  std::string name;         // on the chart; empty: the system's name
  std::string config_toml;  // as resolved, table [train]
  std::string config_hash;
};

// Trains in context.out, or in runs/<system>-<config hash>-<seed> when that is empty; the same command continues a run that was
// stopped. Over several processes when the environment says so (train/communicator.h).
systems::Outcome run_training(const RunRequest& request,
                              SystemTask& task,
                              train::GradientEstimator& estimator,
                              const train::TrainerOptions& options,
                              systems::Context& context);

// The bundle that `path` stands for: itself, or the best or else the newest checkpoint of a run folder. Throws Error(kFile,
// "run.no_model") with what is there.
Path find_model(const Path& path);

// A bundle read whole, with the configuration it was trained with.
struct LoadedModel {
  Path path;
  train::Checkpoint checkpoint;
};
// Throws Error(kData, "run.other_system") when the bundle belongs to another system.
LoadedModel load_model(const Path& path, const std::string& system);

// {"split", "n", "metrics"} and a table. Throws Error(kConfig, "eval.unknown_split") with the splits there are.
systems::Outcome evaluate_model(SystemTask& task, const std::string& split);

// Writes weights and configuration of a run as one bundle for others to use.
systems::Outcome export_model(const LoadedModel& model, systems::Context& context);

}  // namespace tenfold::training
