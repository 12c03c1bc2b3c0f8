// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/task.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "tenfold/base/error.h"

namespace tenfold::forward_gradient {
namespace {

constexpr std::int64_t kEvaluationBatch = 500;

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
  const c10::NoGradGuard no_grad;
  const data::Dataset& rows = set(split);
  const bool training = network_->is_training();
  network_->eval();
  double loss = 0.0, right = 0.0;
  for (std::int64_t begin = 0; begin < rows.size(); begin += kEvaluationBatch) {
    std::vector<std::int64_t> ids(static_cast<std::size_t>(std::min(kEvaluationBatch, rows.size() - begin)));
    std::iota(ids.begin(), ids.end(), begin);
    const data::Batch batch = rows.get(ids, {});
    const torch::Tensor logits = network_->forward(batch.tensors[0]);
    loss += at::cross_entropy_loss(logits, batch.tensors[1], {}, at::Reduction::Sum).item<double>();
    right += logits.argmax(1).eq(batch.tensors[1]).sum().item<double>();
  }
  network_->train(training);
  const auto n = static_cast<double>(rows.size());
  return {{"loss", loss / n}, {"accuracy", right / n}};
}

}  // namespace tenfold::forward_gradient
