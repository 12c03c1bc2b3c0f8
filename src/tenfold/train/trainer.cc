// SPDX-License-Identifier: Apache-2.0
// The training loop. What surrounds a step is in training_run.{h,cc}.
#include "tenfold/train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/train/clip.h"
#include "tenfold/train/flop_meter.h"
#include "tenfold/train/training_run.h"

namespace tenfold::train {
namespace {

// Clips the gradient, whose norm is known, and applies it.
void apply_gradient(TrainingRun& run, const TrainerOptions& options, double norm, double learning_rate) {
  if (options.clip_norm > 0.0) scale_to_norm(run.parameters(), norm, options.clip_norm);
  if (options.clip_value > 0.0) clip_gradient_values(run.parameters(), options.clip_value);
  run.optimizer().step(learning_rate);
}

// What LibTorch threw in the middle of a step, with the place.
Error step_error(const c10::Error& error, const TrainingRun& run, const MicroBatch& part) {
  const std::string text = error.what_without_backtrace();
  constexpr std::size_t kShown = 8;
  const std::span<const std::int64_t> rows(part.batch.ids);
  const std::string where = fmt::format("step {} (rows {}{} of the data set)",
                                        run.step(),
                                        fmt::join(rows.first(std::min(kShown, rows.size())), ", "),
                                        rows.size() > kShown ? ", ..." : "");
  if (text.find("DefaultCPUAllocator") != std::string::npos) {
    return Error(
        ErrorClass::kResource,
        "train.out_of_memory",
        {.what = "no memory left in " + where,
         .seen = printable(text, 300),
         .remedy = "use a smaller batch_size, more micro-batches (accumulate), or checkpoint_activations"});
  }
  return Error(ErrorClass::kInternal,
               "train.step_failed",
               {.what = "the model failed in " + where,
                .seen = printable(text, 300),
                .remedy = "run the model alone on these rows"});
}

}  // namespace

TrainReport train(TrainTask& task,
                  GradientEstimator& estimator,
                  const TrainerOptions& options,
                  const TrainEnvironment& environment) {
  TrainingRun run(task, estimator, options, environment);  // goes on from the newest checkpoint
  const bool streams = estimator.streams_update();
  const int rank = environment.communicator == nullptr ? 0 : environment.communicator->rank();

  while (!run.ended()) {
    const data::LoadedBatch loaded = run.begin_step();
    const double learning_rate = run.learning_rate();  // of the schedule
    StepSum sum;
    for (const MicroBatch& part : micro_batches(loaded, options.accumulate, rank)) {
      const EstimateKey key{.seed = environment.seed, .step = run.step(), .micro_batch = part.index};
      const LossFunction loss = [&] {
        seed_generator(key);  // the same dropout in every call, and in every repetition of the run
        return task.run(part.batch);
      };
      if (part.last) run.prepare_reduction();
      try {
        sum.add(streams ? estimator.update(loss, run.parameters(), key, learning_rate)
                        : estimator.accumulate(loss, run.parameters(), key, part.weight),
                part.weight);
      } catch (const c10::Error& error) {
        throw step_error(error, run, part);
      }
    }
    run.reduce(sum);  // loss, gradients and requests to stop: over all ranks

    double norm = 0.0;
    {
      const OptimizerScope not_metered(OptimizerScope::Work::kElementwise);
      if (!streams) norm = gradient_norm(run.parameters());
      if (run.accept(loaded, sum, norm)) {
        if (!streams) apply_gradient(run, options, norm, learning_rate);
        if (run.ema() != nullptr) {
          if (streams) estimator.flush(run.parameters());
          run.ema()->update();
        }
      }
    }
    run.finish_step(loaded.plan, sum, learning_rate, norm);  // log, evaluate, save, stop
  }
  return run.finish();
}

}  // namespace tenfold::train
