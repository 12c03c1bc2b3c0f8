// SPDX-License-Identifier: Apache-2.0
// One run under way: its parts set up, continued from a checkpoint when there is one, and what happens between two steps. The
// step itself is in trainer.cc. Internal to the trainer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/base/clock.h"
#include "tenfold/data/loader.h"
#include "tenfold/train/buffer_snapshot.h"
#include "tenfold/train/communicator.h"
#include "tenfold/train/ema.h"
#include "tenfold/train/guard.h"
#include "tenfold/train/micro_batches.h"
#include "tenfold/train/progress_line.h"
#include "tenfold/train/ranks.h"
#include "tenfold/train/run_folder.h"
#include "tenfold/train/run_meter.h"
#include "tenfold/train/run_state.h"
#include "tenfold/train/trainer.h"

namespace tenfold::train {

class TrainingRun {
 public:
  // Throws what train() throws before its first step.
  TrainingRun(TrainTask& task,
              GradientEstimator& estimator,
              const TrainerOptions& options,
              const TrainEnvironment& environment);
  ~TrainingRun();
  TrainingRun(const TrainingRun&) = delete;
  TrainingRun& operator=(const TrainingRun&) = delete;

  bool ended() const { return !ended_by_.empty(); }
  std::uint64_t step() const { return state_.step; }
  const std::vector<NamedParameter>& parameters() const { return parameters_; }
  double learning_rate() const;

  Optimizer& optimizer() { return *optimizer_; }
  Ema* ema() { return ema_ ? &*ema_ : nullptr; }

  // The next batch; gradients are cleared.
  data::LoadedBatch begin_step();
  // Before the last micro-batch: its backward pass may start the reduction over ranks.
  void prepare_reduction();
  // Loss and gradients become those of all ranks.
  void reduce(StepSum& sum);
  // False: a value is not finite, skip the update; buffers are as they were before the step. Throws train.not_finite when
  // there were too many.
  bool accept(const data::LoadedBatch& loaded, const StepSum& sum, double gradient_norm);

  // Counts the step, and when they are due: log, evaluation, checkpoint, end.
  void finish_step(const data::BatchPlan& plan, const StepSum& sum, double learning_rate, double norm);
  TrainReport finish();

 private:
  // Set-up, in training_run_setup.cc.
  void check_options() const;
  std::string
  load();  // rank that writes: state.json of the checkpoint that is continued; empty when there is none
  void restore(const std::string& state_json);
  void share_start(bool resumed);
  void begin_writing();
  void set_up_meter();
  RunIdentity identity() const;
  RunMachine machine() const;

  struct Due {
    bool log = false, evaluation = false, save = false;
  };
  void between_steps(const Due& due, const StepSum& sum, double learning_rate, double norm);
  Figures evaluate_now();
  Figures sum_over_ranks(Figures figures) const;
  void add_training_figures(LogRow& row, const StepSum& sum, double learning_rate, double norm);
  void add_row(LogRow row, double seconds);  // since the row before
  void save();
  void save_best();
  void capture();  // brings state_ up to date
  Checkpoint checkpoint(bool with_optimizer) const;
  void gather_totals();
  void check_finite() const;

  TrainTask& task_;
  GradientEstimator& estimator_;
  const TrainerOptions& options_;
  const TrainEnvironment& environment_;
  Ranks ranks_;
  Stopwatch watch_;      // of this call
  Stopwatch row_watch_;  // since the last line of the log

  std::vector<NamedParameter> parameters_;
  BufferSnapshot buffers_;
  std::unique_ptr<Optimizer> optimizer_;  // null when the estimator updates
  std::optional<Ema> ema_;
  std::optional<NonFiniteGuard> guard_;
  std::optional<Schedule> schedule_;
  std::unique_ptr<data::Loader> loader_;
  std::unique_ptr<GradientReducer> reducer_;  // several ranks
  std::optional<RunFolder> folder_;           // the rank that writes
  std::optional<RunMeter> meter_;
  std::optional<ProgressLine> progress_;

  RunState state_;
  std::uint64_t first_step_ = 0;
  std::uint64_t total_steps_ = 0;
  std::int64_t batches_per_epoch_ = 1;
  std::string fingerprint_;         // of the data; empty when nothing is written
  double earlier_seconds_ = 0.0;    // wall time of the parts before this one
  double tokens_ = 0.0;             // of the current step
  std::uint64_t row_examples_ = 0;  // since the last line of the log
  bool prepared_ = false;           // the reduction of this step
  bool stop_ = false;               // a rank was asked to
  bool validates_ = true;           // the task gave figures, or was not asked yet
  std::string ended_by_;
  std::vector<LogRow> rows_;
};

}  // namespace tenfold::train
