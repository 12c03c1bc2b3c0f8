// SPDX-License-Identifier: Apache-2.0
// Many forward gradients of one random gradient: how far their mean, their size and their angle are from the formulas.
#pragma once

#include <cstdint>

#include "tenfold/train/directions.h"

namespace tenfold::forward_gradient {

// The gradient is a Gaussian matrix, so that rank-one directions have two sides.
inline constexpr std::int64_t kGradientRows = 50, kGradientColumns = 40;
inline constexpr double kGradientSize = 2000.0;  // n

struct Draws {
  double cosine = 0.0;         // of the mean estimate with the gradient
  double second_moment = 0.0;  // mean |estimate|^2 / |gradient|^2
  // Of the mean estimate along the gradient, which is 1 in expectation: (mean - 1) / standard error.
  double z = 0.0;
};
Draws draw_estimates(train::DirectionLaw law, std::uint64_t seed, int draws);

// Mean |cosine| with the gradient of estimates that average `tangents` directions of signs.
double mean_cosine(std::uint64_t seed, std::uint64_t tangents, int estimates);

// Root mean square of the same by the moments of the estimator: sqrt(K / (n + K)) up to terms of 1/n.
double expected_cosine(double n, double draws);

}  // namespace tenfold::forward_gradient
