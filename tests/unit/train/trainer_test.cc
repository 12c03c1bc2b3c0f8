// SPDX-License-Identifier: Apache-2.0
// The loop: what it computes, writes, skips, refuses and continues. Resuming in a new process is in tests/resume.
#include "tenfold/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/train/checkpoint.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/small_training.h"

namespace tenfold::train {
namespace {

using faults::FaultyFileSystem;
using testing::SmallTask;
using testing::SmallTaskOptions;
using testing::TemporaryFolder;

TrainerOptions small_options(std::int64_t steps = 12) {
  TrainerOptions options;
  options.steps = steps;
  options.batch_size = 8;
  options.loader_threads = 0;
  options.log_every = 2;
  options.eval_every = 4;
  options.save_every = 4;
  options.optimizer.name = "adam";
  options.optimizer.learning_rate = 0.05;
  return options;
}

// Runs on a file system that does not wait for the disk.
struct Runner {
  TrainReport run(SmallTask& task, const TrainerOptions& options, const Path& folder = {}) {
    const auto backprop = make_backprop();
    environment.files = &files;
    environment.folder = folder;
    environment.peak_gflops = 100.0;
    return train(task, *backprop, options, environment);
  }
  FaultyFileSystem files;
  TrainEnvironment environment;
};

TrainReport run_small(SmallTask& task, const TrainerOptions& options, const Path& folder = {}) {
  return Runner().run(task, options, folder);
}

std::string code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code();
  }
  return "no error";
}

bool same_tensors(const TensorMap& a, const TensorMap& b) {
  if (a.size() != b.size()) return false;
  for (const auto& [name, tensor] : a) {
    if (!b.contains(name) || !tensor.equal(b.at(name))) return false;
  }
  return true;
}

// The loop by hand: sequential rows, plain SGD on a linear model, in float64.
class LinearTask : public TrainTask {
 public:
  LinearTask() : data_(tensors()) {
    layer_ = torch::nn::Linear(torch::nn::LinearOptions(2, 1).bias(false));
    layer_->to(torch::kFloat64);
    const torch::NoGradGuard no_grad;
    layer_->weight.fill_(0.5);
  }
  std::string system_name() const override { return "linear"; }
  torch::nn::Module& module() override { return *layer_; }
  const data::Dataset& train_set() const override { return data_; }
  StepOutput run(const data::Batch& batch) override {
    return {.loss = (layer_->forward(batch.tensors[0]).squeeze(1) - batch.tensors[1]).square().mean()};
  }
  static std::vector<torch::Tensor> tensors() {
    torch::Tensor x = at::empty({6, 2}, torch::kFloat64), y = at::empty({6}, torch::kFloat64);
    for (int i = 0; i < 6; ++i) {
      x[i][0] = 0.1 * i;
      x[i][1] = 1.0 - 0.2 * i;
      y[i] = 0.3 * i - 0.5;
    }
    return {x, y};
  }
  torch::nn::Linear layer_{nullptr};

 private:
  data::TensorDataset data_;
};

