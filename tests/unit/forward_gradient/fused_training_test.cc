// SPDX-License-Identifier: Apache-2.0
// The fused estimator under the trainer: losses fall, it equals the generic estimator of the same direction, and a run that was
// stopped ends as if it had not been.
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "tenfold/base/error.h"
#include "tenfold/data/tensor_dataset.h"
#include "tenfold/systems/forward_gradient/fused_estimator.h"
#include "tenfold/systems/forward_gradient/task.h"
#include "tenfold/train/gradient_options.h"
#include "tenfold/train/trainer.h"
#include "tests/support/small_training.h"

namespace tenfold::forward_gradient {
namespace {

constexpr std::int64_t kRows = 96, kFeatures = 12, kClasses = 3;

// Three clusters of points.
data::DataSplits clusters() {
  at::manual_seed(7);
  const torch::Tensor labels = at::arange(kRows).remainder(kClasses);
  const torch::Tensor centers = at::randn({kClasses, kFeatures});
  const torch::Tensor points = centers.index_select(0, labels) + 0.3 * at::randn({kRows, kFeatures});
  const auto rows = std::make_shared<data::TensorDataset>(std::vector<at::Tensor>{points, labels});
  return {.train = rows,
          .valid = rows,
          .test = nullptr,
          .info = {.kind = "test", .input_shape = {kFeatures}, .tensors = 2, .classes = kClasses}};
}

train::TrainerOptions trainer_options(std::int64_t steps, double rate) {
  train::TrainerOptions options;
  options.steps = steps;
  options.batch_size = 16;
  options.loader_threads = 0;
  options.save_every = 10;
  options.eval_every = 7;  // with a flush in the middle of a window of pending updates
  options.optimizer.name = "sgd";
  options.optimizer.learning_rate = rate;
  options.schedule.name = "constant";
  return options;
}

// Initial weights are a function of the seed alone.
std::unique_ptr<ClassificationTask> make_task() {
  data::DataSplits data = clusters();
  at::manual_seed(5);
  return std::make_unique<ClassificationTask>(NetworkOptions{.model = "mlp", .width = 24, .depth = 2},
                                              std::move(data));
}

// A classifier of the clusters with initial weights of a fixed seed, trained by fused layers.
struct FusedRun {
  explicit FusedRun(const FusedOptions& options)
      : own(make_task()), task(*own), net(task.network()), estimator(net, options) {
    task.set_forward([this](const torch::Tensor& inputs, const torch::Tensor& labels) {
      if (++passes == stop_at) stop.request();
      return net.run(inputs, labels);
    });
  }

  train::TrainReport train(const train::TrainerOptions& options, const Path& folder = {}) {
    return train::train(
        task, estimator, options, {.folder = folder, .stop = &stop, .seed = 3, .peak_gflops = 1.0});
  }

  std::vector<torch::Tensor> weights() const {
    std::vector<torch::Tensor> weights;
    for (const auto& parameter : net.parameters()) weights.push_back(parameter.value.detach().clone());
    return weights;
  }

  StopToken stop;
  int passes = 0, stop_at = 0;
  std::unique_ptr<ClassificationTask> own;
  ClassificationTask& task;
  FusedNet net;
  FusedEstimator estimator;
};

bool same_bits(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!a[i].equal(b[i])) return false;
  }
  return a.size() == b.size();
}

TEST(FusedTraining, LossFallsWithEveryMode) {
  at::set_num_threads(1);
  for (const char* mode : {"backprop", "rank1", "block", "dense"}) {
    SCOPED_TRACE(mode);
    FusedRun run({.mode = mode});
    const double before = run.task.evaluate_split("valid").at("loss");
    // Small rates for the noisy estimates of 987 parameters, and the more steps.
    const bool exact = std::string(mode) == "backprop";
    run.train(trainer_options(exact ? 100 : 2000, exact ? 0.1 : 1e-3));
    EXPECT_LT(run.task.evaluate_split("valid").at("loss"), 0.9 * before);
  }
}

