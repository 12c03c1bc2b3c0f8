// SPDX-License-Identifier: Apache-2.0
// The numbers of a run that a checkpoint keeps beside the tensors, and what makes two runs the same run.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tenfold/data/sampler.h"
#include "tenfold/train/run_meter.h"
#include "tenfold/train/schedule.h"

namespace tenfold::train {

// A checkpoint continues a run only when all of these are equal.
struct RunIdentity {
  std::string system;
  std::string estimator;    // GradientEstimator::name()
  std::string config_hash;  // of the caller's whole configuration; may be empty
  std::string config_toml;  // as text, to name the lines that differ
  std::uint64_t seed = 0;
  std::string data;                            // Dataset::fingerprint()
  std::map<std::string, std::string> options;  // of the trainer: those that affect the result, by path
};

// Threads and processes change results in the last bits, so they are told but not refused.
struct RunMachine {
  std::int64_t threads = 1;
  std::int64_t processes = 1;
  bool operator==(const RunMachine&) const = default;
};

struct RunState {
  std::uint64_t step = 0;  // optimiser steps done, skipped ones included
  data::SamplerState cursor;
  ScheduleState schedule;
  // Non-finite steps.
  std::uint64_t skipped = 0;
  std::int64_t bad_in_a_row = 0;
  // Evaluation.
  std::optional<double> best_metric;
  std::uint64_t best_step = 0;
  std::int64_t evaluations_without_progress = 0;
  bool stopped_early = false;
  // Loss of finite steps since the last line of the log.
  double loss_sum = 0.0;
  std::uint64_t loss_steps = 0;
  double last_loss = 0.0;
  RunTotals totals;
  std::string task = "{}";  // TrainTask::save_state(): one JSON object
};

// state.json of a checkpoint. A task's state that is not a JSON object is Error(kInternal, "train.bad_task_state").
std::string to_json(const RunIdentity& identity, const RunMachine& machine, const RunState& state);

struct SavedRun {
  RunIdentity identity;
  RunMachine machine;
  RunState state;
};

// Throws Error(kFile, "checkpoint.bad_state") with the field that is missing or of the wrong kind. `place` begins the message.
SavedRun parse_run_state(std::string_view text, const std::string& place);

// Throws Error(kConfig, "train.other_run") that names what differs.
void check_same_run(const RunIdentity& saved, const RunIdentity& now, const std::string& place);

}  // namespace tenfold::train
