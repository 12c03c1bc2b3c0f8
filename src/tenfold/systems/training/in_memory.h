// SPDX-License-Identifier: Apache-2.0
// A training run without a run folder: for experiments that compare many models.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "tenfold/base/stop.h"
#include "tenfold/systems/training/task.h"
#include "tenfold/train/gradient_options.h"
#include "tenfold/train/trainer.h"

namespace tenfold::training {

struct InMemoryRun {
  std::string what;  // "dense encoder": for progress and errors
  std::uint64_t seed = 1;
  const StopToken* stop = nullptr;
  std::function<void(std::string_view)> progress;  // may be null
  train::GradientOptions gradient;
};

// Trains without looking at validation data and without counting FLOP, and leaves the module in evaluation mode. Throws Error(kResource,
// "reproduce.stopped") when `stop` was requested, and what the trainer throws.
train::TrainReport train_in_memory(SystemTask& task, train::TrainerOptions trainer, const InMemoryRun& run);

}  // namespace tenfold::training
