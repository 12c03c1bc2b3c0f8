// SPDX-License-Identifier: Apache-2.0
// Forward gradients (Baydin et al., "Gradients without Backpropagation", arXiv 2202.08587): one forward pass on dual numbers gives
// the loss and its exact slope d = g.v along a random direction v; d v is an unbiased estimate of the gradient g.
#pragma once

#include <memory>

#include "tenfold/train/gradient_options.h"

namespace tenfold::train {

// Works on any module by LibTorch's forward-mode derivatives; no tape is built. Directions, several tangents, blocks, subsets and
// guesses as in the options. A module with running statistics (BatchNorm) updates them once for every tangent.
//
// A tangent that is cut on its way to the loss, an operator without a forward derivative or with a wrong one is looked for in the
// first estimate and whenever something is wrong, and thrown as Error(kData) with the operator's name and a remedy:
// "forward_ad.tangent_cut", "forward_ad.unsupported_operator", "forward_ad.wrong_operator". With check_every the slope is also
// compared with a finite difference: "forward_ad.wrong_derivative".
//
// Throws the errors of make_gradient_estimator() for options that do not fit.
std::unique_ptr<GradientEstimator> make_forward_gradient(const GradientOptions& options,
                                                         GuessFunction guess = {});

}  // namespace tenfold::train