TEST(FusedTraining, EqualsTheGenericEstimatorOfTheSameDirections) {
  at::set_num_threads(1);
  for (const char* block : {"none", "layer"}) {
    SCOPED_TRACE(block);
    const bool whole = std::string(block) == "none";
    FusedRun fused({.mode = whole ? "rank1" : "block", .tangent_bf16 = false, .apply_every = 5});
    const std::vector<torch::Tensor> start = fused.weights();
    fused.train(trainer_options(20, 1e-3));

    const std::unique_ptr<ClassificationTask> task = make_task();
    const auto generic = train::make_gradient_estimator(
        {.name = "forward", .direction = "rank1", .block = block, .stream = true});
    train::train(*task, *generic, trainer_options(20, 1e-3), {.seed = 3, .peak_gflops = 1.0});
    const std::vector<torch::Tensor> moved = fused.weights();
    const auto expected = train::trainable_parameters(task->module());
    double distance = 0.0, difference = 0.0;
    for (std::size_t i = 0; i < moved.size(); ++i) {
      distance += (moved[i] - start[i]).pow(2).sum().item<double>();
      difference += (moved[i] - expected[i].value).pow(2).sum().item<double>();
    }
    EXPECT_GT(distance, 0.0);
    EXPECT_LT(std::sqrt(difference), 1e-3 * std::sqrt(distance));
  }
}

TEST(FusedTraining, AStoppedRunEndsAsIfItHadNotBeen) {
  at::set_num_threads(1);
  for (const char* mode : {"backprop", "rank1", "block", "dense"}) {
    for (const int stop_at : {3, 18}) {
      SCOPED_TRACE(std::string(mode) + " stopped at " + std::to_string(stop_at));
      const FusedOptions options{.mode = mode, .apply_every = 8};
      const train::testing::TemporaryFolder one, two;
      FusedRun whole(options);
      whole.train(trainer_options(33, 1e-3), one.path());

      FusedRun first(options);
      first.stop_at = stop_at;
      EXPECT_EQ(first.train(trainer_options(33, 1e-3), two.path()).ended_by, "stopped");
      FusedRun second(options);
      const train::TrainReport report = second.train(trainer_options(33, 1e-3), two.path());
      EXPECT_EQ(report.first_step, static_cast<std::uint64_t>(stop_at));
      EXPECT_TRUE(same_bits(second.weights(), whole.weights()));
    }
  }
}

TEST(FusedTraining, CountsItsProducts) {
  const double weights = 12 * 24 + 24 * 24 + 24 * 3;
  FusedRun loss({.mode = "backprop"}), rank1({.mode = "rank1", .tangent_bf16 = false});
  train::TrainerOptions options = trainer_options(6, 1e-3);
  options.eval_every = 100;
  // Values, gradients of the weights, and of the inputs but for the first layer.
  EXPECT_EQ(static_cast<double>(loss.train(options).flops), 6 * 2 * 16 * (3 * weights - 12 * 24));
  // Values, tangents of the inputs but for the first layer, and x.b of each layer.
  EXPECT_EQ(static_cast<double>(rank1.train(options).flops),
            6 * 2 * 16 * (2 * weights - 12 * 24 + 12 + 24 + 24));
}

TEST(FusedTraining, RefusesWhatItsUpdateCannotDo) {
  FusedRun run({.mode = "rank1"});
  const auto code = [&](const train::TrainerOptions& options) {
    try {
      run.train(options);
    } catch (const Error& error) {
      return error.code();
    }
    return std::string("no error");
  };
  train::TrainerOptions options = trainer_options(2, 1e-3);
  options.optimizer.name = "adam";
  EXPECT_EQ(code(options), "train.streaming_update");
  options = trainer_options(2, 1e-3);
  options.accumulate = 2;
  EXPECT_EQ(code(options), "train.streaming_update");
  options = trainer_options(2, 1e-3);
  options.clip_norm = 1.0;
  EXPECT_EQ(code(options), "train.streaming_update");
}

}  // namespace
}  // namespace tenfold::forward_gradient
