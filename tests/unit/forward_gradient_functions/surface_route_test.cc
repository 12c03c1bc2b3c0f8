// SPDX-License-Identifier: Apache-2.0
// The grid behind the contours: its order and values, against closed forms.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/config/field.h"
#include "tenfold/systems/forward_gradient/functions/command.h"

namespace tenfold::forward_gradient {
namespace {

nlohmann::json surface(const std::vector<std::pair<std::string, std::string>>& values) {
  const systems::RouteCall call = make_surface_route().prepare();
  for (const auto& [name, value] : values) config::set_from_text(*call.fields.find(name), value, "test");
  systems::RouteContext context;
  return call.run(context);
}

TEST(SurfaceRoute, GoesRowByRowFromTheLowerLeftCorner) {
  const nlohmann::json answer = surface({{"function", "quadratic"},
                                         {"x_min", "-1"},
                                         {"x_max", "3"},
                                         {"y_min", "0"},
                                         {"y_max", "2"},
                                         {"columns", "3"},
                                         {"rows", "2"}});
  // (x^2 + y^2) / 2 at x = -1, 1, 3 and y = 0, then 2.
  EXPECT_EQ(answer["values"], nlohmann::json({0.5, 0.5, 4.5, 2.5, 2.5, 6.5}));
  EXPECT_EQ(answer["columns"], 3);
  EXPECT_EQ(answer["rows"], 2);
}

TEST(SurfaceRoute, SaysWhereTheMinimumAndTheUsualStartAre) {
  const nlohmann::json answer = surface({{"function", "beale"}, {"columns", "2"}, {"rows", "2"}});
  EXPECT_EQ(answer["minimum"], nlohmann::json({3.0, 0.5}));
  EXPECT_EQ(answer["start"], nlohmann::json({1.0, 1.0}));
}

TEST(SurfaceRoute, RefusesAGridWithoutArea) {
  try {
    surface({{"x_min", "2"}, {"x_max", "2"}});
    FAIL() << "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "surface.empty_grid");
  }
}

}  // namespace
}  // namespace tenfold::forward_gradient
