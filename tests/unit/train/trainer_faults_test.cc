// SPDX-License-Identifier: Apache-2.0
// A disk that fails at any moment of a run: the error is clear, the last checkpoint is usable, and the run that goes on from it
// ends in the same bytes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tenfold/base/error.h"
#include "tenfold/train/checkpoint.h"
#include "tenfold/train/trainer.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/small_training.h"

namespace tenfold::train {
namespace {

using faults::Fault;
using faults::FaultPlan;
using faults::FaultyFileSystem;
using testing::SmallTask;
using testing::TemporaryFolder;

// Three checkpoints (one is deleted again), two evaluations that improve, four lines of the log.
void run_small(const Path& folder, FileSystem& files) {
  TrainerOptions options;
  options.steps = 6;
  options.batch_size = 8;
  options.loader_threads = 0;
  options.log_every = 2;
  options.eval_every = 3;
  options.save_every = 2;
  options.keep = 2;
  options.ema_decay = 0.5;
  options.optimizer.name = "adam";
  SmallTask task({.dropout = 0.2, .hidden = 4});
  TrainEnvironment environment;
  environment.files = &files;
  environment.folder = folder;
  environment.peak_gflops = 100.0;
  environment.config_toml = "steps = 6\n";
  train(task, *make_backprop(), options, environment);
}

struct Result {
  std::vector<std::byte> weights, optimizer, best;
  std::vector<std::string> lines;
  bool operator==(const Result&) const = default;
};

Result result_of(const Path& folder) {
  const Path checkpoints = folder / "checkpoints";
  return {read_binary_file(checkpoints / "step-000000000006/weights.safetensors"),
          read_binary_file(checkpoints / "step-000000000006/optimizer.safetensors"),
          read_binary_file(checkpoints / "best/weights.safetensors"),
          testing::deterministic_lines(folder / "metrics.jsonl")};
}

// For every N until a run has fewer operations.
void expect_nothing_lost(FaultPlan plan) {
  const TemporaryFolder reference;
  FaultyFileSystem quick;
  run_small(reference / "run", quick);
  const Result wanted = result_of(reference / "run");
  std::uint64_t last_step = 0;
  bool failed = true;
  for (std::uint64_t n = 1; failed; ++n) {
    SCOPED_TRACE("operation " + std::to_string(n));
    const TemporaryFolder folder;
    plan.at = n;
    FaultyFileSystem faulty(plan);
    failed = false;
    try {
      run_small(folder / "run", faulty);
    } catch (const Error& error) {
      failed = true;
      EXPECT_TRUE(error.error_class() == ErrorClass::kFile || error.error_class() == ErrorClass::kResource);
      EXPECT_THAT(error.what(), ::testing::HasSubstr(folder.path().string()));
      EXPECT_TRUE(error.text().seen == "No space left on device" ||
                  error.text().seen == "Input/output error");
    }
    const auto latest = CheckpointFolder(quick, folder / "run" / "checkpoints").load_latest();
    const std::uint64_t step = latest ? latest->step : 0;
    EXPECT_GE(step, last_step);  // a later failure never leaves less
    last_step = step;
    run_small(folder / "run", quick);
    EXPECT_EQ(result_of(folder / "run"), wanted);
  }
  EXPECT_EQ(last_step, 6u);
}

TEST(TrainerFaults, NoSpaceAtAnyOperationLosesNothing) {
  expect_nothing_lost({.fault = Fault::kNoSpace});
}

TEST(TrainerFaults, AShortWriteAtAnyOperationLosesNothing) {
  expect_nothing_lost({.fault = Fault::kShortWrite});
}

// What no clean-up can reach stays as after a kill.
TEST(TrainerFaults, ADiskLostAtAnyOperationLosesNothing) {
  expect_nothing_lost({.fault = Fault::kIo, .persistent = true});
}

}  // namespace
}  // namespace tenfold::train
