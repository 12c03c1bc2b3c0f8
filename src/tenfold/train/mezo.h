// SPDX-License-Identifier: Apache-2.0
// Seeded zeroth-order gradients (Malladi et al., "Fine-Tuning Language Models with Just Forward Passes", NeurIPS 2023; MeZO): the
// slope along a random direction by a central difference of two losses, without any derivative. Works where forward-mode
// derivatives are missing.
#pragma once

#include <memory>

#include "tenfold/train/gradient_options.h"

namespace tenfold::train {

// d = (f(theta + eps v) - f(theta - eps v)) / 2 eps, with the same batch and random numbers in both; the estimate is d v. The slope is
// off by eps^2 / 6 times the third derivative along v and by the rounding of the loss over eps.
//
// The direction is drawn again for every move and for the update, never stored. accumulate() keeps a copy of the perturbed
// parameters while it measures and brings them back to the bit. update() (option stream) needs the memory of inference only: it
// moves theta by +eps, -2 eps, +eps in place, so entries that the step leaves alone may change in the last places, also when an
// exception leaves. The loss and metrics of the output are those at theta + eps v, the loss averaged with theta - eps v.
//
// Throws the errors of make_gradient_estimator() for options that do not fit.
std::unique_ptr<GradientEstimator> make_mezo(const GradientOptions& options, GuessFunction guess = {});

// (f(theta + eps v) - f(theta - eps v)) / 2 eps; parameters come back to the bit. NaN when a loss is not finite.
double central_difference(const LossFunction& loss, const Direction& direction, double epsilon);

}  // namespace tenfold::train
