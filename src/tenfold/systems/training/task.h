// SPDX-License-Identifier: Apache-2.0
// What the verbs every trainable system has (train, eval, export) need of it beyond train::TrainTask: named splits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/train/task.h"

namespace tenfold::training {

class SystemTask : public train::TrainTask {
 public:
  // "train", "valid", "test": those that have rows.
  virtual std::vector<std::string> splits() const = 0;
  virtual std::int64_t split_size(const std::string& split) const = 0;
  // Figures in the field's names ("loss", "accuracy") over one of splits(), in evaluation mode and without gradients.
  virtual train::Figures evaluate_split(const std::string& split) = 0;

  train::Figures evaluate() override;  // "valid", or nothing when there is none
};

}  // namespace tenfold::training
