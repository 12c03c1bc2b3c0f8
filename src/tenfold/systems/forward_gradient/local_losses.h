// SPDX-License-Identifier: Apache-2.0
// Local losses (Ren et al., "Scaling Forward Gradient With Local Losses", arXiv 2210.03310, section 4): every hidden layer has a classifier
// and a loss of its own, and nothing flows back between layers, so that each forward gradient sees few units.
#pragma once

#include <torch/nn/modules/container/modulelist.h>

#include <memory>

#include "tenfold/systems/forward_gradient/experiment.h"

namespace tenfold::forward_gradient {

// `depth` blocks Linear + ReLU of `width` units, each with a linear classifier; the last one gives the prediction.
// [B, ...] -> [B, classes]
class LocalMlpImpl : public torch::nn::Module {
 public:
  LocalMlpImpl(std::int64_t inputs, std::int64_t width, std::int64_t depth, std::int64_t classes);

  std::size_t blocks() const { return layers_->size(); }
  torch::Tensor features(const torch::Tensor& x, std::size_t block);       // input of `block`, [B, features]
  torch::Tensor logits(const torch::Tensor& features, std::size_t block);  // of the classifier after `block`
  std::vector<train::NamedParameter> parameters_of(
      std::size_t block) const;  // of the block and its classifier
  torch::Tensor forward(const torch::Tensor& x) { return logits(features(x, blocks() - 1), blocks() - 1); }

 private:
  torch::nn::ModuleList layers_, classifiers_;
};
TORCH_MODULE(LocalMlp);

// Trains all blocks at once, each by options.gradient on its own loss; options.network gives width and depth. The same report as
// run_experiment().
ExperimentReport run_local_experiment(const data::DataSplits& data, const ExperimentOptions& options);
double tune_local_learning_rate(const data::DataSplits& data,
                                ExperimentOptions options,
                                const std::vector<double>& rates);

}  // namespace tenfold::forward_gradient
