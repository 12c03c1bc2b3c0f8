// SPDX-License-Identifier: Apache-2.0
// Every system that trains: the loss of its demo preset falls, equal runs are equal to the bit, a stopped run ends as if it had not
// been stopped, and its model can be evaluated.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "tenfold/base/error.h"
#include "tenfold/base/stop.h"
#include "tenfold/systems/registry.h"
#include "tests/conformance/verb_run.h"

namespace tenfold::conformance {
namespace {

constexpr int kSteps = 20;
const Settings kShortRun = {{"steps", "20"}, {"log_every", "1"}, {"save_every", "7"}};

class EveryTrainableSystem : public testing::TestWithParam<systems::System> {
 protected:
  Path folder(const std::string& name) const { return scratch_folder(GetParam().name + "-" + name); }
  nlohmann::json train(const Path& out,
                       const StopToken* stop = nullptr,
                       FileSystem* files = &real_file_system()) const {
    return run_verb(GetParam(),
                    "train",
                    {.preset = "demo", .settings = kShortRun, .out = out, .files = files, .stop = stop});
  }
};

std::vector<double> losses(const Path& run) {
  std::vector<double> values;
  std::istringstream lines(read_text_file(run / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const nlohmann::json row = nlohmann::json::parse(line);
    if (row.contains("train/loss")) values.push_back(row["train/loss"].get<double>());
  }
  return values;
}

std::vector<std::byte> last_weights(const Path& run) {
  return read_binary_file(run / "checkpoints" / "step-000000000020" / "weights.safetensors");
}

// Asks the run to stop when its first checkpoint is in place.
class StopAtFirstCheckpoint final : public FileSystem {
 public:
  explicit StopAtFirstCheckpoint(StopToken& stop) : stop_(stop) {}
  std::unique_ptr<WritableFile> create(const Path& path) override { return real_file_system().create(path); }
  void rename(const Path& from, const Path& to) override {
    real_file_system().rename(from, to);
    if (to.filename() == "step-000000000007") stop_.request();
  }
  void exchange(const Path& a, const Path& b) override { real_file_system().exchange(a, b); }
  void remove(const Path& path) override { real_file_system().remove(path); }
  void make_directories(const Path& path) override { real_file_system().make_directories(path); }
  void sync_directory(const Path& path) override { real_file_system().sync_directory(path); }
  std::uint64_t free_space(const Path& path) override { return real_file_system().free_space(path); }

 private:
  StopToken& stop_;
};

TEST_P(EveryTrainableSystem, LossOfTheDemoPresetFalls) {
  const Path run = folder("falls");
  const nlohmann::json result = train(run);
  EXPECT_EQ(result["steps"], kSteps);
  const std::vector<double> values = losses(run);
  ASSERT_EQ(values.size(), static_cast<std::size_t>(kSteps));
  const double first = std::accumulate(values.begin(), values.begin() + 5, 0.0) / 5;
  const double last = std::accumulate(values.end() - 5, values.end(), 0.0) / 5;
  EXPECT_LT(last, first);
}

TEST_P(EveryTrainableSystem, EqualRunsAreEqualToTheBit) {
  const Path a = folder("equal-a"), b = folder("equal-b");
  train(a);
  train(b);
  EXPECT_EQ(losses(a), losses(b));
  EXPECT_EQ(last_weights(a), last_weights(b));
}

TEST_P(EveryTrainableSystem, AStoppedRunContinuesToTheSameBits) {
  const Path whole = folder("whole"), halves = folder("halves");
  train(whole);
  StopToken stop;
  StopAtFirstCheckpoint files(stop);
  const nlohmann::json first = train(halves, &stop, &files);
  EXPECT_EQ(first["ended_by"], "stopped");
  EXPECT_LT(first["steps"].get<int>(), kSteps);
  const nlohmann::json second = train(halves);
  EXPECT_EQ(second["first_step"], first["steps"]);
  EXPECT_EQ(second["steps"], kSteps);
  EXPECT_EQ(losses(whole), losses(halves));
  EXPECT_EQ(last_weights(whole), last_weights(halves));
}

TEST_P(EveryTrainableSystem, ARunLeavesItsRecordForTheComputeChart) {
  const Path run = folder("record");
  train(run);
  const nlohmann::json record = nlohmann::json::parse(read_text_file(run / "run.json"));
  EXPECT_EQ(record["schema"], "tenfold.run/1");
  EXPECT_EQ(record["system"], GetParam().name);
  EXPECT_EQ(record["steps"], kSteps);
  EXPECT_GT(record["flop"]["total"].get<double>(), 0.0);
}

TEST_P(EveryTrainableSystem, ATrainedModelIsEvaluated) {
  const Path run = folder("eval");
  train(run);
  const nlohmann::json result =
      run_verb(GetParam(), "eval", {.settings = {{"path", run.string()}, {"split", "test"}}});
  EXPECT_EQ(result["split"], "test");
  EXPECT_GT(result["n"].get<int>(), 0);
  ASSERT_FALSE(result["metrics"].empty());
  for (const auto& [name, value] : result["metrics"].items())
    EXPECT_TRUE(std::isfinite(value.get<double>())) << name;
}

TEST_P(EveryTrainableSystem, EvaluatingAnEmptyFolderIsAFileError) {
  try {
    run_verb(GetParam(), "eval", {.settings = {{"path", folder("empty").string()}, {"split", "test"}}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error_class(), ErrorClass::kFile);
  }
}

std::vector<systems::System> trainable_systems() {
  std::vector<systems::System> trainable;
  for (systems::System& system : systems::all_systems()) {
    if (find_verb(system, "train") != nullptr) trainable.push_back(std::move(system));
  }
  return trainable;
}

std::string test_name(const testing::TestParamInfo<systems::System>& info) {
  std::string name = info.param.name;
  for (char& c : name) c = c == '-' ? '_' : c;
  return name;
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EveryTrainableSystem);
INSTANTIATE_TEST_SUITE_P(Conformance,
                         EveryTrainableSystem,
                         testing::ValuesIn(trainable_systems()),
                         test_name);

}  // namespace
}  // namespace tenfold::conformance
