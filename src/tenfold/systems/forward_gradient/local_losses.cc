// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/local_losses.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <c10/core/GradMode.h>
#include <torch/nn/modules/linear.h>

#include <functional>
#include <numeric>
#include <utility>

#include "tenfold/systems/training/task.h"

namespace tenfold::forward_gradient {
namespace {

torch::nn::LinearImpl& linear(torch::nn::ModuleList& list, std::size_t index) {
  return list->at<torch::nn::LinearImpl>(index);
}

// The loss of one block at a time, of which the others' parameters are no part.
class LocalTask final : public train::TrainTask {
 public:
  LocalTask(const data::DataSplits& data, const NetworkOptions& network)
      : data_(data),
        model_(std::accumulate(data.info.input_shape.begin(),
                               data.info.input_shape.end(),
                               std::int64_t{1},
                               std::multiplies<>()),
               network.width,
               network.depth,
               data.info.classes) {}

  std::string system_name() const override { return "forward-gradient"; }
  torch::nn::Module& module() override { return *model_; }
  const data::Dataset& train_set() const override { return *data_.train; }
  train::StepOutput run(const data::Batch& batch) override {
    torch::Tensor input;
    {
      const c10::NoGradGuard no_grad;  // what lies below is not trained by this loss
      input = model_->features(batch.tensors[0], block_);
    }
    const torch::Tensor loss =
        at::cross_entropy_loss(model_->logits(input, block_), batch.tensors[1], {}, at::Reduction::None);
    return {.loss = loss.mean(), .example_loss = loss, .metrics = {}};
  }

  LocalMlp& model() { return model_; }
  void set_block(std::size_t block) { block_ = block; }

 private:
  const data::DataSplits& data_;
  LocalMlp model_;
  std::size_t block_ = 0;
};

// One estimate a block, each of its own parameters only.
class LocalEstimator final : public train::GradientEstimator {
 public:
  LocalEstimator(LocalTask& task, const train::GradientOptions& options) : task_(task) {
    for (std::size_t block = 0; block < task.model()->blocks(); ++block) {
      blocks_.push_back({train::make_gradient_estimator(options), task.model()->parameters_of(block)});
    }
  }

  std::string_view name() const override { return "local"; }
  train::StepOutput accumulate(const train::LossFunction& loss,
                               std::span<const train::NamedParameter>,
                               const train::EstimateKey& key,
                               double weight) override {
    train::StepOutput output;
    for (std::size_t block = 0; block < blocks_.size(); ++block) {
      task_.set_block(block);
      train::EstimateKey own = key;
      own.micro_batch = key.micro_batch * blocks_.size() + block;  // directions of its own
      output = blocks_[block].estimator->accumulate(loss, blocks_[block].parameters, own, weight);
    }
    return output;  // of the last block: the prediction's
  }

 private:
  struct Block {
    std::unique_ptr<train::GradientEstimator> estimator;
    std::vector<train::NamedParameter> parameters;
  };
  LocalTask& task_;
  std::vector<Block> blocks_;
};

}  // namespace

LocalMlpImpl::LocalMlpImpl(std::int64_t inputs,
                           std::int64_t width,
                           std::int64_t depth,
                           std::int64_t classes) {
  for (std::int64_t block = 0; block < depth; ++block) {
    layers_->push_back(torch::nn::Linear(block == 0 ? inputs : width, width));
    classifiers_->push_back(torch::nn::Linear(width, classes));
  }
  register_module("layers", layers_);
  register_module("classifiers", classifiers_);
}

torch::Tensor LocalMlpImpl::features(const torch::Tensor& x, std::size_t block) {
  torch::Tensor h = x.flatten(1);
  for (std::size_t i = 0; i < block; ++i) h = at::relu(linear(layers_, i).forward(h));
  return h;
}

torch::Tensor LocalMlpImpl::logits(const torch::Tensor& features, std::size_t block) {
  return linear(classifiers_, block).forward(at::relu(linear(layers_, block).forward(features)));
}

std::vector<train::NamedParameter> LocalMlpImpl::parameters_of(std::size_t block) const {
  const std::string layer = "layers." + std::to_string(block) + ".";
  const std::string classifier = "classifiers." + std::to_string(block) + ".";
  std::vector<train::NamedParameter> own;
  for (const train::NamedParameter& parameter : train::trainable_parameters(*this)) {
    if (parameter.name.starts_with(layer) || parameter.name.starts_with(classifier)) own.push_back(parameter);
  }
  return own;
}

ExperimentReport run_local_experiment(const data::DataSplits& data, const ExperimentOptions& options) {
  at::manual_seed(options.seed);
  LocalTask task(data, options.network);
  LocalEstimator estimator(task, options.gradient);
  return train_and_measure(
      {data, task, estimator, [&](const torch::Tensor& x) { return task.model()->forward(x); }}, options);
}

double tune_local_learning_rate(const data::DataSplits& data,
                                ExperimentOptions options,
                                const std::vector<double>& rates) {
  return best_rate(rates, std::move(options), [&](const ExperimentOptions& each) {
    return run_local_experiment(data, each);
  });
}

}  // namespace tenfold::forward_gradient
