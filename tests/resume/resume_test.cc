// SPDX-License-Identifier: Apache-2.0
// The promise of docs/training.md: a run that was stopped, killed or out of disk continues, in a new process, to the bytes of
// the run that was not.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <vector>

#include "tenfold/base/random.h"
#include "tenfold/train/checkpoint.h"
#include "tests/support/small_training.h"

namespace tenfold::train {
namespace {

using testing::TemporaryFolder;

// resume_run as a child, its standard output in a pipe.
class Child {
 public:
  Child(const Path& folder, const std::vector<std::string>& arguments) {
    std::vector<std::string> words = {TENFOLD_RESUME_RUN, folder.string()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0) throw std::runtime_error("no pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::close(ends[0]);
      ::close(ends[1]);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ends[0];
  }
  ~Child() {
    if (!waited_) kill(SIGKILL), wait();
    ::close(output_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void kill(int signal) { ::kill(pid_, signal); }
  // Until it has begun to train, or ended.
  void wait_for_training() {
    while (text_.find('\n') == std::string::npos && read_some()) {
    }
  }
  int wait() {  // exit code, or minus the signal
    while (read_some()) {
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    waited_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  const std::string& text() const { return text_; }

 private:
  bool read_some() {
    std::array<char, 4096> buffer{};
    const ssize_t count = ::read(output_, buffer.data(), buffer.size());
    if (count > 0) text_.append(buffer.data(), static_cast<std::size_t>(count));
    return count > 0;
  }

  pid_t pid_ = 0;
  int output_ = -1;
  bool waited_ = false;
  std::string text_;
};

std::string run_to_end(const Path& folder, const std::vector<std::string>& arguments) {
  Child child(folder, arguments);
  EXPECT_EQ(child.wait(), 0) << child.text();
  return child.text();
}

void expect_same_run(const Path& whole, const Path& parts, const std::string& last) {
  for (const std::string& name : {last + "/weights.safetensors",
                                  last + "/optimizer.safetensors",
                                  std::string("best/weights.safetensors")}) {
    EXPECT_EQ(read_binary_file(whole / "checkpoints" / name), read_binary_file(parts / "checkpoints" / name))
        << name;
  }
  EXPECT_EQ(testing::deterministic_lines(whole / "metrics.jsonl"),
            testing::deterministic_lines(parts / "metrics.jsonl"));
}

class ResumeOptimizer : public ::testing::TestWithParam<const char*> {};

TEST_P(ResumeOptimizer, FortyStepsAreTwentyAndTwentyInANewProcess) {
  const TemporaryFolder folder;
  // 13 batches an epoch: step 20 is in the middle of the second.
  std::vector<std::string> arguments = {std::string("optimizer.name=") + GetParam(),
                                        "dropout=0.3",
                                        "batch_norm=true",
                                        "accumulate=2",
                                        "ema_decay=0.9",
                                        "clip_norm=1",
                                        "schedule.name=cosine",
                                        "schedule.warmup=5",
                                        "optimizer.weight_decay=0.01"};
  if (std::string(GetParam()) == "sgd") arguments.emplace_back("optimizer.momentum=0.9");
  EXPECT_THAT(run_to_end(folder / "whole", arguments), ::testing::HasSubstr("steps from 0 to 40"));
  std::vector<std::string> stopped = arguments;
  stopped.emplace_back("stop_at=20");
  EXPECT_THAT(run_to_end(folder / "parts", stopped), ::testing::HasSubstr("stopped from 0 to 20"));
  EXPECT_THAT(run_to_end(folder / "parts", arguments), ::testing::HasSubstr("steps from 20 to 40"));
  expect_same_run(folder / "whole", folder / "parts", "step-000000000040");
}

INSTANTIATE_TEST_SUITE_P(All,
                         ResumeOptimizer,
                         ::testing::Values("sgd", "adam", "adamw"),
                         [](const auto& param) { return std::string(param.param); });

TEST(Resume, ThePlateauScheduleAndSeveralStopsLoseNothing) {
  const TemporaryFolder folder;
  const std::vector<std::string> arguments = {"schedule.name=plateau",
                                              "schedule.plateau_patience=0",
                                              "schedule.plateau_threshold=0.2",
                                              "eval_every=2",
                                              "ema_decay=0.5",
                                              "loader_threads=2"};
  run_to_end(folder / "whole", arguments);
  for (const std::string stop :
       {"stop_at=1", "stop_at=12", "stop_at=1", "stop_at=13"}) {  // 1, 13, 14, 27: also at an epoch's end
    std::vector<std::string> stopped = arguments;
    stopped.push_back(stop);
    EXPECT_THAT(run_to_end(folder / "parts", stopped), ::testing::HasSubstr("stopped from"));
  }
  EXPECT_THAT(run_to_end(folder / "parts", arguments), ::testing::HasSubstr("steps from 27 to 40"));
  expect_same_run(folder / "whole", folder / "parts", "step-000000000040");
}

// 20, or TENFOLD_KILLS for a longer trial.
int wanted_kills() {
  const char* text = std::getenv("TENFOLD_KILLS");
  return text ? std::max(1, std::atoi(text)) : 20;
}

TEST(Resume, KillsAtRandomMomentsLoseNothing) {
  const TemporaryFolder folder;
  const int wanted = wanted_kills();
  const std::string steps = std::to_string(100 * wanted);  // more than a fast machine takes between the kills
  const std::vector<std::string> arguments = {
      "steps=" + steps, "save_every=1", "dropout=0.2", "ema_decay=0.9", "optimizer.name=adam"};
  run_to_end(folder / "whole", arguments);
  random::Generator draws(2024, 7);
  CheckpointFolder checkpoints(real_file_system(), folder / "parts" / "checkpoints");
  std::uint64_t last = 0;
  int kills = 0;
  while (kills < wanted) {
    Child child(folder / "parts", arguments);
    child.wait_for_training();
    ::usleep(draws.below(50'000));
    child.kill(SIGKILL);
    const int code = child.wait();
    ASSERT_EQ(code, -SIGKILL) << "the run ended before its kill: " << child.text();
    ++kills;
    const auto checkpoint = checkpoints.load_latest();
    if (!checkpoint) {
      EXPECT_EQ(last, 0u) << "a checkpoint was lost";
      continue;
    }
    EXPECT_GE(checkpoint->step, last);
    last = checkpoint->step;
  }
  EXPECT_GT(last, 20u);
  EXPECT_THAT(run_to_end(folder / "parts", arguments), ::testing::HasSubstr("to " + steps));
  expect_same_run(folder / "whole", folder / "parts", fmt::format("step-{:012}", 100 * wanted));
  // Nothing of the killed processes is left behind.
  for (const auto& entry : std::filesystem::directory_iterator(folder / "parts" / "checkpoints")) {
    EXPECT_THAT(entry.path().filename().string(), ::testing::Not(::testing::StartsWith(".")));
  }
}

TEST(Resume, SigtermSavesAndTheRunGoesOn) {
  const TemporaryFolder folder;
  const std::vector<std::string> arguments = {"steps=60", "save_every=0", "step_ms=10", "dropout=0.2"};
  run_to_end(folder / "whole", {"steps=60", "save_every=0", "dropout=0.2"});
  std::uint64_t reached = 0;
  {
    Child child(folder / "parts", arguments);
    child.wait_for_training();
    ::usleep(100'000);
    child.kill(SIGTERM);
    EXPECT_EQ(child.wait(), 0);
    EXPECT_THAT(child.text(), ::testing::HasSubstr("stopped from 0 to "));
    reached = std::stoull(child.text().substr(child.text().rfind(' ')));
  }
  EXPECT_LT(reached, 60u);
  EXPECT_EQ(CheckpointFolder(real_file_system(), folder / "parts" / "checkpoints").load_latest()->step,
            reached);
  run_to_end(folder / "parts", arguments);
  expect_same_run(folder / "whole", folder / "parts", "step-000000000060");
}

TEST(Resume, ADamagedCheckpointIsPassedOver) {
  const TemporaryFolder folder;
  const std::vector<std::string> arguments = {"save_every=10", "dropout=0.2"};
  run_to_end(folder / "whole", arguments);
  run_to_end(folder / "parts", {"save_every=10", "dropout=0.2", "stop_at=30"});
  const Path weights = folder / "parts" / "checkpoints" / "step-000000000030" / "weights.safetensors";
  std::vector<std::byte> bytes = read_binary_file(weights);
  bytes.back() ^= std::byte{1};
  real_file_system().create(weights)->write(bytes);
  EXPECT_THAT(run_to_end(folder / "parts", arguments), ::testing::HasSubstr("steps from 20 to 40"));
  expect_same_run(folder / "whole", folder / "parts", "step-000000000040");
}

}  // namespace
}  // namespace tenfold::train
