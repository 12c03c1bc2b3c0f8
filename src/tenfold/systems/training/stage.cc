// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/training/stage.h"

namespace tenfold::training {

train::TrainerOptions trainer_of(const StageOptions& stage) {
  train::TrainerOptions trainer;
  trainer.epochs = stage.epochs;
  trainer.batch_size = stage.batch_size;
  trainer.optimizer.learning_rate = stage.learning_rate;
  trainer.optimizer.weight_decay = stage.weight_decay;
  trainer.schedule.name = "linear";
  trainer.metric = "mrr@10";
  trainer.lower_is_better = false;
  return trainer;
}

}  // namespace tenfold::training
