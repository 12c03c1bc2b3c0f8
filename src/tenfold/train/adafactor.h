// SPDX-License-Identifier: Apache-2.0
// Adafactor: Adam's scaling with a second moment of one value a row and a column, for little memory.
#pragma once

#include <memory>
#include <vector>

#include "tenfold/train/optimizer.h"

namespace tenfold::train {

// Shazeer & Stern, "Adafactor: adaptive learning rates with sublinear memory cost", ICML 2018, algorithms 4 (matrices) and 5
// (vectors, scalars), with beta2_t = 1 - t^-0.8:
//   R <- beta2_t R + (1 - beta2_t) (row sums of G^2 + epsilon1);  C likewise for columns;  V = R C / sum(R)
//   U = G / sqrt(V);  U <- U / max(1, RMS(U) / d);  alpha = max(epsilon2, RMS(X)) rho;  X <- (1 - rho weight_decay) X - alpha U
// rho is the learning rate, or min(1e-2, 1 / sqrt(t)) times the schedule's factor (AdafactorOptions::relative_step); without
// scale_parameter alpha = rho. With beta1 > 0 a first moment of alpha U is kept and subtracted instead (as in the authors'
// program; not corrected for its start at 0); it costs one more array of the parameter's size.
//
// A tensor of more than two dimensions counts as a matrix of its first dimension by all others. State: "row/NAME",
// "column/NAME" (matrices) or "moment2/NAME" (vectors), "moment1/NAME" (beta1 > 0), "step/NAME".
// `epsilon` and `beta2` of OptimizerOptions are not used. Three passes over the gradient. Parameters as for lazy_adam.
std::unique_ptr<Optimizer> make_adafactor(const OptimizerOptions& options,
                                          std::vector<NamedParameter> parameters);

}  // namespace tenfold::train
