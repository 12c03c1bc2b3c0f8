// SPDX-License-Identifier: Apache-2.0
// Activity perturbation (Ren et al., "Scaling Forward Gradient With Local Losses", arXiv 2210.03310, section 3): random directions in
// the space of pre-activations instead of weights.
#pragma once

#include <memory>

#include "tenfold/train/gradient_options.h"

namespace tenfold::train {

// For every layer z = W x and every example b: u_b ~ N(0, I) or signs of z's shape, all in one forward pass on dual numbers, which gives
// the slope d_b of the example's loss along its u. Then d_b u_b estimates the gradient at z_b without bias, and
//   dL/dW = 1/B sum_b d_b u_b x_b^T   (one product a layer, as in backpropagation).
// For p inputs, q outputs and B examples the variance is of order q / B instead of p q.
//
// Works on any module unchanged (train/activity_recorder.h says which layers are seen). Parameters that no such layer uses (scales of
// normalisations, biases added elsewhere, positional tables shared by all examples) and other uses of a tied weight are perturbed
// themselves in the same pass, with the slope of the whole loss: still without bias, and counted in figure "perturbed_weights".
//
// Needs StepOutput::example_loss with `loss` its mean: Error(kData, "activity.no_example_loss", "activity.loss_is_not_the_mean"). Examples
// may not influence each other (BatchNorm in training mode, or a batch dimension that is neither the first nor the second):
// "activity.examples_interact", looked for in the first estimate. With option per_example = false the slope of the whole loss serves
// all rows: any module will do, at B times the variance.
//
// Memory: the inputs of the layers are kept until the end of the pass, as backpropagation does. The first estimate makes up to three
// passes more, and one a parameter when a weight is tied. Directions: gaussian and rademacher only; no blocks, projections or streams
// (Error(kConfig, "gradient.bad_combination")).
std::unique_ptr<GradientEstimator> make_activity_perturbation(const GradientOptions& options);

}  // namespace tenfold::train
