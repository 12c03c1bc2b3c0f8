// SPDX-License-Identifier: Apache-2.0
// The functions on which optimisers are watched: Beale and Rosenbrock, the paper's examples, and two quadratics whose limits are
// known in closed form. Value, gradient, directional derivative and curvature are exact (dual numbers).
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tenfold::forward_gradient {

struct Jet {
  double value = 0.0;      // f(x)
  double slope = 0.0;      // grad f(x) . v
  double curvature = 0.0;  // v' H(x) v
};

class TestFunction {
 public:
  virtual ~TestFunction() = default;
  virtual std::string name() const = 0;
  virtual std::string formula() const = 0;
  virtual std::size_t dimension() const = 0;
  virtual std::vector<double> start() const = 0;    // the usual starting point
  virtual std::vector<double> minimum() const = 0;  // where f = 0

  virtual double value(std::span<const double> x) const = 0;
  // All by forward mode: one evaluation for a jet, `dimension` evaluations for the gradient.
  virtual Jet jet(std::span<const double> x, std::span<const double> v) const = 0;
  std::vector<double> gradient(std::span<const double> x) const;
};

std::vector<std::string> test_function_names();  // "beale", "rosenbrock", "quadratic", "ill_conditioned"

// `dimension` is used by rosenbrock (even sum of pairs, at least 2) and the quadratics; beale has 2. Throws Error(kConfig,
// "test_function.unknown") with the nearest name, "test_function.dimension". The functions live as long as the process.
const TestFunction& find_test_function(const std::string& name, std::size_t dimension = 2);

}  // namespace tenfold::forward_gradient
