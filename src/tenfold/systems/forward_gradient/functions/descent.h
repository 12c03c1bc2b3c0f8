// SPDX-License-Identifier: Apache-2.0
// Gradient descent and forward gradients on a test function, step by step: the smallest setting in which both can be watched.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenfold/base/stop.h"
#include "tenfold/systems/forward_gradient/functions/test_function.h"

namespace tenfold::forward_gradient {

// How the gradient is obtained. "gradient" is exact (what backpropagation gives); the others are forward gradients (grad f . v) v
// with v Gaussian, of signs, or on the sphere of radius sqrt(n).
enum class DescentMethod { kGradient, kGaussian, kRademacher, kSphere };
DescentMethod parse_descent_method(
    const std::string& name);  // throws Error(kConfig, "descent.unknown_method")
std::string to_string(DescentMethod method);

struct DescentOptions {
  DescentMethod method = DescentMethod::kGradient;
  double learning_rate = 0.01;  // eta_0
  double decay = 0.0;           // k of eta_t = eta_0 exp(-k t); the paper's networks use 1e-4
  std::int64_t steps = 1000;
  std::int64_t tangents = 1;  // forward gradients averaged a step
  std::vector<double> start;  // empty: the function's usual one
  std::uint64_t seed = 1;
  std::int64_t keep_every = 1;      // points of the path that are kept; the last one always is
  const StopToken* stop = nullptr;  // polled each step; stopping throws Error(kResource, "descend.stopped")
};

struct DescentPoint {
  std::int64_t step = 0;
  double value = 0.0;
  std::vector<double> x;
};

struct DescentReport {
  std::vector<DescentPoint> path;  // the start first
  double final_value = 0.0;        // not finite when it diverged
  bool diverged = false;           // a value that is not finite or above 1e12: the run ended there
  std::int64_t steps = 0;          // done
};

DescentReport descend(const TestFunction& function, const DescentOptions& options);

}  // namespace tenfold::forward_gradient
