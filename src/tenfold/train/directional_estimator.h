// SPDX-License-Identifier: Apache-2.0
// The common half of estimators that measure slopes of the loss along directions: which directions, how slopes become a
// gradient, where it goes. Forward gradients and zeroth order differ only in how a slope is measured.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tenfold/train/directions.h"
#include "tenfold/train/gradient_estimator.h"
#include "tenfold/train/gradient_options.h"
#include "tenfold/train/perturbed_set.h"

namespace tenfold::train {

class DirectionalEstimator : public GradientEstimator {
 public:
  // Throws Error(kConfig) for option values that do not exist or do not go together.
  DirectionalEstimator(const GradientOptions& options, GuessFunction guess);

  StepOutput accumulate(const LossFunction& loss,
                        std::span<const NamedParameter> parameters,
                        const EstimateKey& key,
                        double weight) override;
  bool streams_update() const override { return options_.stream; }
  StepOutput update(const LossFunction& loss,
                    std::span<const NamedParameter> parameters,
                    const EstimateKey& key,
                    double learning_rate) override;
  Figures figures() const override { return figures_; }

 protected:
  struct Slope {
    StepOutput output;                 // at the current parameters, detached
    double value = 0.0;                // derivative of the loss along the direction
    std::vector<torch::Tensor> drawn;  // the direction's tensors, when they exist anyway; may be empty
  };
  // `in_place`: parameters may come back with rounding errors (streaming); else they must come back as they were.
  virtual Slope slope(const LossFunction& loss, const Direction& direction, bool in_place) = 0;

  const GradientOptions& options() const { return options_; }
  const DirectionKey& key() const { return key_; }  // of this slope
  Figures& extra_figures() { return extra_; }       // of this estimate

 private:
  struct Estimate {
    StepOutput output;
    std::vector<std::unique_ptr<Direction>> directions;
    std::vector<double> coefficients;
    std::vector<torch::Tensor> drawn;  // of the only direction, or empty
  };
  Estimate estimate(const LossFunction& loss,
                    std::span<const NamedParameter> parameters,
                    const EstimateKey& key,
                    bool in_place);
  std::unique_ptr<Direction> make_direction(std::span<const NamedParameter> parameters,
                                            const DirectionKey& key,
                                            const std::vector<Perturbed>& tensors) const;
  void note(std::span<const double> slopes, std::uint64_t perturbed);

  GradientOptions options_;
  GuessFunction guess_;
  bool guesses_ = false;
  DirectionLaw law_ = DirectionLaw::kRademacher;
  BlockSize block_ = BlockSize::kAll;
  DirectionKey key_;
  Figures figures_;
  Figures extra_;
};

// p.grad() of a parameter, made of zeros when there is none.
torch::Tensor gradient_of(const torch::Tensor& parameter);

}  // namespace tenfold::train
