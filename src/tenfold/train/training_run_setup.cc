// SPDX-License-Identifier: Apache-2.0
// A run before its first step: checks, parts, and the checkpoint it goes on from.
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/nn/module.h>

#include <cmath>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/log.h"
#include "tenfold/config/field.h"
#include "tenfold/train/training_run.h"

namespace tenfold::train {
namespace {

constexpr std::string_view kOptimizerPrefix = "optimizer/";
constexpr std::string_view kEmaPrefix = "ema";
constexpr std::string_view kEstimatorPrefix = "estimator/";

TensorMap with_prefix(std::string_view prefix, const TensorMap& tensors) {
  TensorMap result;
  for (const auto& [name, tensor] : tensors) result.emplace(fmt::format("{}{}", prefix, name), tensor);
  return result;
}

// Tensors whose name starts with the prefix, without `cut` characters of it.
TensorMap part_of(const TensorMap& tensors, std::string_view prefix, std::size_t cut) {
  TensorMap result;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) result.emplace(name.substr(cut), tensor);
  }
  return result;
}

[[noreturn]] void refuse_streaming(const GradientEstimator& estimator, std::string seen, std::string wanted) {
  throw Error(
      ErrorClass::kConfig,
      "train.streaming_update",
      {.what = fmt::format("the gradient estimator {} updates the parameters itself", estimator.name()),
       .seen = std::move(seen),
       .wanted = std::move(wanted),
       .remedy = "change this option, or switch the streaming update off"});
}

std::map<std::string, std::string> options_by_path(TrainerOptions options) {
  std::map<std::string, std::string> values;
  const config::Fields fields(options);
  for (const config::BoundField& field : fields.all()) {
    if (field.info.affects_result) values[field.path] = config::to_toml_value(field.ref);
  }
  return values;
}

std::uint64_t count_parameters(std::span<const NamedParameter> parameters) {
  std::uint64_t count = 0;
  for (const NamedParameter& parameter : parameters)
    count += static_cast<std::uint64_t>(parameter.value.numel());
  return count;
}

std::uint64_t planned_steps(const TrainerOptions& options, std::int64_t batches_per_epoch) {
  if (options.steps > 0) return static_cast<std::uint64_t>(options.steps);
  return static_cast<std::uint64_t>(std::ceil(options.epochs * static_cast<double>(batches_per_epoch)));
}

}  // namespace

TrainingRun::TrainingRun(TrainTask& task,
                         GradientEstimator& estimator,
                         const TrainerOptions& options,
                         const TrainEnvironment& environment)
    : task_(task),
      estimator_(estimator),
      options_(options),
      environment_(environment),
      ranks_(environment.communicator),
      parameters_(trainable_parameters(task.module())),
      buffers_(task.module()) {
  check_options();
  if (!task.module().is_training()) task.module().train();
  if (!estimator.streams_update()) optimizer_ = make_optimizer(options.optimizer, parameters_);
  if (options.ema_decay > 0.0) ema_.emplace(options.ema_decay, parameters_);
  guard_.emplace(options.bad_steps);

  data::Sampler sampler(task.train_set().size(),
                        {.batch_size = options.batch_size,
                         .shuffle = options.shuffle,
                         .seed = environment.seed,
                         .rank = ranks_.rank(),
                         .world_size = ranks_.count()});
  batches_per_epoch_ = sampler.batches_per_epoch();
  total_steps_ = planned_steps(options, batches_per_epoch_);
  schedule_.emplace(options.schedule, static_cast<std::int64_t>(total_steps_));

  const std::string state = ranks_.share([this] { return load(); });
  if (!state.empty()) restore(state);
  share_start(!state.empty());
  sampler.restore(state_.cursor);
  first_step_ = state_.step;
  if (state_.step >= total_steps_) ended_by_ = "steps";
  if (state_.stopped_early) ended_by_ = "early_stopping";
  if (ended()) return;

  state_.task = task_.save_state();
  ranks_.share([this] {
    begin_writing();
    return std::string();
  });
  if (!ranks_.alone()) {
    // Only a plain backward pass leaves each gradient complete when it has reached it.
    const bool overlap = estimator.name() == "backprop" && !options.checkpoint_activations;
    reducer_ = std::make_unique<GradientReducer>(
        *environment.communicator, parameters_, GradientReducerOptions{.overlap = overlap});
  }
  loader_ = std::make_unique<data::Loader>(
      task.train_set(),
      std::move(sampler),
      data::LoaderOptions{.threads = static_cast<int>(options.loader_threads)});
  progress_.emplace(ranks_.writes() ? environment.progress : nullptr, state_.step, total_steps_);
  set_up_meter();
  watch_.restart();
  row_watch_.restart();
}

TrainingRun::~TrainingRun() = default;

