// SPDX-License-Identifier: Apache-2.0
// What a system brings to be trained: a module, its data, and the loss of a batch. Everything else is the trainer's.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenfold/data/dataset.h"

namespace tenfold::train {

using Figures = std::map<std::string, double>;  // "loss", "accuracy", ...: the field's names in lower case

// One forward pass over a batch.
struct StepOutput {
  torch::Tensor loss;  // scalar: mean over the examples of the batch
  torch::Tensor
      example_loss;  // [B], mean of which is `loss`; undefined when the loss does not split by example
  std::vector<std::pair<std::string, torch::Tensor>> metrics;  // scalars; read only when they are logged
};

// Not thread-safe; used by one trainer at a time.
class TrainTask {
 public:
  virtual ~TrainTask() = default;

  virtual std::string system_name() const = 0;  // name in bundles and on the chart: "forward-gradient"
  virtual torch::nn::Module& module() = 0;
  virtual const data::Dataset& train_set() const = 0;

  // A pure function of parameters, buffers, batch and LibTorch's default generator, which the trainer seeds anew before
  // each call: with that, every run can be repeated and resumed to the bit.
  virtual StepOutput run(const data::Batch& batch) = 0;

  // Figures on validation data, "loss" among them; empty when there is none. The module is in evaluation mode and no
  // gradient is recorded.
  virtual Figures evaluate() { return {}; }

  virtual std::uint64_t tokens(const data::Batch&) const { return 0; }  // for the 6ND estimate
  virtual std::uint64_t active_parameters() const { return 0; }         // N of 6ND; 0: unknown

  // State beside parameters and buffers, as one JSON object. load_state() throws Error(kFile) when it does not fit.
  virtual std::string save_state() const { return "{}"; }
  virtual void load_state(std::string_view) {}
};

}  // namespace tenfold::train
