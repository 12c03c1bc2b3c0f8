// SPDX-License-Identifier: Apache-2.0
// Sharpness-aware minimisation (Foret et al., arXiv 2010.01412, algorithm 1): the gradient of the loss at the worst point near by.
#pragma once

#include <memory>

#include "tenfold/train/gradient_options.h"

namespace tenfold::train {

// Adds the gradient at theta + rho g / |g|, where g is the gradient at theta over all parameters (equation 2): two backward passes. The
// output is that of theta. With micro-batches and ranks each one moves by its own gradient (section 4.1, m-sharpness). Where g is zero or
// not finite nothing is moved. Figure: "sharpness", the loss there less the loss at theta. Does not go together with activation
// check-points, which say so. Throws Error(kConfig, "gradient.bad_rho") unless rho is above 0.
std::unique_ptr<GradientEstimator> make_sharpness_aware(const GradientOptions& options);

}  // namespace tenfold::train
