// SPDX-License-Identifier: Apache-2.0
// Options every training run has, whatever the system.
#pragma once

#include <string>

#include "tenfold/train/gradient_options.h"
#include "tenfold/train/trainer.h"

namespace tenfold::training {

struct TrainingOptions {
  std::string name;
  train::TrainerOptions trainer;
  train::GradientOptions gradient;

  void visit_fields(auto&& field) {
    field("name", name, {.help = "name of the run on the chart", .affects_result = false});
    trainer.visit_fields(field);
    gradient.visit_fields(field);
  }
};

}  // namespace tenfold::training