void TrainingRun::check_options() const {
  TrainerOptions copy = options_;
  config::check_all(config::Fields(copy));
  if (parameters_.empty()) {
    throw Error(ErrorClass::kConfig,
                "train.no_parameters",
                {.what = "the module has nothing to train",
                 .seen = "no parameter with requires_grad",
                 .wanted = "at least one",
                 .remedy = "register parameters, or switch requires_grad on"});
  }
  if (!estimator_.streams_update()) return;
  const OptimizerOptions& optimizer = options_.optimizer;
  const auto need = [&](bool condition, const char* name, std::string seen, std::string wanted) {
    if (!condition) refuse_streaming(estimator_, fmt::format("{} = {}", name, seen), std::move(wanted));
  };
  need(optimizer.name == "sgd", "optimizer.name", optimizer.name, "sgd");
  need(optimizer.momentum == 0.0, "optimizer.momentum", fmt::format("{}", optimizer.momentum), "0");
  need(optimizer.weight_decay == 0.0,
       "optimizer.weight_decay",
       fmt::format("{}", optimizer.weight_decay),
       "0");
  need(options_.accumulate == 1, "accumulate", fmt::format("{}", options_.accumulate), "1");
  need(options_.clip_norm == 0.0, "clip_norm", fmt::format("{}", options_.clip_norm), "0");
  need(options_.clip_value == 0.0, "clip_value", fmt::format("{}", options_.clip_value), "0");
  need(ranks_.alone(), "processes", fmt::format("{}", ranks_.count()), "1");
}

RunIdentity TrainingRun::identity() const {
  return {.system = task_.system_name(),
          .estimator = std::string(estimator_.name()),
          .config_hash = environment_.config_hash,
          .config_toml = environment_.config_toml,
          .seed = environment_.seed,
          .data = fingerprint_,
          .options = options_by_path(options_)};
}

RunMachine TrainingRun::machine() const {
  return {.threads = at::get_num_threads(), .processes = ranks_.count()};
}

std::string TrainingRun::load() {
  if (environment_.folder.empty()) return "";
  fingerprint_ = task_.train_set().fingerprint();
  FileSystem& files = environment_.files != nullptr ? *environment_.files : real_file_system();
  folder_.emplace(files, environment_.folder, CheckpointPolicy{.keep = options_.keep});
  const std::optional<Checkpoint> saved = folder_->latest();
  if (!saved) return "";
  const std::string place =
      fmt::format("the checkpoint of step {} in {}", saved->step, environment_.folder.string());
  SavedRun run = parse_run_state(saved->state_json, place);
  run.identity.config_toml = saved->config_toml;
  check_same_run(run.identity, identity(), place);
  if (run.machine != machine()) {
    log::warning(
        "{} was made with {} threads and {} processes, now {} and {}: results will differ in the last bits",
        place,
        run.machine.threads,
        run.machine.processes,
        machine().threads,
        machine().processes);
  }
  copy_into(task_.module(), saved->weights);
  if (optimizer_) {
    optimizer_->load_state(part_of(saved->optimizer, kOptimizerPrefix, kOptimizerPrefix.size()));
  }
  if (ema_) ema_->load_state(part_of(saved->optimizer, kEmaPrefix, 0));
  estimator_.load_state(part_of(saved->optimizer, kEstimatorPrefix, kEstimatorPrefix.size()));
  return saved->state_json;
}

void TrainingRun::restore(const std::string& state_json) {
  state_ = parse_run_state(state_json, "the checkpoint").state;
  schedule_->restore(state_.schedule);
  guard_->restore({.in_a_row = state_.bad_in_a_row, .skipped = static_cast<std::int64_t>(state_.skipped)});
  earlier_seconds_ = state_.totals.wall_seconds;
  task_.load_state(state_.task);
}

// All ranks begin with the tensors of rank 0, whatever their own initialisation was.
void TrainingRun::share_start(bool resumed) {
  if (ranks_.alone()) return;
  ranks_.share(module_tensors(task_.module()));
  if (!resumed) return;
  if (optimizer_) {
    const TensorMap state = optimizer_->state();
    ranks_.share(state);
    optimizer_->load_state(state);
  }
  if (ema_) {
    const TensorMap state = ema_->state();
    ranks_.share(state);
    ema_->load_state(state);
  }
}

void TrainingRun::begin_writing() {
  if (folder_) folder_->begin(checkpoint(/*with_optimizer=*/true));
}

void TrainingRun::set_up_meter() {
  const double unused_peak = 1.0;  // nothing is written that needs it
  meter_.emplace(RunMeterOptions{.system = task_.system_name(),
                                 .name = environment_.name,
                                 .seed = environment_.seed,
                                 .config_hash = environment_.config_hash,
                                 .parameters = count_parameters(parameters_),
                                 .active_parameters = task_.active_parameters(),
                                 .peak_gflops = folder_ ? environment_.peak_gflops : unused_peak,
                                 .processes = ranks_.count(),
                                 .count_flops = options_.count_flops});
  if (ranks_.writes()) meter_->continue_from(state_.totals);
  meter_->start();
}

Checkpoint TrainingRun::checkpoint(bool with_optimizer) const {
  Checkpoint result{.system = task_.system_name(),
                    .step = state_.step,
                    .weights = module_tensors(task_.module()),
                    .optimizer = {},
                    .state_json = to_json(identity(), machine(), state_),
                    .config_toml = environment_.config_toml};
  if (!with_optimizer) return result;
  if (optimizer_) result.optimizer = with_prefix(kOptimizerPrefix, optimizer_->state());
  if (ema_) result.optimizer.merge(ema_->state());
  result.optimizer.merge(with_prefix(kEstimatorPrefix, estimator_.state()));
  return result;
}

}  // namespace tenfold::train
