// SPDX-License-Identifier: Apache-2.0
// Exact slopes and curvatures of a loss along a direction, and checks of one way to differentiate against another.
#pragma once

#include "tenfold/train/directions.h"
#include "tenfold/train/gradient_estimator.h"

namespace tenfold::train {

// Parameters and their gradients stay as they are in all functions here. Where a forward derivative is missing or cut they throw the
// errors of make_forward_gradient().

struct SlopeAndLoss {
  double loss = 0.0;
  double slope = 0.0;  // g.v, exact up to rounding
};
SlopeAndLoss directional(const LossFunction& loss, const Direction& direction);

// v'Hv, the second derivative of the loss along v, exact up to rounding: the tangent of backpropagation's gradient (forward over
// reverse), or where a backward formula has no forward derivative (cross entropy in LibTorch 1.13) backpropagation twice. Throws Error(kData, "forward_ad.unsupported_operator") where both are missing.
double curvature(const LossFunction& loss, const Direction& direction);

// The same as (slope(theta + eps v) - slope(theta - eps v)) / 2 eps: forward passes only, no tape. Off by eps^2 / 6 times the fourth
// derivative along v.
double curvature_by_difference(const LossFunction& loss, const Direction& direction, double epsilon);

// A slope against a central difference with a step fit for the type of the parameters (1e-2 of their length in float32, 1e-4 in
// float64), extrapolated from two steps.
struct SlopeCheck {
  double slope = 0.0;
  double difference = 0.0;  // the slope by finite difference
  double resolution =
      0.0;  // uncertainty of `difference`: rounding of the loss, and what halving the step changed
  double relative_error = 0.0;
  // False only when the two differ by more than both the tolerance and the resolution.
  bool agrees(double tolerance) const;
};
SlopeCheck check_slope(const LossFunction& loss, const Direction& direction, double slope);

// The same slope three ways. relative errors are over |backprop|.
struct GradientCheck {
  double forward = 0.0;     // forward-mode derivative
  double backprop = 0.0;    // <gradient of backpropagation, v>
  double difference = 0.0;  // central difference
  double forward_error = 0.0;
  double difference_error = 0.0;
};
GradientCheck check_gradient(const LossFunction& loss, const Direction& direction);

}  // namespace tenfold::train
