// SPDX-License-Identifier: Apache-2.0
// What a run does around its steps: batches in, sums over ranks, log, evaluation, checkpoints.
#include "tenfold/train/training_run.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/train/evaluation.h"

namespace tenfold::train {
namespace {

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void add_with_prefix(Figures& target, const char* prefix, const Figures& figures) {
  for (const auto& [name, value] : figures) target[fmt::format("{}{}", prefix, name)] = value;
}

}  // namespace

double TrainingRun::learning_rate() const {
  return options_.optimizer.learning_rate * schedule_->factor(static_cast<std::int64_t>(state_.step));
}

data::LoadedBatch TrainingRun::begin_step() {
  data::LoadedBatch loaded = loader_->next();
  for (const NamedParameter& parameter : parameters_) {
    torch::Tensor value = parameter.value;
    // A reducer's gradients are views of its buckets and stay; others cost less when the backward pass makes them anew.
    if (reducer_ && value.grad().defined()) {
      value.mutable_grad().zero_();
    } else {
      value.mutable_grad().reset();
    }
  }
  prepared_ = false;
  if (!buffers_.empty()) buffers_.take();
  tokens_ = static_cast<double>(task_.tokens(loaded.batch));
  return loaded;
}

void TrainingRun::prepare_reduction() {
  if (reducer_) reducer_->prepare();
  prepared_ = true;
}

void TrainingRun::reduce(StepSum& sum) {
  const bool asked = environment_.stop != nullptr && environment_.stop->requested();
  stop_ = asked;
  if (ranks_.alone()) return;
  if (!prepared_) prepare_reduction();  // a rank without rows
  reducer_->finish();
  std::array<double, 3> values{sum.loss, tokens_, asked ? 1.0 : 0.0};
  ranks_.sum(std::span<double>(values));
  sum.loss = values[0];
  tokens_ = values[1];
  stop_ = values[2] > 0.0;
  ranks_.share(buffers_.buffers());
}

bool TrainingRun::accept(const data::LoadedBatch& loaded, const StepSum& sum, double gradient_norm) {
  if (guard_->accept(sum.loss, gradient_norm)) return true;
  buffers_.restore();
  if (!guard_->exhausted()) return false;
  throw not_finite_error({.step = state_.step,
                          .loss = sum.loss,
                          .gradient_norm = gradient_norm,
                          .rows = {loaded.batch.ids.begin(), loaded.batch.ids.end()},
                          .parameters = non_finite_parameters(parameters_)},
                         guard_->state());
}

void TrainingRun::finish_step(const data::BatchPlan& plan,
                              const StepSum& sum,
                              double learning_rate,
                              double norm) {
  ++state_.step;
  const auto examples = static_cast<std::uint64_t>(plan.global_size);
  row_examples_ += examples;
  meter_->step(examples, static_cast<std::uint64_t>(tokens_));
  if (guard_->state().in_a_row == 0) {
    state_.loss_sum += sum.loss;
    ++state_.loss_steps;
    state_.last_loss = sum.loss;
  }
  progress_->update(state_.step, examples, state_.last_loss, learning_rate);
  if (state_.step >= total_steps_) ended_by_ = "steps";

  const auto due = [&](std::int64_t every) {
    return every > 0 && state_.step % static_cast<std::uint64_t>(every) == 0;
  };
  const bool epoch_ends = plan.batch + 1 == batches_per_epoch_;
  Due now{.log = ended() || due(options_.log_every), .save = ended() || stop_ || due(options_.save_every)};
  now.evaluation =
      validates_ && (ended() || (options_.eval_every > 0 ? due(options_.eval_every) : epoch_ends));
  if (now.log || now.evaluation || now.save) between_steps(now, sum, learning_rate, norm);
}

void TrainingRun::between_steps(const Due& due, const StepSum& sum, double learning_rate, double norm) {
  const auto begin = ProgressLine::Clock::now();
  const double row_seconds = row_watch_.wall_seconds();
  LogRow row{.step = state_.step};
  if (due.evaluation) add_with_prefix(row.figures, "valid/", evaluate_now());
  if (!ended() && state_.stopped_early) ended_by_ = "early_stopping";
  if (due.log || ended()) add_training_figures(row, sum, learning_rate, norm);
  if (!row.figures.empty()) add_row(std::move(row), row_seconds);
  if (!ended() && stop_) ended_by_ = "stopped";
  if (due.save || ended()) save();
  if (!due.evaluation && !due.save) return;
  progress_->skip_time(ProgressLine::Clock::now() - begin);
  row_watch_.restart();
  row_examples_ = 0;
}

Figures TrainingRun::evaluate_now() {
  meter_->pause();
  estimator_.flush(parameters_);
  Figures figures = evaluate(task_, ema(), environment_.seed, state_.step);
  const bool decides = options_.patience > 0 || options_.schedule.name == "plateau";
  validates_ = !figures.empty();
  if (validates_ || decides) {
    double figure = deciding_figure(figures, options_.metric);
    ranks_.share(std::span<double>(&figure, 1));
    schedule_->evaluated(figure, options_.lower_is_better);
    const Judgement judgement{.metric = options_.metric,
                              .lower_is_better = options_.lower_is_better,
                              .patience = options_.patience};
    if (judge(figure, judgement, state_)) save_best();
  }
  meter_->resume();
  return figures;
}

void TrainingRun::add_training_figures(LogRow& row, const StepSum& sum, double learning_rate, double norm) {
  const double mean = state_.loss_steps > 0 ? state_.loss_sum / static_cast<double>(state_.loss_steps)
                                            : std::numeric_limits<double>::quiet_NaN();
  state_.loss_sum = 0.0;
  state_.loss_steps = 0;
  add_with_prefix(row.figures, "train/", sum_over_ranks(sum.metrics()));
  row.figures["train/loss"] = mean;
  row.figures["epoch"] = static_cast<double>(state_.step) / static_cast<double>(batches_per_epoch_);
  row.figures["learning_rate"] = learning_rate;
  if (optimizer_) row.figures["gradient_norm"] = norm;
  if (guard_->state().skipped > 0) {
    row.figures["skipped_steps"] = static_cast<double>(guard_->state().skipped);
  }
  add_with_prefix(row.figures, "gradient/", estimator_.figures());
  if (!options_.count_flops) return;
  if (!ranks_.alone()) gather_totals();
  row.figures["flops"] = static_cast<double>(meter_->flops());
}

// Weighted parts of the ranks; one without rows has none.
Figures TrainingRun::sum_over_ranks(Figures figures) const {
  if (ranks_.alone()) return figures;
  double count = static_cast<double>(figures.size());
  ranks_.share(std::span<double>(&count, 1));
  std::vector<double> values(static_cast<std::size_t>(count), 0.0);
  std::size_t at = 0;
  for (const auto& [name, value] : figures) values[at++] = value;
  ranks_.sum(std::span<double>(values));
  at = 0;
  for (auto& [name, value] : figures) value = values[at++];
  return figures;
}

void TrainingRun::add_row(LogRow row, double seconds) {
  row.time["seconds"] = earlier_seconds_ + watch_.wall_seconds();
  row.time["unix"] = unix_seconds();
  row.time["loader_wait_seconds"] = loader_->waited_seconds();
  if (!ranks_.alone()) row.time["bytes_sent"] = static_cast<double>(ranks_.bytes_sent());
  if (row_examples_ > 0 && seconds > 0.0) {
    row.time["examples_per_second"] = static_cast<double>(row_examples_) / seconds;
  }
  row_examples_ = 0;
  row_watch_.restart();
  if (folder_) folder_->log(row);
  rows_.push_back(std::move(row));
}

void TrainingRun::capture() {
  state_.cursor = loader_->state();
  state_.schedule = schedule_->state();
  state_.skipped = static_cast<std::uint64_t>(guard_->state().skipped);
  state_.bad_in_a_row = guard_->state().in_a_row;
  state_.totals = meter_->totals();
  state_.task = task_.save_state();
}

void TrainingRun::save() {
  meter_->pause();
  estimator_.flush(parameters_);
  if (!environment_.folder.empty()) check_finite();
  gather_totals();
  if (folder_) {
    capture();
    folder_->save(checkpoint(/*with_optimizer=*/true), meter_->report());
  }
  if (!ended()) meter_->resume();
}

void TrainingRun::save_best() {
  check_finite();
  if (!folder_) return;
  capture();
  std::optional<EmaScope> averages;
  if (ema_) averages.emplace(*ema_);
  folder_->save_best(checkpoint(/*with_optimizer=*/false));
}

void TrainingRun::gather_totals() {
  if (ranks_.alone()) return;
  constexpr double kMicro = 1e6;
  const RunTotals own = meter_->part();
  std::array<std::uint64_t, 4> sums{
      own.forward, own.backward, own.other, static_cast<std::uint64_t>(own.cpu_seconds * kMicro)};
  const std::array<std::uint64_t, 4> mine = sums;
  ranks_.sum(std::span<std::uint64_t>(sums));
  meter_->set_others({.forward = sums[0] - mine[0],
                      .backward = sums[1] - mine[1],
                      .other = sums[2] - mine[2],
                      .cpu_seconds = static_cast<double>(sums[3] - mine[3]) / kMicro});
}

// An update can overflow although its gradient was finite. Such weights never recover, and are not saved.
void TrainingRun::check_finite() const {
  std::vector<NamedParameter> values;
  for (const NamedParameter& parameter : parameters_)
    values.push_back({parameter.name, parameter.value.detach()});
  const std::vector<std::string> names = non_finite_parameters(values);
  if (names.empty()) return;
  throw not_finite_error({.step = state_.step, .loss = state_.last_loss, .rows = {}, .parameters = names},
                         guard_->state());
}

TrainReport TrainingRun::finish() {
  TrainReport report{.steps = state_.step,
                     .first_step = first_step_,
                     .ended_by = ended_by_,
                     .last_loss = state_.last_loss,
                     .best_metric = state_.best_metric,
                     .best_step = state_.best_step,
                     .skipped_steps = static_cast<std::uint64_t>(guard_->state().skipped),
                     .flops = meter_ ? meter_->flops() : state_.totals.flops(),
                     .log = std::move(rows_)};
  if (!meter_) return report;
  report.wall_seconds = watch_.wall_seconds();
  report.cpu_seconds = watch_.cpu_seconds();
  progress_->finish(state_.step, state_.last_loss, learning_rate());
  return report;
}

}  // namespace tenfold::train
