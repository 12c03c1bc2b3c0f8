// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/experiment.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/systems/forward_gradient/fused_estimator.h"
#include "tenfold/systems/forward_gradient/score.h"
#include "tenfold/systems/forward_gradient/task.h"

namespace tenfold::forward_gradient {
namespace {

constexpr std::uint64_t kTuningSeed = 4711;  // of no run that is reported

// Pictures averaged down to a smaller square.
class PooledImages final : public data::Dataset {
 public:
  PooledImages(std::shared_ptr<const data::Dataset> whole, std::int64_t side)
      : whole_(std::move(whole)), side_(side) {}

  std::int64_t size() const override { return whole_->size(); }
  data::Batch get(std::span<const std::int64_t> ids, const data::DrawKey& key) const override {
    data::Batch batch = whole_->get(ids, key);
    batch.tensors[0] = at::adaptive_avg_pool2d(batch.tensors[0], {side_, side_});
    return batch;
  }
  std::string fingerprint() const override {
    return fmt::format("{} pooled to {}", whole_->fingerprint(), side_);
  }

 private:
  std::shared_ptr<const data::Dataset> whole_;
  std::int64_t side_;
};

train::TrainerOptions trainer_options(const ExperimentOptions& options) {
  train::TrainerOptions trainer;
  trainer.steps = options.steps;
  trainer.batch_size = options.batch_size;
  trainer.log_every = options.log_every;
  trainer.eval_every = options.steps + 1;  // validation is ours, at the end
  trainer.save_every = 0;
  trainer.count_flops = false;
  trainer.loader_threads = 0;
  trainer.optimizer.name = "sgd";
  trainer.optimizer.learning_rate = options.learning_rate;
  trainer.schedule.name = options.schedule;
  trainer.schedule.decay = 1e-4;
  return trainer;
}

void fill_curve(const train::TrainReport& report, ExperimentReport& result) {
  double seconds = 0.0;
  for (const train::LogRow& row : report.log) {
    const auto loss = row.figures.find("train/loss");
    if (loss == row.figures.end()) continue;
    const auto time = row.time.find("seconds");
    if (time != row.time.end()) seconds = time->second;
    result.curve.push_back({static_cast<std::int64_t>(row.step), loss->second, seconds});
  }
  const std::size_t tail = std::max<std::size_t>(1, result.curve.size() / 10);
  double sum = 0.0;
  for (std::size_t i = result.curve.size() - std::min(tail, result.curve.size()); i < result.curve.size();
       ++i) {
    sum += result.curve[i].loss;
  }
  if (!result.curve.empty())
    result.final_loss = sum / static_cast<double>(std::min(tail, result.curve.size()));
}

void mark_diverged(const data::DataSplits& data, ExperimentReport& result) {
  result.diverged = true;
  result.valid_loss = std::numeric_limits<double>::infinity();
  result.final_loss = std::numeric_limits<double>::infinity();
  result.test_accuracy = result.valid_accuracy = 1.0 / static_cast<double>(data.info.classes);
}

}  // namespace

data::DataSplits experiment_data(const data::DataOptions& options, std::int64_t side) {
  data::DataSplits data = data::open_dataset(options);
  if (side == 0) return data;
  for (std::shared_ptr<const data::Dataset>* part : {&data.train, &data.valid, &data.test}) {
    if (*part) *part = std::make_shared<PooledImages>(*part, side);
  }
  data.info.input_shape = {data.info.input_shape.at(0), side, side};
  return data;
}

ExperimentReport train_and_measure(const ExperimentParts& parts, const ExperimentOptions& options) {
  ExperimentReport result;
  try {
    const train::TrainReport report = train::train(
        parts.task, parts.estimator, trainer_options(options), {.stop = options.stop, .seed = options.seed});
    if (report.ended_by == "stopped") {
      throw Error(ErrorClass::kResource,
                  "experiment.stopped",
                  {.what = "stopped in an experiment with " + options.method, .remedy = "start again"});
    }
    result.wall_seconds = report.wall_seconds;
    result.cpu_seconds = report.cpu_seconds;
    fill_curve(report, result);
  } catch (const Error& error) {
    if (error.code() != "train.not_finite") throw;
    mark_diverged(parts.data, result);
    return result;
  }
  const Score valid = score(*parts.data.valid, parts.predict);
  if (!std::isfinite(valid.loss)) {
    mark_diverged(parts.data, result);
    return result;
  }
  result.valid_loss = valid.loss;
  result.valid_accuracy = valid.accuracy;
  result.test_accuracy = score(*parts.data.test, parts.predict).accuracy;
  return result;
}

ExperimentReport run_experiment(const data::DataSplits& data, const ExperimentOptions& options) {
  at::manual_seed(options.seed);
  ClassificationTask task(options.network, data);
  const auto predict = [&](const torch::Tensor& x) { return task.network()->forward(x); };
  if (options.fused.mode == "none") {
    const auto estimator = train::make_gradient_estimator(options.gradient);
    return train_and_measure({data, task, *estimator, predict}, options);
  }
  FusedNet net(task.network());
  FusedEstimator estimator(net, options.fused);
  task.set_forward(
      [&](const torch::Tensor& inputs, const torch::Tensor& labels) { return net.run(inputs, labels); });
  return train_and_measure({data, task, estimator, predict}, options);
}

double seconds_per_step(const ExperimentReport& report, const ExperimentOptions& options) {
  return report.cpu_seconds / static_cast<double>(options.steps);
}

double steps_to_loss(const ExperimentReport& report, double target) {
  constexpr std::size_t kWindow = 5;
  for (std::size_t i = kWindow; i <= report.curve.size(); ++i) {
    double sum = 0.0;
    for (std::size_t j = i - kWindow; j < i; ++j) sum += report.curve[j].loss;
    if (sum / kWindow <= target) return static_cast<double>(report.curve[i - 1].step);
  }
  return static_cast<double>(report.curve.back().step);
}

double time_to_loss_ratio(const ExperimentReport& report,
                          const ExperimentReport& reference,
                          const ExperimentOptions& options) {
  const double target = std::max(report.final_loss, reference.final_loss);
  return steps_to_loss(report, target) * seconds_per_step(report, options) /
         (steps_to_loss(reference, target) * seconds_per_step(reference, options));
}

double best_rate(const std::vector<double>& rates, ExperimentOptions options, const Experiment& run) {
  check_internal(!rates.empty(), "no learning rates to choose from");
  options.seed = kTuningSeed;
  double best = rates.front(), best_loss = std::numeric_limits<double>::infinity();
  for (double rate : rates) {
    options.learning_rate = rate;
    const double loss = run(options).valid_loss;
    if (loss >= best_loss) continue;
    best_loss = loss;
    best = rate;
  }
  return best;
}

double tune_learning_rate(const data::DataSplits& data,
                          ExperimentOptions options,
                          const std::vector<double>& rates) {
  return best_rate(
      rates, std::move(options), [&](const ExperimentOptions& each) { return run_experiment(data, each); });
}

}  // namespace tenfold::forward_gradient
