// SPDX-License-Identifier: Apache-2.0
// Length and rate of a stage of training that is not the main one.
#pragma once

#include <cstdint>

#include "tenfold/config/field.h"
#include "tenfold/train/trainer.h"

namespace tenfold::training {

// Length and rate of a stage that is not the main one: AdamW, with a rate that falls linearly.
struct StageOptions {
  double epochs = 1.0;
  std::int64_t batch_size = 512;
  double learning_rate = 1e-3;
  double weight_decay = 0.0;

  void visit_fields(auto&& field) {
    field(
        "epochs", epochs, {.help = "passes over the pairs; 0: leave the stage out", .min = 0.0, .max = 1e6});
    field("batch_size", batch_size, {.help = "pairs of a step", .min = 1, .max = 1e7});
    field(
        "learning_rate", learning_rate, {.help = "of the encoder in the beginning", .min = 0.0, .max = 1e3});
    field("weight_decay", weight_decay, {.help = "weight decay", .min = 0.0, .max = 100.0});
  }
};

// Options of the trainer for it.
train::TrainerOptions trainer_of(const StageOptions& stage);

}  // namespace tenfold::training
