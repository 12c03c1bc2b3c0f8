// SPDX-License-Identifier: Apache-2.0
// Checkpoints: tensors in and out, the folder that keeps the newest, and what a failing disk leaves.
#include "tenfold/train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/linear.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>

#include "tenfold/base/error.h"
#include "tenfold/io/bundle.h"
#include "tenfold/train/run_state.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/small_training.h"

namespace tenfold::train {
namespace {

using faults::Fault;
using faults::FaultyFileSystem;
using testing::TemporaryFolder;

std::string code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return "no error";
}

Checkpoint example(std::uint64_t step) {
  Checkpoint checkpoint{
      .system = "small", .step = step, .state_json = "{\"note\":1}", .config_toml = "# none\n"};
  checkpoint.weights["layer.weight"] =
      at::arange(6, torch::kFloat32).reshape({2, 3}) + static_cast<double>(step);
  checkpoint.optimizer["optimizer/step"] = at::full({}, static_cast<std::int64_t>(step), torch::kInt64);
  return checkpoint;
}

// Quick: it does not wait for the disk.
struct QuickFolder {
  explicit QuickFolder(const Path& path, std::int64_t keep = 2) : checkpoints(files, path, {.keep = keep}) {}
  FaultyFileSystem files;
  CheckpointFolder checkpoints;
};

TEST(Checkpoint, EveryElementTypeComesBackBitForBit) {
  const TemporaryFolder folder;
  Checkpoint checkpoint = example(3);
  TensorMap& tensors = checkpoint.weights;
  tensors["bool"] = at::arange(5).remainder(2).to(torch::kBool);
  for (const auto type : {torch::kUInt8,
                          torch::kInt8,
                          torch::kInt16,
                          torch::kInt32,
                          torch::kInt64,
                          torch::kFloat16,
                          torch::kBFloat16,
                          torch::kFloat32,
                          torch::kFloat64}) {
    tensors[std::string("type ") + c10::toString(type)] = (at::arange(7, torch::kFloat64) - 2.75).to(type);
  }
  tensors["nan"] = at::full({2}, std::numeric_limits<float>::quiet_NaN());
  tensors["scalar"] = at::full({}, 2.5, torch::kFloat64);
  tensors["empty"] = at::empty({0, 4});
  tensors["transposed"] = at::arange(6, torch::kFloat32).reshape({2, 3}).t();
  tensors["slice"] = at::arange(10, torch::kFloat32).narrow(0, 3, 4);
  write_checkpoint(real_file_system(), folder / "c", checkpoint);
  const Checkpoint back = read_checkpoint(folder / "c");
  EXPECT_EQ(back.system, "small");
  EXPECT_EQ(back.step, 3u);
  EXPECT_EQ(back.config_toml, "# none\n");
  EXPECT_EQ(back.state_json, "{\"note\":1}");
  ASSERT_EQ(back.weights.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const torch::Tensor& read = back.weights.at(name);
    ASSERT_EQ(read.scalar_type(), tensor.scalar_type()) << name;
    ASSERT_EQ(read.sizes(), tensor.sizes()) << name;
    EXPECT_EQ(0, std::memcmp(read.data_ptr(), tensor.contiguous().data_ptr(), read.nbytes())) << name;
  }
  EXPECT_EQ(back.optimizer.at("optimizer/step").item<std::int64_t>(), 3);
}

TEST(Checkpoint, ContiguousTensorsAreWrittenWithoutACopy) {
  const TensorMap tensors = {{"plain", at::ones({4})}, {"transposed", at::ones({2, 3}).t()}};
  std::vector<torch::Tensor> copies;
  const auto views = tensor_views(tensors, copies);
  EXPECT_EQ(static_cast<const void*>(views[0].data.data()), tensors.at("plain").data_ptr());
  EXPECT_EQ(copies.size(), 1u);
}

TEST(Checkpoint, ComplexAndUndefinedTensorsAreRefusedByName) {
  std::vector<torch::Tensor> copies;
  EXPECT_EQ(code_of([&] {
              tensor_views({{"z", at::zeros({1}, torch::kComplexFloat)}}, copies);
            }),
            "tensor_file.dtype");
  EXPECT_EQ(code_of([&] { tensor_views({{"u", torch::Tensor()}}, copies); }), "tensor_file.undefined");
}

TEST(Checkpoint, TypesThatLibTorchLacksAreRefused) {
  const TemporaryFolder folder;
  const std::vector<std::uint16_t> words = {1, 2};
  const std::vector<std::uint8_t> two = {0, 2};
  io::write_safetensors(
      real_file_system(),
      folder / "words.safetensors",
      std::vector<io::TensorView>{
          {.name = "w", .dtype = io::DType::kU16, .shape = {2}, .data = std::as_bytes(std::span(words))}});
  io::write_safetensors(
      real_file_system(),
      folder / "bools.safetensors",
      std::vector<io::TensorView>{
          {.name = "b", .dtype = io::DType::kBool, .shape = {2}, .data = std::as_bytes(std::span(two))}});
  const auto code = [&](const std::string& name) {
    return code_of([&] { read_tensors(io::SafetensorsReader::open(folder / name)); });
  };
  EXPECT_EQ(code("words.safetensors"), "tensor_file.dtype");
  EXPECT_EQ(code("bools.safetensors"), "tensor_file.bad_bool");
}

TEST(Checkpoint, FileSizeIsNeverUnderestimated) {
  const TemporaryFolder folder;
  TensorMap tensors;
  for (int i = 0; i < 50; ++i) tensors["layer." + std::to_string(i) + ".\"weight\""] = at::zeros({3, i});
  std::vector<torch::Tensor> copies;
  io::write_safetensors(real_file_system(), folder / "t", tensor_views(tensors, copies));
  EXPECT_GE(file_bytes(tensors), std::filesystem::file_size(folder / "t"));
}

TEST(Checkpoint, OneOfAnotherKindIsRefused) {
  const TemporaryFolder folder;
  const auto with_state = [&](std::string_view state) {
    io::BundleWriter writer(real_file_system(), folder / "c", {.system = "small", .created_by = "test"});
    writer.add("state.json", state);
    writer.add("config.toml", "");
    writer.commit();
    return code_of([&] { read_checkpoint(folder / "c"); });
  };
  EXPECT_EQ(with_state("[]"), "checkpoint.bad_state");
  EXPECT_EQ(with_state("{}"), "checkpoint.bad_state");
  EXPECT_EQ(with_state(R"({"schema": "tenfold.checkpoint/2", "step": 1, "state": {}})"),
            "checkpoint.bad_state");
  EXPECT_EQ(with_state(R"({"schema": "tenfold.checkpoint/1", "step": -1, "state": {}})"),
            "checkpoint.bad_state");
  EXPECT_EQ(with_state(R"({"schema": "tenfold.checkpoint/1", "step": 1, "state": 5})"),
            "checkpoint.bad_state");
  EXPECT_EQ(with_state("{"), "json.syntax");
  EXPECT_EQ(with_state(R"({"schema": "tenfold.checkpoint/1", "step": 1, "state": {}})"),
            "bundle.no_such_member");
}

TEST(CheckpointFolder, KeepsTheNewestBesideTheBest) {
  const TemporaryFolder folder;
  QuickFolder quick(folder.path());
  quick.checkpoints.save_best(example(1));
  for (const std::uint64_t step : {1, 5, 100, 1000}) quick.checkpoints.save(example(step));
  EXPECT_THAT(quick.checkpoints.steps(), ::testing::ElementsAre(100u, 1000u));
  EXPECT_EQ(quick.checkpoints.load_latest()->step, 1000u);
  EXPECT_EQ(read_checkpoint(quick.checkpoints.best_path()).step, 1u);
  quick.checkpoints.save_best(example(7));
  EXPECT_EQ(read_checkpoint(quick.checkpoints.best_path()).step, 7u);
  EXPECT_THAT(quick.checkpoints.steps(), ::testing::ElementsAre(100u, 1000u));
}

TEST(CheckpointFolder, DeletesOnlyAfterTheNewOneIsInPlace) {
  const TemporaryFolder folder;
  QuickFolder quick(folder.path(), 1);
  quick.checkpoints.save(example(1));
  quick.checkpoints.save(example(2));
  const auto& journal = quick.files.journal();
  const auto removal = std::find(journal.begin(), journal.end(), "remove step-000000000001");
  ASSERT_NE(removal, journal.end());
  const auto placed = std::find(journal.begin(), journal.end(), "rename step-000000000002");
  const auto durable =
      std::find(placed, journal.end(), "sync_directory " + folder.path().filename().string());
  EXPECT_LT(placed, durable);
  EXPECT_LT(durable, removal);
}

TEST(CheckpointFolder, NothingThereIsNoCheckpoint) {
  const TemporaryFolder folder;
  EXPECT_FALSE(QuickFolder(folder / "none").checkpoints.load_latest());
  EXPECT_TRUE(QuickFolder(folder / "none").checkpoints.steps().empty());
  std::filesystem::create_directories(folder / "step-12");  // not a name of ours
  EXPECT_FALSE(QuickFolder(folder.path()).checkpoints.load_latest());
}

void flip_last_bit(const Path& file) {
  std::vector<std::byte> bytes = read_binary_file(file);
  bytes.back() ^= std::byte{1};
  real_file_system().create(file)->write(bytes);
}

TEST(CheckpointFolder, DamagedOnesArePassedOverAndReplaced) {
  const TemporaryFolder folder;
  QuickFolder quick(folder.path(), 3);
  for (const std::uint64_t step : {1, 2, 3}) quick.checkpoints.save(example(step));
  flip_last_bit(quick.checkpoints.path_of(3) / "weights.safetensors");
  std::filesystem::remove(quick.checkpoints.path_of(2) / "state.json");
  EXPECT_EQ(quick.checkpoints.load_latest()->step, 1u);
  // The run goes on from step 1: what comes after belongs to another past.
  quick.checkpoints.save(example(2));
  EXPECT_THAT(quick.checkpoints.steps(), ::testing::ElementsAre(1u, 2u));
  EXPECT_EQ(quick.checkpoints.load_latest()->step, 2u);
}

TEST(CheckpointFolder, AllDamagedIsAnErrorNotANewBeginning) {
  const TemporaryFolder folder;
  QuickFolder quick(folder.path());
  quick.checkpoints.save(example(1));
  flip_last_bit(quick.checkpoints.path_of(1) / "optimizer.safetensors");
  EXPECT_EQ(code_of([&] { quick.checkpoints.load_latest(); }), "checkpoint.all_damaged");
}

TEST(CheckpointFolder, ACheckpointUnderAWrongNameIsDamage) {
  const TemporaryFolder folder;
  QuickFolder quick(folder.path());
  quick.checkpoints.save(example(1));
  quick.checkpoints.save(example(2));
  std::filesystem::rename(quick.checkpoints.path_of(2), quick.checkpoints.path_of(9));
  EXPECT_EQ(quick.checkpoints.load_latest()->step, 1u);
}

TEST(CheckpointFolder, AFileOfTheUsersKeepsItsFolder) {
  const TemporaryFolder folder;
  QuickFolder quick(folder.path(), 1);
  quick.checkpoints.save(example(1));
  write_file_atomically(real_file_system(), quick.checkpoints.path_of(1) / "notes.txt", "mine");
  quick.checkpoints.save(example(2));
  EXPECT_EQ(read_text_file(quick.checkpoints.path_of(1) / "notes.txt"), "mine");
  EXPECT_EQ(quick.checkpoints.load_latest()->step, 2u);
}

TEST(CheckpointFolder, CleansUpAfterAKilledProcess) {
  const TemporaryFolder folder;
  QuickFolder quick(folder.path());
  quick.checkpoints.save(example(1));
  std::filesystem::copy(quick.checkpoints.path_of(1), folder / ".step-000000000002.tmp-77-0");
  std::filesystem::copy(quick.checkpoints.path_of(1), quick.checkpoints.path_of(0));
  std::filesystem::remove(quick.checkpoints.path_of(0) / "manifest.json");
  quick.checkpoints.clean_up();
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
  EXPECT_EQ(quick.checkpoints.load_latest()->step, 1u);
}

TEST(CheckpointFolder, ChecksTheSpaceForAllThatItKeeps) {
  class Disk : public FaultyFileSystem {
   public:
    std::uint64_t free_space(const Path&) override { return free; }
    std::uint64_t free = 0;
  };
  const TemporaryFolder folder;
  Disk disk;
  CheckpointFolder checkpoints(disk, folder.path(), {.keep = 2});
  Checkpoint big = example(1);
  big.weights["big"] = at::zeros({1 << 20});  // 4 MiB, four of them and some headers
  disk.free = 4 * (std::uint64_t{4} << 20);
  EXPECT_EQ(code_of([&] { checkpoints.check_space(big); }), "checkpoint.disk_space");
  disk.free += 1 << 20;
  EXPECT_EQ(code_of([&] { checkpoints.check_space(big); }), "no error");
  // Those that are there already take their part of the need.
  checkpoints.save(big);
  disk.free -= std::uint64_t{4} << 20;
  EXPECT_EQ(code_of([&] { checkpoints.check_space(big); }), "no error");
  disk.free -= std::uint64_t{2} << 20;
  EXPECT_EQ(code_of([&] { checkpoints.check_space(big); }), "checkpoint.disk_space");
}

// RELIABILITY: any failure of the N-th operation leaves the checkpoint before usable, for every N and kind of failure.
TEST(CheckpointFolder, AFailureAtAnyOperationLeavesTheLastCheckpoint) {
  std::uint64_t counted = 0;
  for (const bool persistent : {false, true}) {
    for (const Fault fault : {Fault::kNoSpace, Fault::kIo, Fault::kShortWrite}) {
      for (std::uint64_t n = 1;; ++n) {
        const TemporaryFolder folder;
        QuickFolder(folder.path(), 1).checkpoints.save(example(1));
        FaultyFileSystem faulty({.fault = fault, .at = n, .persistent = persistent});
        std::string code = "no error";
        try {
          CheckpointFolder(faulty, folder.path(), {.keep = 1}).save(example(2));
        } catch (const Error& error) {
          code = error.code();
          EXPECT_THAT(error.what(), ::testing::HasSubstr(folder.path().string())) << "operation " << n;
        }
        CheckpointFolder after(real_file_system(), folder.path());
        const auto latest = after.load_latest();
        ASSERT_TRUE(latest) << "operation " << n;
        EXPECT_TRUE(latest->step == 1 || latest->step == 2);
        EXPECT_TRUE(
            latest->weights.at("layer.weight").equal(example(latest->step).weights.at("layer.weight")));
        after.clean_up();
        QuickFolder(folder.path(), 1).checkpoints.save(example(2));
        EXPECT_EQ(after.load_latest()->step, 2u);
        if (code != "no error") continue;
        counted = faulty.operations();
        break;
      }
    }
  }
  // 2 folders made; 2 tensor files of create, 3 writes (length, header, one tensor), sync, close; 3 other files with 1 write;
  // the folder synced, renamed, its parent synced; 5 files and the folder of the old one removed. Another number means
  // another way of writing: look at its order before changing this one.
  EXPECT_EQ(counted, 2u + 2 * 6 + 3 * 4 + 3 + 6);
}

TEST(ModuleTensors, NamesParametersAndBuffersAndSharesTheirMemory) {
  testing::SmallTask task({.batch_norm = true});
  const TensorMap tensors = module_tensors(task.module());
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  EXPECT_THAT(names,
              ::testing::ElementsAre("first.bias",
                                     "first.weight",
                                     "norm.bias",
                                     "norm.num_batches_tracked",
                                     "norm.running_mean",
                                     "norm.running_var",
                                     "norm.weight",
                                     "second.bias",
                                     "second.weight"));
  EXPECT_EQ(tensors.at("first.weight").data_ptr(), task.model().first->weight.data_ptr());
}

TEST(ModuleTensors, TiedWeightsAppearOnce) {
  struct Tied : torch::nn::Module {
    Tied() {
      a = register_module("a", torch::nn::Linear(2, 2));
      b = register_module("b", a);
    }
    torch::nn::Linear a{nullptr}, b{nullptr};
  } tied;
  const TensorMap tensors = module_tensors(tied);
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_TRUE(tensors.contains("a.weight"));
  copy_into(tied, {{"a.weight", at::ones({2, 2})}, {"a.bias", at::ones({2})}});
  EXPECT_EQ(tied.b->weight.sum().item<double>(), 4.0);
}

TEST(ModuleTensors, WeightsThatDoNotFitChangeNothing) {
  testing::SmallTask task;
  const torch::Tensor before = task.model().first->weight.clone();
  const auto code = [&](const std::function<void(TensorMap&)>& change) {
    TensorMap weights;
    for (const auto& [name, tensor] : module_tensors(task.module())) weights[name] = at::zeros_like(tensor);
    change(weights);
    const std::string result = code_of([&] { copy_into(task.module(), weights); });
    EXPECT_TRUE(task.model().first->weight.equal(before));
    return result;
  };
  EXPECT_EQ(code([](TensorMap& w) { w.erase("second.bias"); }), "weights.missing");
  EXPECT_EQ(code([](TensorMap& w) { w["second.bais"] = at::zeros({3}); }), "weights.unknown");
  EXPECT_EQ(code([](TensorMap& w) { w["second.bias"] = at::zeros({4}); }), "weights.shape");
  EXPECT_EQ(code([](TensorMap& w) { w["second.bias"] = at::zeros({3}, torch::kFloat64); }), "weights.dtype");
  TensorMap weights;
  for (const auto& [name, tensor] : module_tensors(task.module())) weights[name] = at::zeros_like(tensor);
  copy_into(task.module(), weights);
  EXPECT_EQ(task.model().first->weight.abs().sum().item<double>(), 0.0);
}

// Checkpoints of every version stay readable. The values are those that SOURCE.txt in the folder states.
TEST(Checkpoint, VersionOneLoads) {
  const Checkpoint checkpoint = read_checkpoint(Path(TENFOLD_SOURCE_DIR) / "tests/data/checkpoints/v1");
  EXPECT_EQ(checkpoint.system, "small");
  EXPECT_EQ(checkpoint.step, 3u);
  EXPECT_EQ(checkpoint.config_toml, "[train]\nsteps = 3\n");
  EXPECT_EQ(checkpoint.weights.size(), 3u);
  EXPECT_TRUE(checkpoint.weights.at("weight").equal(at::arange(6, torch::kFloat32).reshape({2, 3}) / 4));
  EXPECT_TRUE(checkpoint.weights.at("half").equal(at::full({2}, 1.5, torch::kBFloat16)));
  EXPECT_TRUE(checkpoint.weights.at("mask").equal(at::arange(3).eq(1)));
  EXPECT_TRUE(checkpoint.optimizer.at("optimizer/moment1/weight").equal(at::full({2, 3}, 0.5f)));
  EXPECT_EQ(checkpoint.optimizer.at("optimizer/step/weight").item<std::int64_t>(), 3);
  const SavedRun run = parse_run_state(checkpoint.state_json, "v1");
  EXPECT_EQ(run.identity.seed, 7u);
  EXPECT_EQ(run.identity.options.at("optimizer.name"), "\"adam\"");
  EXPECT_EQ(run.machine.threads, 2);
  EXPECT_EQ(run.state.step, 3u);
  EXPECT_EQ(run.state.cursor, (data::SamplerState{.epoch = 0, .batch = 3}));
  EXPECT_EQ(run.state.skipped, 1u);
  EXPECT_EQ(run.state.best_metric, 0.75);
  EXPECT_EQ(run.state.totals.flops(), 3000u);
  EXPECT_EQ(run.state.task, "{\"own\":42}");
}

TEST(RunState, ComesBackAndNamesTheFieldThatIsWrong) {
  RunIdentity identity{
      .system = "s", .estimator = "backprop", .seed = 18446744073709551615u, .options = {{"a", "1"}}};
  RunState state;
  state.step = 5;
  state.cursor = {.epoch = 2, .batch = 1};
  state.schedule = {.plateau = 0.1, .best = 0.1 + 0.2, .has_best = true, .bad_evaluations = 2};
  state.best_metric = 1.0 / 3.0;
  state.last_loss = std::numeric_limits<double>::quiet_NaN();
  state.loss_sum = 1e-300;
  state.task = R"({"x":[1,2]})";
  const std::string text = to_json(identity, {.threads = 2, .processes = 3}, state);
  const SavedRun run = parse_run_state(text, "place");
  EXPECT_EQ(run.identity.seed, identity.seed);
  EXPECT_EQ(run.identity.options, identity.options);
  EXPECT_EQ(run.state.schedule.best, 0.1 + 0.2);
  EXPECT_EQ(run.state.best_metric, 1.0 / 3.0);
  EXPECT_TRUE(std::isnan(run.state.last_loss));
  EXPECT_EQ(run.state.loss_sum, 1e-300);
  EXPECT_EQ(run.state.task, state.task);
  EXPECT_EQ(run.machine, (RunMachine{.threads = 2, .processes = 3}));
  EXPECT_EQ(to_json(run.identity, run.machine, run.state), text);
  const auto without = [&](const std::string& key, const std::string& instead) {
    std::string damaged = text;
    damaged.replace(damaged.find("\"" + key + "\""), key.size() + 2, instead);
    try {
      parse_run_state(damaged, "place");
    } catch (const Error& error) {
      return error.code() + (error.text().what.find("place") == 0 ? "" : " without the place");
    }
    return std::string("no error");
  };
  for (const char* key : {"identity",
                          "machine",
                          "step",
                          "cursor",
                          "schedule",
                          "guard",
                          "evaluation",
                          "loss",
                          "totals",
                          "task",
                          "epoch",
                          "plateau",
                          "has_best",
                          "seed",
                          "forward"}) {
    EXPECT_EQ(without(key, "\"renamed\""), "checkpoint.bad_state") << key;
  }
  state.task = "[]";
  EXPECT_EQ(code_of([&] { to_json(identity, {}, state); }), "train.bad_task_state");
}

}  // namespace
}  // namespace tenfold::train