TEST(Trainer, MinimisesLikeTheLoopByHand) {
  TrainerOptions options;
  options.steps = 5;
  options.batch_size = 4;  // 4 and 2 rows an epoch
  options.shuffle = false;
  options.clip_norm = 0.4;
  options.log_every = 1;
  options.optimizer.name = "sgd";
  options.optimizer.learning_rate = 0.1;
  options.schedule.name = "linear";
  const auto backprop = make_backprop();
  for (const std::int64_t accumulate : {1, 3}) {
    options.accumulate = accumulate;
    LinearTask task;
    const TrainReport report = train(task, *backprop, options, {});
    double w[2] = {0.5, 0.5};
    for (int step = 0; step < 5; ++step) {
      const int begin = step % 2 == 0 ? 0 : 4, end = step % 2 == 0 ? 4 : 6;
      double gradient[2] = {0, 0}, loss = 0;
      for (int i = begin; i < end; ++i) {
        const double x[2] = {0.1 * i, 1.0 - 0.2 * i};
        const double error = w[0] * x[0] + w[1] * x[1] - (0.3 * i - 0.5);
        loss += error * error / (end - begin);
        for (int k = 0; k < 2; ++k) gradient[k] += 2 * error * x[k] / (end - begin);
      }
      const double norm = std::hypot(gradient[0], gradient[1]), rate = 0.1 * (1.0 - step / 5.0);
      const double factor = norm > 0.4 ? 0.4 / norm : 1.0;
      for (int k = 0; k < 2; ++k) w[k] -= rate * factor * gradient[k];
      const Figures& figures = report.log.at(static_cast<std::size_t>(step)).figures;
      EXPECT_NEAR(figures.at("train/loss"), loss, 1e-12) << "step " << step;
      EXPECT_NEAR(figures.at("gradient_norm"), norm, 1e-12);
      EXPECT_DOUBLE_EQ(figures.at("learning_rate"), rate);
    }
    for (int k = 0; k < 2; ++k) EXPECT_NEAR(task.layer_->weight[0][k].item<double>(), w[k], 1e-12);
    EXPECT_EQ(report.steps, 5u);
    EXPECT_EQ(report.ended_by, "steps");
  }
}

TEST(Trainer, LossFallsAndFlopAreThoseOfTheShapes) {
  SmallTask task;
  TrainerOptions options = small_options(60);
  const TrainReport report = run_small(task, options);
  EXPECT_LT(report.last_loss, 0.7 * report.log.front().figures.at("train/loss"));
  // 12 batches of 8 rows and one of 4 an epoch: 60 steps are 4 epochs of 100 rows and 8 batches of 8. Forward 2 (8 x 16 + 16 x
  // 3) FLOP a row; backward once for the weights, once more for the input of the second layer.
  const std::uint64_t rows = 4 * 100 + 8 * 8, first = 2 * 8 * 16, second = 2 * 16 * 3;
  EXPECT_EQ(report.flops, rows * (2 * first + 3 * second));
}

TEST(Trainer, EpochsBecomeSteps) {
  SmallTask task;
  TrainerOptions options = small_options(0);
  options.epochs = 1.5;  // of 13 batches
  EXPECT_EQ(run_small(task, options).steps, 20u);
  options.eval_every = 0;  // at the end of each epoch, and at the end
  SmallTask other;
  const TrainReport report = run_small(other, options);
  EXPECT_EQ(other.evaluations, 2);
  std::vector<std::uint64_t> evaluated;
  for (const LogRow& row : report.log) {
    if (row.figures.contains("valid/loss")) evaluated.push_back(row.step);
  }
  EXPECT_THAT(evaluated, ::testing::ElementsAre(13u, 20u));
}

TEST(Trainer, TwoEqualRunsAreBitIdenticalOverFiftySteps) {
  SmallTaskOptions task_options{.dropout = 0.3, .batch_norm = true};
  TrainerOptions options = small_options(50);
  options.log_every = 1;
  options.ema_decay = 0.9;
  SmallTask a(task_options), b(task_options);
  const TrainReport first = run_small(a, options);
  options.loader_threads = 3;  // must not matter
  at::randn({100});            // nor what the generator did before
  const TrainReport second = run_small(b, options);
  ASSERT_EQ(first.log.size(), 50u);
  ASSERT_EQ(second.log.size(), 50u);
  for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(first.log[i].figures, second.log[i].figures) << i;
  EXPECT_TRUE(same_tensors(module_tensors(a.module()), module_tensors(b.module())));
  SmallTask c(task_options);
  Runner other_seed;
  other_seed.environment.seed = 2;
  other_seed.run(c, options);
  EXPECT_FALSE(same_tensors(module_tensors(a.module()), module_tensors(c.module())));
}

