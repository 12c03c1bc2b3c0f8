// SPDX-License-Identifier: Apache-2.0
// Classification with cross entropy: what the paper trains, on any labelled data of data/open.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/data/open.h"
#include "tenfold/systems/forward_gradient/network.h"
#include "tenfold/systems/training/options.h"
#include "tenfold/systems/training/task.h"

namespace tenfold::forward_gradient {

class ClassificationTask final : public training::SystemTask {
 public:
  // Throws Error(kData, "classification.no_labels") when the data have none.
  ClassificationTask(const NetworkOptions& network, data::DataSplits data);

  std::string system_name() const override { return "forward-gradient"; }
  torch::nn::Module& module() override { return *network_; }
  const data::Dataset& train_set() const override { return *data_.train; }
  train::StepOutput run(const data::Batch& batch) override;
  std::vector<std::string> splits() const override;
  std::int64_t split_size(const std::string& split) const override;
  train::Figures evaluate_split(const std::string& split) override;  // "loss", "accuracy"

  torch::nn::Sequential& network() { return network_; }

  // Runs the forward pass of training in another way (fused layers): [B, ...] inputs and labels [B] to the loss. Evaluation keeps
  // to the module.
  using Forward = std::function<train::StepOutput(const torch::Tensor& inputs, const torch::Tensor& labels)>;
  void set_forward(Forward forward) { forward_ = std::move(forward); }

 private:
  const data::Dataset& set(const std::string& split) const;

  data::DataSplits data_;
  torch::nn::Sequential network_;
  Forward forward_;
};

}  // namespace tenfold::forward_gradient
