// SPDX-License-Identifier: Apache-2.0
// The trainer on several processes: the same model as on one, one writer, and decisions that all ranks share.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tenfold/base/error.h"
#include "tenfold/train/checkpoint.h"
#include "tenfold/train/trainer.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/rank_processes.h"
#include "tests/support/small_training.h"

namespace tenfold::train {
namespace {

using testing::SmallTask;
using testing::SmallTaskOptions;
using testing::TemporaryFolder;
using train_test::RankResult;
using train_test::run_ranks;

TrainerOptions small_options() {
  TrainerOptions options;
  options.steps = 20;
  options.batch_size = 8;
  options.loader_threads = 0;
  options.log_every = 1;
  options.eval_every = 5;
  options.save_every = 5;
  options.ema_decay = 0.9;
  options.optimizer.name = "adam";
  options.optimizer.learning_rate = 0.01;
  return options;
}

struct Job {
  SmallTaskOptions task;
  TrainerOptions options = small_options();
  Path folder;
  std::uint64_t stop_at = 0;
  int stop_rank = 1;
  std::uint64_t seed = 1;
};

std::string run_job(const Job& job, Communicator* communicator) {
  SmallTask task(job.task);
  if (communicator != nullptr && communicator->rank() > 0) {
    const torch::NoGradGuard no_grad;
    task.model().first->weight.fill_(7.0);  // rank 0's values count
  }
  StopToken stop;
  task.on_step = [&](std::uint64_t begun) {
    if (begun == job.stop_at && communicator != nullptr && communicator->rank() == job.stop_rank)
      stop.request();
  };
  faults::FaultyFileSystem files;
  TrainEnvironment environment;
  environment.files = &files;
  environment.folder = job.folder;
  environment.stop = &stop;
  environment.peak_gflops = 100.0;
  environment.communicator = communicator;
  environment.seed = job.seed;
  const TrainReport report = train(task, *make_backprop(), job.options, environment);
  const bool wrote = !files.journal().empty();
  return report.ended_by + " at " + std::to_string(report.steps) + " skipped " +
         std::to_string(report.skipped_steps) + (wrote ? " wrote" : "");
}

std::vector<RankResult> run_on(int ranks, const Job& job) {
  return run_ranks(ranks, [&](const CommunicatorOptions& options) {
    const auto communicator = make_communicator(options);
    const std::string text = run_job(job, communicator.get());
    communicator->barrier();
    return text;
  });
}
std::vector<RankResult> run_on_two(const Job& job) {
  return run_on(2, job);
}
// In a process of its own too: LibTorch's threads do not survive a fork.
void run_on_one(const Job& job) {
  EXPECT_EQ(run_on(1, job).at(0).code, "");
}

TensorMap final_weights(const Path& folder, std::uint64_t step = 20) {
  return read_checkpoint(CheckpointFolder(real_file_system(), folder / "checkpoints").path_of(step)).weights;
}

void expect_close(const TensorMap& a, const TensorMap& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, tensor] : a) EXPECT_TRUE(tensor.allclose(b.at(name), tolerance, tolerance)) << name;
}

class TrainerRanks : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = train_test::loopback_problem(); !problem.empty()) GTEST_SKIP() << problem;
  }
  TemporaryFolder folder_;
};

TEST_F(TrainerRanks, TwoProcessesTrainAsOneDoes) {
  Job job{.folder = folder_ / "one"};
  job.task.rows = 9;  // the second batch of an epoch has one row: rank 1 has none
  job.options.clip_norm = 0.5;
  run_on_one(job);
  job.folder = folder_ / "two";
  const auto results = run_on_two(job);
  EXPECT_EQ(results[0].code + results[0].text, "steps at 20 skipped 0 wrote");
  EXPECT_EQ(results[1].code + results[1].text, "steps at 20 skipped 0");
  expect_close(final_weights(folder_ / "one"), final_weights(folder_ / "two"), 1e-5);
  // The same FLOP, although each process counted only its part.
  const auto last_line = [&](const char* name) {
    return testing::deterministic_lines(folder_ / name / "metrics.jsonl").back();
  };
  const auto flops = [](const std::string& line) {
    const std::size_t at = line.find("\"flops\"");
    return line.substr(at, line.find(',', at) - at);
  };
  EXPECT_EQ(flops(last_line("one")), flops(last_line("two")));
  // Two ranks send what they sum: 20 gradients, and a few numbers a step.
  double parameters = 0.0;
  for (const auto& [name, tensor] : final_weights(folder_ / "two"))
    parameters += static_cast<double>(tensor.nbytes());
  const std::string log = read_text_file(folder_ / "two" / "metrics.jsonl", 1 << 20);
  const std::size_t at = log.rfind("\"bytes_sent\":");
  ASSERT_NE(at, std::string::npos);
  const double sent = std::stod(log.substr(at + std::strlen("\"bytes_sent\":")));
  EXPECT_GE(sent, 20 * parameters);
  EXPECT_LE(sent, 20 * (parameters + 4096));
}

TEST_F(TrainerRanks, DropoutOfTwoRanksIsThatOfTwoMicroBatches) {
  Job job{.task = {.dropout = 0.3}, .folder = folder_ / "one"};
  job.options.accumulate = 2;
  run_on_one(job);
  job.options.accumulate = 1;
  job.folder = folder_ / "two";
  run_on_two(job);
  expect_close(final_weights(folder_ / "one"), final_weights(folder_ / "two"), 1e-5);
}

TEST_F(TrainerRanks, AStopOfOneRankStopsAllAndTheRunGoesOnToTheSameBytes) {
  Job job{.task = {.dropout = 0.3, .batch_norm = true}, .folder = folder_ / "whole"};
  run_on_two(job);
  job.folder = folder_ / "parts";
  job.stop_at = 7;
  for (const RankResult& result : run_on_two(job)) {
    EXPECT_THAT(result.code + result.text, ::testing::StartsWith("stopped at 7"));
  }
  job.stop_at = 0;
  run_on_two(job);
  for (const char* name : {"weights.safetensors", "optimizer.safetensors"}) {
    const Path file = Path("checkpoints") / "step-000000000020" / name;
    EXPECT_EQ(read_binary_file(folder_ / "whole" / file), read_binary_file(folder_ / "parts" / file)) << name;
  }
  EXPECT_EQ(testing::deterministic_lines(folder_ / "whole" / "metrics.jsonl"),
            testing::deterministic_lines(folder_ / "parts" / "metrics.jsonl"));
}

TEST_F(TrainerRanks, AllSkipWhatIsBadOnOneRank) {
  Job job{.task = {.bad_rows = {3 * 8 + 6}}, .folder = folder_ / "run"};  // rank 1's half of the fourth batch
  job.options.shuffle = false;
  job.options.steps = 10;
  const auto results = run_on_two(job);
  EXPECT_EQ(results[0].code + results[0].text, "steps at 10 skipped 1 wrote");
  EXPECT_EQ(results[1].code + results[1].text, "steps at 10 skipped 1");
}

TEST_F(TrainerRanks, AllEndWithTheErrorOfTheRankThatWrites) {
  Job job{.folder = folder_ / "run"};
  run_on_one(job);
  job.seed = 2;
  for (const RankResult& result : run_on_two(job)) {
    EXPECT_EQ(result.code, "train.other_run");
    EXPECT_THAT(result.text, ::testing::HasSubstr("seed 2"));
  }
}

}  // namespace
}  // namespace tenfold::train