TEST(Trainer, WritesTheRunFolder) {
  const TemporaryFolder folder;
  SmallTask task;
  Runner runner;
  runner.environment.config_toml = "[train]\nsteps = 12\n";
  runner.environment.config_hash = "abc";
  runner.environment.name = "a run";
  runner.environment.seed = 7;
  const TrainReport report = runner.run(task, small_options(), folder / "run");
  EXPECT_EQ(read_text_file(folder / "run" / "config.toml"), runner.environment.config_toml);
  const auto run = nlohmann::json::parse(read_text_file(folder / "run" / "run.json"));
  EXPECT_EQ(run["schema"], "tenfold.run/1");
  EXPECT_EQ(run["steps"], 12);
  EXPECT_EQ(run["parts"], 1);
  EXPECT_EQ(run["seed"], 7);
  EXPECT_EQ(run["config_hash"], "abc");
  EXPECT_EQ(run["flop"]["total"], report.flops);
  EXPECT_EQ(run["examples"], 8 * 12);
  CheckpointFolder checkpoints(real_file_system(), folder / "run" / "checkpoints");
  EXPECT_THAT(checkpoints.steps(), ::testing::ElementsAre(8u, 12u));  // keep = 2
  EXPECT_TRUE(same_tensors(checkpoints.load_latest()->weights, module_tensors(task.module())));
  EXPECT_EQ(read_checkpoint(checkpoints.best_path()).step, report.best_step);
  const auto lines = testing::deterministic_lines(folder / "run" / "metrics.jsonl");
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_THAT(lines[1], ::testing::StartsWith("{\"step\": 4, \"epoch\": "));
  EXPECT_THAT(lines[1], ::testing::HasSubstr("\"valid/accuracy\": "));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder / "run"), {}), 5);
}

TEST(Trainer, SecondCallContinuesAndAFinishedRunStaysAsItIs) {
  const TemporaryFolder folder;
  TrainerOptions options = small_options(20);
  options.ema_decay = 0.8;
  const SmallTaskOptions task_options{.dropout = 0.2, .batch_norm = true};
  SmallTask whole(task_options);
  const TrainReport all = run_small(whole, options, folder / "whole");

  StopToken stop;
  Runner runner;
  runner.environment.stop = &stop;
  SmallTask first(task_options);
  first.own_state = 42;
  first.on_step = [&](std::uint64_t begun) {
    if (begun == 7) stop.request();
  };
  const TrainReport stopped = runner.run(first, options, folder / "parts");
  EXPECT_EQ(stopped.ended_by, "stopped");
  EXPECT_EQ(stopped.steps, 7u);

  SmallTask second(task_options);
  const TrainReport rest = run_small(second, options, folder / "parts");
  EXPECT_EQ(rest.first_step, 7u);
  EXPECT_EQ(rest.steps, 20u);
  EXPECT_EQ(second.own_state, 42);
  EXPECT_EQ(rest.flops, all.flops);
  EXPECT_EQ(rest.best_metric, all.best_metric);
  EXPECT_EQ(rest.best_step, all.best_step);
  EXPECT_TRUE(same_tensors(module_tensors(whole.module()), module_tensors(second.module())));
  EXPECT_EQ(testing::deterministic_lines(folder / "whole" / "metrics.jsonl"),
            testing::deterministic_lines(folder / "parts" / "metrics.jsonl"));
  const auto run = nlohmann::json::parse(read_text_file(folder / "parts" / "run.json"));
  EXPECT_EQ(run["parts"], 2);
  EXPECT_EQ(run["steps"], 20);
  EXPECT_EQ(run["flop"]["total"], all.flops);

  SmallTask third(task_options);
  Runner counting;
  const TrainReport again = counting.run(third, options, folder / "parts");
  EXPECT_EQ(again.steps, 20u);
  EXPECT_EQ(again.first_step, 20u);
  EXPECT_EQ(again.ended_by, "steps");
  EXPECT_EQ(third.steps_begun, 0u);
  EXPECT_EQ(third.evaluations, 0);
  for (const std::string& operation : counting.files.journal()) {
    EXPECT_THAT(operation, ::testing::StartsWith("make_directories"));
  }
}

