// SPDX-License-Identifier: Apache-2.0
// Options every training run has, whatever the system.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "tenfold/config/field.h"
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
    // "name" becomes --gradient, "direction" --gradient-direction, ...
    gradient.visit_fields([&](std::string_view option, auto& value, config::FieldInfo info) {
      field(option == "name" ? std::string("gradient") : "gradient_" + std::string(option),
            value,
            std::move(info));
    });
  }
};

}  // namespace tenfold::training
