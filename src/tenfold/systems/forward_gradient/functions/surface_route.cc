// SPDX-License-Identifier: Apache-2.0
// A test function of two variables on a grid: what a page draws contours from.
#include <cmath>
#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/systems/forward_gradient/functions/command.h"
#include "tenfold/systems/forward_gradient/functions/test_function.h"

namespace tenfold::forward_gradient {
namespace {

struct SurfaceOptions {
  std::string function = "beale";
  double x_min = -4.5, x_max = 4.5, y_min = -4.5, y_max = 4.5;
  std::int64_t columns = 100, rows = 100;

  void visit_fields(auto&& field) {
    field("function", function, {.help = "test function", .choices = test_function_names()});
    field("x_min", x_min, {.help = "left end of the grid", .min = -1e6, .max = 1e6});
    field("x_max", x_max, {.help = "right end of the grid", .min = -1e6, .max = 1e6});
    field("y_min", y_min, {.help = "lower end of the grid", .min = -1e6, .max = 1e6});
    field("y_max", y_max, {.help = "upper end of the grid", .min = -1e6, .max = 1e6});
    field("columns", columns, {.help = "points from left to right", .min = 2, .max = 400});
    field("rows", rows, {.help = "points from bottom to top", .min = 2, .max = 400});
  }
};

nlohmann::json surface(const SurfaceOptions& options, systems::RouteContext&) {
  if (!(options.x_min < options.x_max) || !(options.y_min < options.y_max)) {
    throw Error(ErrorClass::kConfig,
                "surface.empty_grid",
                {.what = "the grid has no area",
                 .wanted = "x_min below x_max and y_min below y_max",
                 .remedy = "exchange the ends"});
  }
  const TestFunction& function = find_test_function(options.function, 2);
  nlohmann::json values = nlohmann::json::array();  // row by row, from y_min up
  for (std::int64_t row = 0; row < options.rows; ++row) {
    const double y = std::lerp(
        options.y_min, options.y_max, static_cast<double>(row) / static_cast<double>(options.rows - 1));
    for (std::int64_t column = 0; column < options.columns; ++column) {
      const double share = static_cast<double>(column) / static_cast<double>(options.columns - 1);
      values.push_back(
          function.value(std::vector<double>{std::lerp(options.x_min, options.x_max, share), y}));
    }
  }
  return {{"function", function.name()},
          {"formula", function.formula()},
          {"start", function.start()},
          {"minimum", function.minimum()},
          {"columns", options.columns},
          {"rows", options.rows},
          {"values", std::move(values)}};
}

}  // namespace

systems::ApiRoute make_surface_route() {
  return systems::make_route<SurfaceOptions>(
      "surface", "values of a test function of two variables on a grid", false, surface);
}

}  // namespace tenfold::forward_gradient