TEST(Trainer, RefusesTheCheckpointOfAnotherRunAndNamesWhatDiffers) {
  const TemporaryFolder folder;
  SmallTask task;
  run_small(task, small_options(), folder / "run");
  const auto refusal =
      [&](const TrainerOptions& options, std::uint64_t seed, std::int64_t rows, std::string toml) {
        SmallTask other(SmallTaskOptions{.rows = rows});
        Runner runner;
        runner.environment.seed = seed;
        runner.environment.config_toml = toml;
        runner.environment.config_hash = toml;
        try {
          runner.run(other, options, folder / "run");
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), "train.other_run");
          EXPECT_EQ(error.error_class(), ErrorClass::kConfig);
          return error.text().seen + " | " + error.text().wanted;
        }
        return std::string("no error");
      };
  EXPECT_EQ(refusal(small_options(), 2, 100, ""), "seed 1 | seed 2");
  TrainerOptions options = small_options();
  options.optimizer.learning_rate = 0.25;
  EXPECT_EQ(refusal(options, 1, 100, ""), "optimizer.learning_rate 0.05 | optimizer.learning_rate 0.25");
  EXPECT_THAT(refusal(small_options(), 1, 99, ""), ::testing::HasSubstr("data "));
  EXPECT_EQ(refusal(small_options(), 1, 100, "[model]\nwidth = 3\n"),
            "configuration  | configuration width = 3");
  options = small_options();
  options.save_every = 1;  // does not affect the result
  options.log_every = 1;
  EXPECT_EQ(refusal(options, 1, 100, ""), "no error");
}

TEST(Trainer, SkipsAStepThatIsNotFiniteAndLeavesNothingOfIt) {
  SmallTaskOptions task_options{.batch_norm = true, .bad_rows = {6 * 8 + 3}};  // of step 7
  TrainerOptions options = small_options(12);
  options.shuffle = false;
  options.log_every = 1;
  options.ema_decay = 0.9;
  SmallTask task(task_options);
  const TrainReport report = run_small(task, options);
  EXPECT_EQ(report.skipped_steps, 1u);
  EXPECT_EQ(report.steps, 12u);
  EXPECT_TRUE(std::isnan(report.log.at(6).figures.at("train/loss")));
  EXPECT_TRUE(std::isfinite(report.log.at(7).figures.at("train/loss")));
  for (const auto& [name, tensor] : module_tensors(task.module())) {
    EXPECT_TRUE(tensor.to(torch::kFloat64).isfinite().all().item<bool>()) << name;
  }
  // Skipped means: as if the batch had not been there (but for the step count).
  EXPECT_EQ(task.model().norm->num_batches_tracked.item<std::int64_t>(), 11);
}

TEST(Trainer, ThreeBadStepsInARowEndTheRunWithAFiniteCheckpoint) {
  const TemporaryFolder folder;
  SmallTaskOptions task_options{.bad_rows = {6 * 8 + 3, 7 * 8, 8 * 8 + 7, 9 * 8}};
  TrainerOptions options = small_options(40);
  options.shuffle = false;
  options.save_every = 1;
  options.eval_every = 1;
  SmallTask task(task_options);
  try {
    run_small(task, options, folder / "run");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "train.not_finite");
    EXPECT_EQ(error.error_class(), ErrorClass::kData);
    const std::string text = error.what();
    EXPECT_THAT(text, ::testing::HasSubstr("step 8"));  // counted from 0
    EXPECT_THAT(text, ::testing::HasSubstr("64"));      // first row of its batch
    EXPECT_THAT(text, ::testing::HasSubstr("first.weight"));
  }
  EXPECT_EQ(task.steps_begun, 9u);
  CheckpointFolder checkpoints(real_file_system(), folder / "run" / "checkpoints");
  const auto last = checkpoints.load_latest();
  ASSERT_TRUE(last);
  EXPECT_EQ(last->step, 8u);
  for (const auto& [name, tensor] : last->weights) EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
  for (const auto& [name, tensor] : read_checkpoint(checkpoints.best_path()).weights) {
    EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
  }
}

