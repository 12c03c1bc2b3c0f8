// SPDX-License-Identifier: Apache-2.0
// Validation during training: when, in which mode, and what follows from its figures.
#pragma once

#include <cstdint>
#include <string>

#include "tenfold/train/run_state.h"
#include "tenfold/train/task.h"

namespace tenfold::train {

class Ema;
class Ranks;

// Figures of TrainTask::evaluate() with the module in evaluation mode, no gradient recorded, the average of the weights in
// their place (`ema` may be null) and LibTorch's generator seeded by (seed, step). Modes of all submodules are as before
// afterwards, also when an exception leaves.
Figures evaluate(TrainTask& task, Ema* ema, std::uint64_t seed, std::uint64_t step);

struct Judgement {
  std::string metric = "loss";
  bool lower_is_better = true;
  std::int64_t patience = 0;  // evaluations without progress that end the run; 0: off
};

// The deciding figure. Throws Error(kConfig, "train.no_metric") with the nearest name when the task does not give it.
double deciding_figure(const Figures& figures, const std::string& metric);

// Notes the figure in `state`: best one, evaluations without progress, early stop. True when it is the best so far. A figure
// that is not finite is never the best.
bool judge(double figure, const Judgement& judgement, RunState& state);

}  // namespace tenfold::train
