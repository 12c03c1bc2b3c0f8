// SPDX-License-Identifier: Apache-2.0
// The fast modes of FusedNet as a gradient estimator: any training loop over a LossFunction can use them.
#pragma once

#include <memory>
#include <string>

#include "tenfold/systems/forward_gradient/fused_net.h"
#include "tenfold/train/gradient_estimator.h"

namespace tenfold::forward_gradient {

// The loss function must call FusedNet::run() of this network exactly once, else Error(kConfig, "fused.not_run"); the parameters must
// be the network's, else Error(kConfig, "fused.other_parameters").
//
// update() changes the fused network's own weights; the module sees them after flush(). accumulate() adds the gradient, or
// for a forward gradient slope x direction, to p.grad().
class FusedEstimator final : public train::GradientEstimator {
 public:
  // `net` must live longer. Throws Error(kConfig, "fused.bad_options").
  FusedEstimator(FusedNet& net, FusedOptions options);

  std::string_view name() const override { return name_; }  // "fused_rank1", "fused_backprop", ...
  train::StepOutput accumulate(const train::LossFunction& loss,
                               std::span<const train::NamedParameter> parameters,
                               const train::EstimateKey& key,
                               double weight) override;
  bool streams_update() const override { return true; }
  train::StepOutput update(const train::LossFunction& loss,
                           std::span<const train::NamedParameter> parameters,
                           const train::EstimateKey& key,
                           double learning_rate) override;
  void flush(std::span<const train::NamedParameter>) override { net_.flush(); }
  StateMap state() const override { return net_.state(); }
  void load_state(const StateMap& state) override { net_.load_state(state); }
  // "directional_derivative" (mean of the slopes), "perturbed", "gradient_norm_estimate".
  train::Figures figures() const override { return figures_; }

 private:
  train::StepOutput run(const train::LossFunction& loss,
                        std::span<const train::NamedParameter> parameters,
                        const train::EstimateKey& key);
  void check_parameters(std::span<const train::NamedParameter> parameters) const;

  FusedNet& net_;
  FusedOptions options_;
  std::string name_;
  FusedNet::Figures last_;
  train::Figures figures_;
};

}  // namespace tenfold::forward_gradient