TEST(Trainer, WeightsThatOverflowAreNeverSaved) {
  const TemporaryFolder folder;
  TrainerOptions options = small_options(12);
  options.save_every = 1;
  options.optimizer.name = "sgd";
  options.optimizer.learning_rate = 1e6;
  SmallTask task(SmallTaskOptions{.validates = false});
  const torch::NoGradGuard no_grad;
  task.model().second->weight.fill_(3e38f);
  task.model().second->bias.fill_(0.0f);
  {
    const torch::AutoGradMode recording(true);
    EXPECT_EQ(code_of([&] { run_small(task, options, folder / "run"); }), "train.not_finite");
  }
  for (const std::uint64_t step :
       CheckpointFolder(real_file_system(), folder / "run" / "checkpoints").steps()) {
    const Checkpoint saved =
        read_checkpoint(CheckpointFolder(real_file_system(), folder / "run" / "checkpoints").path_of(step));
    for (const auto& [name, tensor] : saved.weights)
      EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
  }
}

TEST(Trainer, EarlyStoppingKeepsTheBestAndStaysStopped) {
  const TemporaryFolder folder;
  TrainerOptions options = small_options(400);
  options.eval_every = 2;
  options.patience = 3;
  options.optimizer.learning_rate = 0.3;  // too large to keep improving
  SmallTask task;
  const TrainReport report = run_small(task, options, folder / "run");
  EXPECT_EQ(report.ended_by, "early_stopping");
  EXPECT_LT(report.steps, 400u);
  double best = 1e9;
  std::uint64_t best_step = 0;
  int since = 0;
  for (const LogRow& row : report.log) {
    if (!row.figures.contains("valid/loss")) continue;
    ++since;
    if (row.figures.at("valid/loss") < best) {
      best = row.figures.at("valid/loss");
      best_step = row.step;
      since = 0;
    }
  }
  EXPECT_EQ(report.best_metric, best);
  EXPECT_EQ(report.best_step, best_step);
  EXPECT_EQ(since, 3);
  EXPECT_EQ(read_checkpoint(folder / "run" / "checkpoints" / "best").step, best_step);
  SmallTask again;
  const TrainReport repeated = run_small(again, options, folder / "run");
  EXPECT_EQ(repeated.ended_by, "early_stopping");
  EXPECT_EQ(again.steps_begun, 0u);
}

TEST(Trainer, BestAndEvaluationUseTheAverageOfTheWeights) {
  const TemporaryFolder folder;
  TrainerOptions options = small_options(8);
  options.ema_decay = 0.9;
  options.eval_every = 8;
  SmallTask task;
  const TrainReport report = run_small(task, options, folder / "run");
  const Checkpoint best = read_checkpoint(folder / "run" / "checkpoints" / "best");
  EXPECT_FALSE(best.weights.at("first.weight").equal(task.model().first->weight));
  SmallTask average;
  copy_into(average.module(), best.weights);
  average.module().eval();
  EXPECT_EQ(average.evaluate().at("loss"), *report.best_metric);
  EXPECT_TRUE(task.module().is_training());
}

TEST(Trainer, AskingForAFigureThatIsNotThereIsAnError) {
  TrainerOptions options = small_options();
  options.metric = "acuracy";
  SmallTask task;
  try {
    run_small(task, options);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "train.no_metric");
    EXPECT_EQ(error.text().remedy, "set metric to accuracy");
  }
  SmallTask silent(SmallTaskOptions{.validates = false});
  options.metric = "loss";
  EXPECT_EQ(code_of([&] { run_small(silent, options); }), "no error");
  options.patience = 1;
  EXPECT_EQ(code_of([&] { run_small(silent, options); }), "train.no_metric");
}

TEST(Trainer, BadOptionsAreErrorsBeforeAnythingIsWritten) {
  const TemporaryFolder folder;
  SmallTask task;
  TrainerOptions options = small_options();
  options.batch_size = 0;
  EXPECT_EQ(code_of([&] { run_small(task, options, folder / "run"); }), "config.out_of_range");
  options = small_options();
  options.schedule.warmup = 13;
  EXPECT_EQ(code_of([&] { run_small(task, options, folder / "run"); }), "schedule.bad_option");
  for (torch::Tensor& parameter : task.module().parameters()) parameter.set_requires_grad(false);
  EXPECT_EQ(code_of([&] { run_small(task, small_options(), folder / "run"); }), "train.no_parameters");
  EXPECT_FALSE(path_exists(folder / "run"));
}

