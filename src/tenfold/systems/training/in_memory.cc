// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/training/in_memory.h"

#include "tenfold/base/error.h"

namespace tenfold::training {

train::TrainReport train_in_memory(SystemTask& task, train::TrainerOptions trainer, const InMemoryRun& run) {
  if (run.progress) run.progress(run.what);
  trainer.eval_every = 1'000'000'000'000;  // a test is looked at once, in the end
  trainer.count_flops = false;
  const auto estimator = train::make_gradient_estimator(run.gradient);
  train::TrainReport report =
      train::train(task,
                   *estimator,
                   trainer,
                   {.stop = run.stop, .seed = run.seed, .name = task.system_name(), .peak_gflops = 1.0});
  if (report.ended_by == "stopped") {
    throw Error(ErrorClass::kResource,
                "reproduce.stopped",
                {.what = "stopped while training (" + run.what + ")",
                 .remedy = "run the same command again: finished runs are kept"});
  }
  task.module().eval();
  return report;
}

}  // namespace tenfold::training
