// SPDX-License-Identifier: Apache-2.0
// Descent on functions whose course is known in closed form, and the paper's two examples.
#include "tenfold/systems/forward_gradient/functions/descent.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tenfold/base/error.h"

namespace tenfold::forward_gradient {
namespace {

struct Runs {
  double median = 0.0;
  int diverged = 0;
};

Runs run_seeds(const TestFunction& function, DescentOptions options, int seeds) {
  std::vector<double> values;
  Runs runs;
  for (int seed = 1; seed <= seeds; ++seed) {
    options.seed = static_cast<std::uint64_t>(seed);
    options.keep_every = options.steps;
    const DescentReport report = descend(function, options);
    runs.diverged += report.diverged ? 1 : 0;
    values.push_back(report.diverged ? INFINITY : report.final_value);
  }
  std::sort(values.begin(), values.end());
  runs.median = values[values.size() / 2];
  return runs;
}

TEST(Descent, ExactGradientShrinksAQuadraticByOneMinusEta) {
  const TestFunction& function = find_test_function("quadratic", 5);
  const DescentReport report = descend(function, {.learning_rate = 0.1, .steps = 20, .keep_every = 7});
  EXPECT_NEAR(report.final_value, 2.5 * std::pow(0.9, 40), 1e-14);
  ASSERT_EQ(report.path.size(), 4u);  // steps 0, 7, 14, 20
  EXPECT_EQ(report.path[1].step, 7);
  EXPECT_EQ(report.path.back().step, 20);
}

TEST(Descent, DecayIsTheExponentialOfTheStep) {
  const TestFunction& function = find_test_function("quadratic", 2);
  const DescentReport report = descend(function, {.learning_rate = 0.1, .decay = 0.5, .steps = 2});
  const double shrink = (1 - 0.1) * (1 - 0.1 * std::exp(-0.5));
  EXPECT_NEAR(report.final_value, shrink * shrink, 1e-15);
}

// E|x_{t+1}|^2 = (1 - 2 eta + eta^2 m)|x_t|^2 with m = n + 2 (Gaussian) or n (signs, sphere): spec section 2.3.
TEST(Descent, MeanSquareOfOneStepFollowsTheSecondMoment) {
  const std::size_t n = 20;
  const TestFunction& function = find_test_function("quadratic", n);
  const double eta = 0.05;
  for (const auto& [method, moment] : {std::pair{DescentMethod::kGaussian, n + 2.0},
                                       {DescentMethod::kRademacher, 1.0 * n},
                                       {DescentMethod::kSphere, 1.0 * n}}) {
    double sum = 0.0, sum2 = 0.0;
    const int draws = 20000;
    for (int draw = 0; draw < draws; ++draw) {
      const DescentReport report = descend(
          function,
          {.method = method, .learning_rate = eta, .steps = 1, .seed = static_cast<std::uint64_t>(draw)});
      sum += report.final_value;
      sum2 += report.final_value * report.final_value;
    }
    const double mean = sum / draws, error = std::sqrt((sum2 / draws - mean * mean) / draws);
    const double expected = 0.5 * n * (1 - 2 * eta + eta * eta * moment);
    EXPECT_NEAR(mean, expected, 4 * error) << to_string(method);
  }
}

// The limit eta <= 2 / (L (n + 2)): in expectation the value shrinks below and grows above.
TEST(Descent, StepLimitIsTwoOverNPlusTwo) {
  const std::size_t n = 50;
  const TestFunction& function = find_test_function("quadratic", n);
  DescentOptions options{.method = DescentMethod::kGaussian, .steps = 400};
  options.learning_rate = 1.0 / (n + 2);
  EXPECT_LT(run_seeds(function, options, 10).median, function.value(function.start()) * 0.1);
  options.learning_rate = 6.0 / (n + 2);  // three times the limit
  EXPECT_EQ(run_seeds(function, options, 10).diverged, 10);
}

TEST(Descent, BealeConvergesInMostRuns) {
  const Runs runs = run_seeds(find_test_function("beale"),
                              {.method = DescentMethod::kGaussian, .learning_rate = 0.01, .steps = 2000},
                              30);
  EXPECT_LE(runs.median, 1e-6);
  EXPECT_LE(runs.diverged, 3);
}

TEST(Descent, RosenbrockConverges) {
  const Runs runs = run_seeds(find_test_function("rosenbrock"),
                              {.method = DescentMethod::kGaussian, .learning_rate = 5e-4, .steps = 25000},
                              30);
  EXPECT_LE(runs.median, 1e-4);
  EXPECT_EQ(runs.diverged, 0);
}

TEST(Descent, SameSeedSamePath) {
  const TestFunction& function = find_test_function("beale");
  const DescentOptions options{.method = DescentMethod::kSphere, .steps = 50, .seed = 9};
  const DescentReport a = descend(function, options), b = descend(function, options);
  EXPECT_EQ(a.path.back().x, b.path.back().x);
  DescentOptions other = options;
  other.seed = 10;
  EXPECT_NE(a.path.back().x, descend(function, other).path.back().x);
}

TEST(Descent, BadOptionsAreRefused) {
  const TestFunction& function = find_test_function("beale");
  for (const DescentOptions& options : {DescentOptions{.steps = 0},
                                        DescentOptions{.tangents = 0},
                                        DescentOptions{.start = {1.0}},
                                        DescentOptions{.keep_every = 0}}) {
    try {
      descend(function, options);
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "descent.bad_option");
    }
  }
  EXPECT_THROW(parse_descent_method("gausian"), Error);
}

}  // namespace
}  // namespace tenfold::forward_gradient
