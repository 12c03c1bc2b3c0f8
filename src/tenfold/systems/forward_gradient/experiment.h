// SPDX-License-Identifier: Apache-2.0
// The experiments behind the claims: training runs that differ in one thing, with learning rates tuned for each method apart.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/base/stop.h"
#include "tenfold/data/open.h"
#include "tenfold/systems/forward_gradient/fused_options.h"
#include "tenfold/systems/forward_gradient/network.h"
#include "tenfold/systems/forward_gradient/score.h"
#include "tenfold/train/gradient_options.h"
#include "tenfold/train/task.h"
#include "tenfold/train/trainer.h"

namespace tenfold::forward_gradient {

// Opened once for many runs. `side`: pictures are averaged down to side x side, which makes small networks; 0: as they are.
data::DataSplits experiment_data(const data::DataOptions& options, std::int64_t side = 0);

struct ExperimentOptions {
  std::string method;  // for the tables: "rank-1"
  NetworkOptions network;
  train::GradientOptions gradient;
  FusedOptions fused{.mode = "none"};  // else hand-fused layers in place of `gradient`
  std::int64_t steps = 1000;
  std::int64_t batch_size = 64;
  double learning_rate = 1e-3;
  std::string schedule = "linear";  // to 0; "exponential" with the paper's k = 1e-4; "constant"
  std::int64_t log_every = 50;
  std::uint64_t seed = 1;
  const StopToken* stop = nullptr;
};

struct CurvePoint {
  std::int64_t step = 0;
  double loss = 0.0;     // of the batch
  double seconds = 0.0;  // wall time since the run began
};

struct ExperimentReport {
  double test_accuracy = 0.0;  // chance when it diverged
  double valid_accuracy = 0.0;
  double valid_loss = 0.0;  // infinite when it diverged
  double final_loss = 0.0;  // mean over the last tenth of the logged batches
  bool diverged = false;    // stopped by the guard against values that are not finite
  double wall_seconds = 0.0;
  double cpu_seconds = 0.0;
  std::vector<CurvePoint> curve;
};

// Plain SGD, as in the paper. Throws Error(kResource, "experiment.stopped") when `stop` was requested.
ExperimentReport run_experiment(const data::DataSplits& data, const ExperimentOptions& options);

// What a run consists of; for experiments with a task or an estimator of their own.
struct ExperimentParts {
  const data::DataSplits& data;
  train::TrainTask& task;
  train::GradientEstimator& estimator;
  Predict predict;
};
ExperimentReport train_and_measure(const ExperimentParts& parts, const ExperimentOptions& options);

double seconds_per_step(const ExperimentReport& report, const ExperimentOptions& options);  // CPU time
// The first logged step at which the mean of the last five logged losses is at or below `target`; else the last one.
double steps_to_loss(const ExperimentReport& report, double target);
// CPU time of `report` over that of `reference` until both have the loss that the worse of them ends with: T_f / T_b of the paper.
double time_to_loss_ratio(const ExperimentReport& report,
                          const ExperimentReport& reference,
                          const ExperimentOptions& options);

using Experiment = std::function<ExperimentReport(const ExperimentOptions&)>;
double best_rate(const std::vector<double>& rates, ExperimentOptions options, const Experiment& run);

// The rate of `rates` with the smallest validation loss in one run each with a seed of its own. Test data are not looked at.
double tune_learning_rate(const data::DataSplits& data,
                          ExperimentOptions options,
                          const std::vector<double>& rates);

}  // namespace tenfold::forward_gradient
