// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/task.h"

#include <ATen/Functions.h>

#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/systems/forward_gradient/score.h"

namespace tenfold::forward_gradient {
namespace {

data::DataSplits with_labels(data::DataSplits data) {
  if (data.info.classes >= 2) return data;
  throw Error(ErrorClass::kData,
              "classification.no_labels",
              {.what = "these data cannot be classified",
               .seen = data.info.kind + " without labels of two classes or more",
               .wanted = "pictures or vectors with labels",
               .remedy = "name labelled data with --data.path"});
}

}  // namespace

ClassificationTask::ClassificationTask(const NetworkOptions& network, data::DataSplits data)
    : data_(with_labels(std::move(data))),
      network_(make_network(network, data_.info.input_shape, data_.info.classes)) {}

train::StepOutput ClassificationTask::run(const data::Batch& batch) {
  const torch::Tensor& labels = batch.tensors[1];
  if (forward_) return forward_(batch.tensors[0], labels);
  const torch::Tensor logits = network_->forward(batch.tensors[0]);  // [B, classes]
  const torch::Tensor example_loss = at::cross_entropy_loss(logits, labels, {}, at::Reduction::None);
  return {.loss = example_loss.mean(), .example_loss = example_loss, .metrics = {}};
}

std::vector<std::string> ClassificationTask::splits() const {
  std::vector<std::string> names = {"train"};
  if (data_.valid) names.emplace_back("valid");
  if (data_.test) names.emplace_back("test");
  return names;
}

const data::Dataset& ClassificationTask::set(const std::string& split) const {
  const auto& chosen = split == "train" ? data_.train : split == "valid" ? data_.valid : data_.test;
  check_internal(chosen != nullptr, "the data have no split " + split);
  return *chosen;
}

std::int64_t ClassificationTask::split_size(const std::string& split) const {
  return set(split).size();
}

train::Figures ClassificationTask::evaluate_split(const std::string& split) {
  const bool training = network_->is_training();
  network_->eval();
  const Score result = score(set(split), [&](const torch::Tensor& x) { return network_->forward(x); });
  network_->train(training);
  return {{"loss", result.loss}, {"accuracy", result.accuracy}};
}

}  // namespace tenfold::forward_gradient
