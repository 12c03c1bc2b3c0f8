// SPDX-License-Identifier: Apache-2.0
// The training loop. What surrounds a step is in training_run.{h,cc}.
#include "tenfold/train/trainer.h"

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
      StepOutput output = streams ? estimator.update(loss, run.parameters(), key, learning_rate)
                                  : estimator.accumulate(loss, run.parameters(), key, part.weight);
      sum.add(std::move(output), part.weight);
    }
    run.reduce(sum);  // loss, gradients and requests to stop: over all ranks

    double norm = 0.0;
    {
      const OptimizerScope not_metered(OptimizerScope::Work::kElementwise);
      if (!streams) norm = gradient_norm(run.parameters());
      if (run.accept(loaded, sum, norm)) {
        if (!streams) apply_gradient(run, options, norm, learning_rate);
        if (run.ema() != nullptr) run.ema()->update();
      }
    }
    run.finish_step(loaded.plan, sum, learning_rate, norm);  // log, evaluate, save, stop
  }
  return run.finish();
}

}  // namespace tenfold::train
