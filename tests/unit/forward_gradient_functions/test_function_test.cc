// SPDX-License-Identifier: Apache-2.0
// Values, slopes and curvatures against derivatives written out by hand.
#include "tenfold/systems/forward_gradient/functions/test_function.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tenfold/base/error.h"

namespace tenfold::forward_gradient {
namespace {

// Beale's function written out term by term, with its gradient by the chain rule.
struct BealeByHand {
  double value, dx, dy;
  BealeByHand(double x, double y) {
    const double a = 1.5 - x + x * y, b = 2.25 - x + x * y * y, c = 2.625 - x + x * y * y * y;
    value = a * a + b * b + c * c;
    dx = 2 * a * (y - 1) + 2 * b * (y * y - 1) + 2 * c * (y * y * y - 1);
    dy = 2 * a * x + 4 * b * x * y + 6 * c * x * y * y;
  }
};

TEST(TestFunction, BealeHasTheGradientOfTheChainRule) {
  const TestFunction& beale = find_test_function("beale");
  for (double x : {-2.0, 0.3, 1.0, 3.0}) {
    for (double y : {-1.5, 0.0, 0.5, 1.25}) {
      const std::vector<double> p = {x, y};
      const BealeByHand hand(x, y);
      EXPECT_NEAR(beale.value(p), hand.value, 1e-12 * (1 + std::abs(hand.value)));
      const std::vector<double> gradient = beale.gradient(p);
      EXPECT_NEAR(gradient[0], hand.dx, 1e-12 * (1 + std::abs(hand.dx)));
      EXPECT_NEAR(gradient[1], hand.dy, 1e-12 * (1 + std::abs(hand.dy)));
    }
  }
}

TEST(TestFunction, RosenbrockHasTheHessianOfTheTextbook) {
  const TestFunction& function = find_test_function("rosenbrock");
  const double x = -0.7, y = 1.3;
  // H = [[1200 x^2 - 400 y + 2, -400 x], [-400 x, 200]]
  const double xx = 1200 * x * x - 400 * y + 2, xy = -400 * x, yy = 200;
  const double v0 = 0.6, v1 = -1.1;
  const Jet jet = function.jet(std::vector{x, y}, std::vector{v0, v1});
  EXPECT_NEAR(jet.value, std::pow(1 - x, 2) + 100 * std::pow(y - x * x, 2), 1e-12);
  EXPECT_NEAR(jet.slope, (-2 * (1 - x) - 400 * x * (y - x * x)) * v0 + 200 * (y - x * x) * v1, 1e-10);
  EXPECT_NEAR(jet.curvature, xx * v0 * v0 + 2 * xy * v0 * v1 + yy * v1 * v1, 1e-9);
}

TEST(TestFunction, CurvatureOfTheQuadraticsIsThatOfTheirDiagonal) {
  const std::vector<double> x = {1.0, -2.0, 3.0}, v = {0.5, 1.0, -2.0};
  EXPECT_DOUBLE_EQ(find_test_function("quadratic", 3).jet(x, v).curvature, 0.25 + 1.0 + 4.0);
  EXPECT_NEAR(find_test_function("ill_conditioned", 3).jet(x, v).curvature, 0.25 + 0.1 + 0.04, 1e-12);
}

TEST(TestFunction, EachIsZeroWithZeroGradientAtItsMinimum) {
  for (const std::string& name : test_function_names()) {
    const TestFunction& function = find_test_function(name);
    const std::vector<double> minimum = function.minimum();
    EXPECT_NEAR(function.value(minimum), 0.0, 1e-24) << name;
    for (double value : function.gradient(minimum)) EXPECT_NEAR(value, 0.0, 1e-12) << name;
    EXPECT_GT(function.value(function.start()), 0.01) << name;
  }
}

TEST(TestFunction, UnknownNameGetsTheNearestOne) {
  try {
    find_test_function("rosenbrok");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "test_function.unknown");
    EXPECT_NE(error.text().remedy.find("rosenbrock"), std::string::npos);
  }
}

TEST(TestFunction, DimensionOutsideOfTheFunctionIsRefused) {
  for (const auto& [name, dimension] :
       {std::pair{"beale", 3u}, {"rosenbrock", 1u}, {"quadratic", 2'000'000u}}) {
    try {
      find_test_function(name, dimension);
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "test_function.dimension");
    }
  }
}

}  // namespace
}  // namespace tenfold::forward_gradient
