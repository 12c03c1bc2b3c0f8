// SPDX-License-Identifier: Apache-2.0
// Whole training runs with every gradient estimator: the loss falls, and a run that was stopped goes on to the same bits.
#include <gtest/gtest.h>

#include "tenfold/base/error.h"
#include "tenfold/train/checkpoint.h"
#include "tenfold/train/gradient_options.h"
#include "tenfold/train/trainer.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/small_training.h"

namespace tenfold::train {
namespace {

using faults::FaultyFileSystem;
using testing::SmallTask;
using testing::SmallTaskOptions;
using testing::TemporaryFolder;

// The small classifier, with the loss of each example.
class ExampleTask : public SmallTask {
 public:
  using SmallTask::SmallTask;
  StepOutput run(const data::Batch& batch) override {
    StepOutput output;
    output.example_loss =
        at::cross_entropy_loss(model().forward(batch.tensors[0]), batch.tensors[1], {}, at::Reduction::None);
    output.loss = output.example_loss.mean();
    return output;
  }
};

std::vector<GradientOptions> all_estimators() {
  return {{.name = "forward"},
          {.name = "forward", .direction = "rank1", .tangents = 2},
          {.name = "forward", .direction = "gaussian", .tangents = 3, .combine = "orthogonal"},
          {.name = "forward", .block = "layer", .check_every = 5},
          {.name = "forward", .only = {"second"}},
          {.name = "activity", .direction = "gaussian"},
          {.name = "mezo", .direction = "gaussian"}};
}

TrainerOptions options_of(std::int64_t steps, double learning_rate) {
  TrainerOptions options;
  options.steps = steps;
  options.batch_size = 20;
  options.loader_threads = 0;
  options.log_every = 1;
  options.save_every = 50;
  options.optimizer.name = "adam";
  options.optimizer.learning_rate = learning_rate;
  return options;
}

TrainReport run(TrainTask& task,
                const GradientOptions& gradient,
                const TrainerOptions& options,
                FaultyFileSystem& files,
                const Path& folder = {},
                const StopToken* stop = nullptr) {
  TrainEnvironment environment;
  environment.files = &files;
  environment.folder = folder;
  environment.stop = stop;
  environment.peak_gflops = 100.0;
  const auto estimator = make_gradient_estimator(gradient);
  return train(task, *estimator, options, environment);
}

double validation_loss(TrainTask& task) {
  const at::NoGradGuard no_tape;
  task.module().eval();
  return task.evaluate().at("loss");
}

TEST(EstimatorTraining, LossFallsWithEveryEstimator) {
  FaultyFileSystem files;
  for (const GradientOptions& gradient : all_estimators()) {
    ExampleTask task;
    const double before = validation_loss(task);
    run(task, gradient, options_of(200, 0.02), files);
    EXPECT_LT(validation_loss(task), 0.8 * before)
        << gradient.name << " " << gradient.direction << " " << gradient.combine << " " << gradient.block;
  }
}

TEST(EstimatorTraining, FrozenParametersStayToTheBitUnderWeightDecay) {
  FaultyFileSystem files;
  ExampleTask task;
  const at::Tensor before = task.model().first->weight.detach().clone();
  TrainerOptions options = options_of(5, 0.02);
  options.optimizer.name = "adamw";
  options.optimizer.weight_decay = 0.1;
  run(task, {.name = "forward", .only = {"second"}}, options, files);
  EXPECT_TRUE(at::equal(task.model().first->weight, before));
}

TEST(EstimatorTraining, StoppedRunsGoOnToTheSameBits) {
  for (const GradientOptions& gradient : all_estimators()) {
    const TemporaryFolder folder;
    FaultyFileSystem files;
    const bool example_by_example = gradient.name == "activity";
    const SmallTaskOptions task_options{.dropout = 0.2, .batch_norm = !example_by_example};
    const TrainerOptions options = options_of(16, 0.02);
    ExampleTask whole(task_options);
    run(whole, gradient, options, files, folder / "whole");

    StopToken stop;
    ExampleTask first(task_options);
    first.on_step = [&](std::uint64_t begun) {
      if (begun == 7) stop.request();
    };
    EXPECT_EQ(run(first, gradient, options, files, folder / "parts", &stop).ended_by, "stopped");
    ExampleTask second(task_options);
    EXPECT_EQ(run(second, gradient, options, files, folder / "parts").first_step, 7u);
    const TensorMap a = module_tensors(whole.module()), b = module_tensors(second.module());
    ASSERT_EQ(a.size(), b.size());
    for (const auto& [name, tensor] : a)
      EXPECT_TRUE(at::equal(tensor, b.at(name))) << gradient.name << " " << name;
  }
}

TEST(EstimatorTraining, StreamingIsPlainSgd) {
  FaultyFileSystem files;
  TrainerOptions options = options_of(20, 0.002);
  options.optimizer.name = "sgd";
  ExampleTask with_tensor, streamed;
  run(with_tensor, {.name = "forward"}, options, files);
  run(streamed, {.name = "forward", .stream = true}, options, files);
  EXPECT_TRUE(at::allclose(with_tensor.model().first->weight, streamed.model().first->weight, 1e-4, 1e-6));
}

TEST(EstimatorTraining, ATaskWithoutExampleLossesIsToldSo) {
  FaultyFileSystem files;
  SmallTask task;
  try {
    run(task, {.name = "activity"}, options_of(2, 0.01), files);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "activity.no_example_loss");
  }
}

}  // namespace
}  // namespace tenfold::train
