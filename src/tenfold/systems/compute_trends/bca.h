// SPDX-License-Identifier: Apache-2.0
// The bias-corrected and accelerated bootstrap interval (Efron 1987; Efron and Tibshirani 1993, section 14.3): percentiles
// moved by the bias of the replicates and by how the standard error changes with the estimate.
#pragma once

#include <span>
#include <vector>

#include "tenfold/systems/compute_trends/bootstrap.h"

namespace tenfold::compute_trends {

// Inverse of the standard normal distribution function; 0 < share < 1.
double normal_quantile(double share);

// `slopes`: one per resample, any order; `estimate`: the slope of all rows; `jackknife`: slopes with one unit left out, possibly
// none: then without acceleration. The median is that of `slopes`.
SlopeInterval bca_interval(std::vector<double> slopes,
                           double estimate,
                           std::span<const double> jackknife,
                           double confidence);

// Slopes with row i, or with all rows of organisation i, left out; those whose remaining dates are equal are missing.
// `organization` is empty or has one label per row.
std::vector<double> jackknife_slopes(std::span<const double> year,
                                     std::span<const double> log10_flop,
                                     std::span<const int> organization = {});

}  // namespace tenfold::compute_trends
