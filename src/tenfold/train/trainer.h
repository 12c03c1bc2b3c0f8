// SPDX-License-Identifier: Apache-2.0
// The trainer: owns loop, gradient estimator, optimiser, schedule, clipping, accumulation, EMA, guards, checkpoints, metrics and
// the FLOP meter. A system brings a TrainTask and nothing else.
//
// A run folder holds config.toml, metrics.jsonl, events.out.tfevents.*, checkpoints/ (train/checkpoint.h) and run.json
// (train/run_meter.h). The same call with the same options continues a run that was stopped or killed, to the bit.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/base/stop.h"
#include "tenfold/train/communicator.h"
#include "tenfold/train/gradient_estimator.h"
#include "tenfold/train/optimizer.h"
#include "tenfold/train/run_log.h"
#include "tenfold/train/schedule.h"
#include "tenfold/train/task.h"

namespace tenfold::train {

struct TrainerOptions {
  std::int64_t steps = 0;  // optimiser steps; 0: by `epochs`
  double epochs = 1.0;
  std::int64_t batch_size = 64;  // examples of an optimiser step, over micro-batches and ranks
  std::int64_t accumulate = 1;   // micro-batches a step
  bool shuffle = true;
  std::int64_t loader_threads = 1;
  double clip_norm = 0.0;               // gradient norm; 0: off
  double clip_value = 0.0;              // each gradient value; 0: off
  double ema_decay = 0.0;               // 0: off; evaluation and `best` then use the average
  bool checkpoint_activations = false;  // hook: train/activation_checkpoint.h asks for it
  std::int64_t log_every = 10;
  std::int64_t eval_every = 0;  // 0: at the end of each epoch
  std::string metric = "loss";  // of TrainTask::evaluate(): decides `best`, early stopping and plateau
  bool lower_is_better = true;
  std::int64_t patience = 0;      // early stopping: evaluations without progress; 0: off
  std::int64_t save_every = 500;  // steps; 0: only at the end and when stopped
  std::int64_t keep = 2;          // checkpoints beside `best`
  std::int64_t bad_steps = 3;     // non-finite steps in a row that end the run
  bool count_flops = true;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;

  void visit_fields(auto&& field) {
    field("steps", steps, {.help = "optimiser steps; 0: by epochs", .min = 0, .max = 1e12});
    field("epochs", epochs, {.help = "passes over the data", .min = 0.0, .max = 1e9});
    field("batch_size",
          batch_size,
          {.help = "examples of a step, over micro-batches and ranks", .min = 1, .max = 1e9});
    field("accumulate", accumulate, {.help = "micro-batches a step", .min = 1, .max = 1e6});
    field("shuffle", shuffle, {.help = "a new order each epoch"});
    field("loader_threads",
          loader_threads,
          {.help = "threads that load batches; 0: none", .min = 0, .max = 256, .affects_result = false});
    field("clip_norm", clip_norm, {.help = "largest gradient norm; 0: off", .min = 0.0, .max = 1e12});
    field("clip_value", clip_value, {.help = "largest gradient value; 0: off", .min = 0.0, .max = 1e12});
    field("ema_decay",
          ema_decay,
          {.help = "exponential moving average of the weights; 0: off", .min = 0.0, .max = 1.0});
    field("checkpoint_activations",
          checkpoint_activations,
          {.help = "recompute activations in the backward pass to save memory"});
    field("log_every",
          log_every,
          {.help = "steps between lines of metrics.jsonl", .min = 1, .max = 1e9, .affects_result = false});
    field("eval_every",
          eval_every,
          {.help = "steps between evaluations; 0: each epoch", .min = 0, .max = 1e12});
    field("metric", metric, {.help = "validation figure that decides the best checkpoint"});
    field("lower_is_better", lower_is_better, {.help = "direction of that figure"});
    field("patience",
          patience,
          {.help = "evaluations without progress before the run ends; 0: off", .min = 0, .max = 1e9});
    field("save_every",
          save_every,
          {.help = "steps between checkpoints; 0: only at the end",
           .min = 0,
           .max = 1e12,
           .affects_result = false});
    field("keep",
          keep,
          {.help = "newest checkpoints kept beside the best", .min = 1, .max = 1e6, .affects_result = false});
    field(
        "bad_steps", bad_steps, {.help = "non-finite steps in a row that end the run", .min = 1, .max = 1e6});
    field("count_flops", count_flops, {.help = "count the FLOP of every step", .affects_result = false});
    field("optimizer", optimizer, {});
    field("schedule", schedule, {});
  }
};

// Where a run happens. All pointers must outlive the call.
struct TrainEnvironment {
  FileSystem* files = nullptr;                          // nullptr: the operating system's
  Path folder;                                          // empty: nothing is written
  const StopToken* stop = nullptr;                      // SIGTERM: finish the step, save, return
  std::function<void(std::string_view line)> progress;  // may be null
  std::uint64_t seed = 1;
  std::string name;                      // of the run, for the chart
  std::string config_toml;               // as resolved, kept in checkpoints
  std::string config_hash;               // a checkpoint of another one is refused
  Communicator* communicator = nullptr;  // nullptr: one process
  double peak_gflops = 0.0;  // for the utilisation in run.json; 0: measured once a process, half a second
};

struct TrainReport {
  std::uint64_t steps = 0;       // done, including those before a resume
  std::uint64_t first_step = 0;  // of this call: above 0 when the run was resumed
  std::string ended_by;          // "steps", "early_stopping", "stopped"
  double last_loss = 0.0;
  std::optional<double> best_metric;
  std::uint64_t best_step = 0;
  std::uint64_t skipped_steps = 0;               // non-finite
  double wall_seconds = 0.0, cpu_seconds = 0.0;  // of this call
  std::uint64_t flops = 0;                       // of the whole run
  std::vector<LogRow> log;                       // of this call
};

// Trains. Throws Error(kData, "train.not_finite") with step, rows of the data set and parameter names after `bad_steps` steps in a row
// without a finite loss and gradient, and when weights are not finite at a checkpoint: the last one is then from before them.
// "train.other_run" (kConfig) when the folder belongs to another run, "train.folder_in_use" (kResource), "train.no_metric",
// "train.no_parameters", "train.streaming_update" (kConfig), "train.out_of_memory" (kResource), "train.step_failed" (kInternal:
// what LibTorch threw in the model, with step and rows). Other errors are those of the parts.
TrainReport train(TrainTask& task,
                  GradientEstimator& estimator,
                  const TrainerOptions& options,
                  const TrainEnvironment& environment);

}  // namespace tenfold::train