TEST(Trainer, OneRunAFolder) {
  const TemporaryFolder folder;
  SmallTask task;
  task.on_step = [&](std::uint64_t begun) {
    if (begun != 3) return;
    SmallTask other;
    EXPECT_EQ(code_of([&] { run_small(other, small_options(), folder / "run"); }), "train.folder_in_use");
  };
  EXPECT_EQ(run_small(task, small_options(), folder / "run").steps, 12u);
}

// Updates the parameters itself by plain gradient descent.
class Streaming : public GradientEstimator {
 public:
  std::string_view name() const override { return "streaming"; }
  StepOutput accumulate(const LossFunction& loss,
                        std::span<const NamedParameter> parameters,
                        const EstimateKey& key,
                        double weight) override {
    return backprop_->accumulate(loss, parameters, key, weight);
  }
  bool streams_update() const override { return true; }
  StepOutput update(const LossFunction& loss,
                    std::span<const NamedParameter> parameters,
                    const EstimateKey& key,
                    double learning_rate) override {
    StepOutput output = accumulate(loss, parameters, key, 1.0);
    const torch::NoGradGuard no_grad;
    for (const NamedParameter& parameter : parameters) {
      torch::Tensor value = parameter.value;
      value.sub_(value.grad(), learning_rate);
    }
    return output;
  }

 private:
  std::unique_ptr<GradientEstimator> backprop_ = make_backprop();
};

TEST(Trainer, AStreamingEstimatorUpdatesInsteadOfTheOptimiser) {
  TrainerOptions options = small_options();
  options.optimizer.name = "sgd";
  SmallTask plain, streamed;
  run_small(plain, options);
  Streaming streaming;
  train(streamed, streaming, options, {});
  for (const auto& [name, tensor] : module_tensors(plain.module())) {
    EXPECT_TRUE(tensor.allclose(module_tensors(streamed.module()).at(name), 1e-6, 1e-7)) << name;
  }
  for (const auto change : {+[](TrainerOptions& o) { o.optimizer.name = "adam"; },
                            +[](TrainerOptions& o) { o.optimizer.momentum = 0.9; },
                            +[](TrainerOptions& o) { o.accumulate = 2; },
                            +[](TrainerOptions& o) { o.clip_norm = 1.0; }}) {
    TrainerOptions wrong = options;
    change(wrong);
    EXPECT_EQ(code_of([&] { train(streamed, streaming, wrong, {}); }), "train.streaming_update");
  }
}

TEST(Trainer, RefusesADiskThatIsTooSmallBeforeTheFirstStep) {
  class SmallDisk : public FaultyFileSystem {
   public:
    std::uint64_t free_space(const Path&) override { return 100'000; }
  };
  const TemporaryFolder folder;
  SmallDisk disk;
  SmallTask task;
  Runner runner;
  const auto backprop = make_backprop();
  runner.environment.files = &disk;
  runner.environment.folder = folder / "run";
  EXPECT_EQ(code_of([&] { train(task, *backprop, small_options(), runner.environment); }),
            "checkpoint.disk_space");
  EXPECT_EQ(task.steps_begun, 0u);
}

TEST(Trainer, ShowsProgressWithRateAndTimeLeft) {
  SmallTask task;
  Runner runner;
  std::vector<std::string> lines;
  runner.environment.progress = [&](std::string_view line) { lines.emplace_back(line); };
  runner.run(task, small_options());
  ASSERT_FALSE(lines.empty());
  EXPECT_THAT(lines.back(), ::testing::StartsWith("step 12/12  loss "));
  EXPECT_THAT(lines.back(), ::testing::HasSubstr("examples/s  left 0:00:00"));
}

}  // namespace
}  // namespace tenfold::train
