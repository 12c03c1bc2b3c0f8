// SPDX-License-Identifier: Apache-2.0
// Clipping of gradients by their common norm or value by value.
#pragma once

#include <span>

#include "tenfold/train/gradient_estimator.h"

namespace tenfold::train {

// Euclidean norm of all gradients together. Sums in double, in the order of the parameters and of their elements in memory:
// the same bits for any number of threads. Parameters without a gradient count as zero. Infinite or NaN when a gradient is.
double gradient_norm(std::span<const NamedParameter> parameters);

// Multiplies all gradients by max_norm / norm when norm > max_norm (Pascanu, Mikolov and Bengio 2013, algorithm 1) and returns
// the norm from before. A norm that is not finite leaves them alone: that is the guard's matter. max_norm > 0.
double clip_gradient_norm(std::span<const NamedParameter> parameters, double max_norm);
// The same for who knows the norm already.
void scale_to_norm(std::span<const NamedParameter> parameters, double norm, double max_norm);

// Limits each gradient value to [-max_value, max_value]; NaN stays NaN. max_value > 0.
void clip_gradient_values(std::span<const NamedParameter> parameters, double max_value);

}  // namespace tenfold::train
