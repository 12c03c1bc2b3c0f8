// SPDX-License-Identifier: Apache-2.0
// How a gradient is obtained: backpropagation, sharpness-aware, forward gradients, zeroth order, and later evolution strategies. Any task can be
// trained with any of them.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/train/task.h"

namespace tenfold::train {

struct NamedParameter {
  std::string name;  // as in torch::nn::Module::named_parameters()
  torch::Tensor value;
};

// Parameters of the module with requires_grad, in the module's order. A tensor registered twice (tied weights) appears once.
std::vector<NamedParameter> trainable_parameters(const torch::nn::Module& module);

// The forward pass over the current batch with the current parameters. May be called several times in a step; each call sees
// the same batch and the same random numbers (dropout masks).
using LossFunction = std::function<StepOutput()>;

// Names the random numbers of one estimate: directions are pure functions of it (base/random.h).
struct EstimateKey {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;         // optimiser step
  std::uint64_t micro_batch = 0;  // within the step (gradient accumulation), counted over all ranks
};

class GradientEstimator {
 public:
  virtual ~GradientEstimator() = default;
  virtual std::string_view name() const = 0;  // "backprop", "forward", "mezo", ...

  // Adds weight x (an estimate of the gradient of the loss) to p.grad() of every parameter, which is defined afterwards and
  // of the parameter's shape. The output's loss is detached. The parameters are unchanged, also when an exception leaves.
  virtual StepOutput accumulate(const LossFunction& loss,
                                std::span<const NamedParameter> parameters,
                                const EstimateKey& key,
                                double weight) = 0;

  // An estimator that updates the parameters itself (plain SGD, p -= learning_rate x estimate), without a gradient tensor.
  // The trainer then calls update() instead of accumulate() and an optimiser. When loss or estimate are not finite, the
  // parameters stay as they are: the trainer skips and counts the step.
  virtual bool streams_update() const { return false; }
  virtual StepOutput update(const LossFunction& loss,
                            std::span<const NamedParameter> parameters,
                            const EstimateKey& key,
                            double learning_rate);  // throws Error(kInternal) unless streams_update()

  // Called before parameters are read by others (evaluation, checkpoint): estimators that keep updates aside write the
  // parameters as they are with them. The rest of the run must be the same to the last bit with and without the call.
  virtual void flush(std::span<const NamedParameter>) {}

  // What the next estimates depend on beside the parameters after flush(), the key and the data: parameters without the
  // updates kept aside, and these; a guess direction. Held by checkpoints. Empty for most. load_state() throws
  // Error(kFile, "optimizer.bad_state").
  virtual std::map<std::string, torch::Tensor> state() const { return {}; }
  virtual void load_state(
      const std::map<std::string, torch::Tensor>& state);  // the default wants an empty one

  // Figures of the last estimate for the log: "directional_derivative", "perturbed", ... May be empty.
  virtual Figures figures() const { return {}; }
};

// Backpropagation by LibTorch's autograd.
std::unique_ptr<GradientEstimator> make_backprop();

}  // namespace tenfold::train
