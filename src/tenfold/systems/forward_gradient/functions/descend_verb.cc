// SPDX-License-Identifier: Apache-2.0
// `tenfold forward-gradient descend`: exact gradients and forward gradients side by side on a test function, over many seeds.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/report/chart.h"
#include "tenfold/report/gnuplot.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/forward_gradient/functions/command.h"
#include "tenfold/systems/forward_gradient/functions/descent.h"

namespace tenfold::forward_gradient {
namespace {

struct DescendOptions {
  std::string function = "beale";
  std::int64_t dimension = 2;
  std::vector<std::string> methods = {"gradient", "gaussian"};
  double learning_rate = 0.01;
  double decay = 0.0;
  std::int64_t steps = 1000;
  std::int64_t tangents = 1;
  std::int64_t runs = 1;
  std::vector<double> start;
  std::int64_t points = 100;

  void visit_fields(auto&& field) {
    field("function",
          function,
          {.help = "test function", .choices = test_function_names(), .positional = true});
    field("dimension",
          dimension,
          {.help = "dimension of rosenbrock and the quadratics", .min = 2, .max = 1e6, .served_max = 1000});
    field("methods", methods, {.help = "any of gradient, gaussian, rademacher, sphere"});
    field("learning_rate", learning_rate, {.help = "step size eta_0", .min = 0.0, .max = 1e6});
    field("decay", decay, {.help = "k of eta_t = eta_0 exp(-k t)", .min = 0.0, .max = 1.0});
    field("steps", steps, {.help = "steps of each run", .min = 1, .max = 1e9, .served_max = 1e6});
    field("tangents",
          tangents,
          {.help = "forward gradients averaged a step", .min = 1, .max = 1e6, .served_max = 1000});
    field("runs",
          runs,
          {.help = "runs of each method, seeds in a row", .min = 1, .max = 1e6, .served_max = 1000});
    field("start", start, {.help = "starting point; default: the usual one of the function"});
    field("points", points, {.help = "points of the first run's path in the result", .min = 1, .max = 1e5});
  }
};

struct MethodResult {
  DescentReport first;               // of the first seed, with its path
  std::vector<double> final_values;  // a run; infinite when it diverged
  std::int64_t diverged = 0;
};

MethodResult run_method(const TestFunction& function,
                        const DescendOptions& options,
                        DescentMethod method,
                        const systems::Context& context) {
  MethodResult result;
  // The exact gradient has no chance in it: one run says all.
  const std::int64_t runs = method == DescentMethod::kGradient ? 1 : options.runs;
  for (std::int64_t run = 0; run < runs; ++run) {
    DescentReport report = descend(function,
                                   {.method = method,
                                    .learning_rate = options.learning_rate,
                                    .decay = options.decay,
                                    .steps = options.steps,
                                    .tangents = options.tangents,
                                    .start = options.start,
                                    .seed = context.seed + static_cast<std::uint64_t>(run),
                                    .keep_every = std::max<std::int64_t>(1, options.steps / options.points),
                                    .stop = context.stop});
    if (report.diverged) ++result.diverged;
    result.final_values.push_back(report.diverged ? std::numeric_limits<double>::infinity()
                                                  : report.final_value);
    if (run == 0) result.first = std::move(report);
  }
  std::sort(result.final_values.begin(), result.final_values.end());
  return result;
}

nlohmann::json number(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

nlohmann::json method_json(DescentMethod method, const MethodResult& result) {
  nlohmann::json path = nlohmann::json::array();
  for (const DescentPoint& point : result.first.path) {
    nlohmann::json entry = {{"step", point.step}, {"value", number(point.value)}};
    if (point.x.size() <= 3) entry["x"] = point.x;
    path.push_back(std::move(entry));
  }
  return {{"method", to_string(method)},
          {"runs", result.final_values.size()},
          {"diverged", result.diverged},
          {"median_value", number(result.final_values[result.final_values.size() / 2])},
          {"best_value", number(result.final_values.front())},
          {"worst_value", number(result.final_values.back())},
          {"path", std::move(path)}};
}

report::Series series(DescentMethod method, const MethodResult& result) {
  report::Series line{.name = to_string(method)};
  for (const DescentPoint& point : result.first.path) {
    if (!(point.value > 0.0) || !std::isfinite(point.value)) continue;  // a logarithmic axis shows neither
    line.x.push_back(static_cast<double>(point.step));
    line.y.push_back(point.value);
  }
  return line;
}

systems::Outcome descend_verb(const DescendOptions& options, systems::Context& context) {
  const TestFunction& function =
      find_test_function(options.function, static_cast<std::size_t>(options.dimension));
  report::Table table{
      fmt::format("{}: f = {}", function.name(), function.formula()),
      {"method", "runs", "diverged", "median f", "best", "worst"},
      {},
      {fmt::format("{} steps, learning rate {}; f is 0 at the minimum. Forward gradients of one "
                   "direction tolerate about {} times smaller rates than the exact gradient.",
                   options.steps,
                   options.learning_rate,
                   function.dimension() + 2)}};
  nlohmann::json methods = nlohmann::json::array();
  report::Chart chart{.id = "descent",
                      .title = "Descent on " + function.name(),
                      .caption = "f along the path of the first seed.",
                      .x = {.title = "step"},
                      .y = {.title = "f", .logarithmic = true}};
  for (const std::string& name : options.methods) {
    const DescentMethod method = parse_descent_method(name);
    const MethodResult result = run_method(function, options, method, context);
    const auto& values = result.final_values;
    table.rows.push_back({name,
                          std::to_string(values.size()),
                          std::to_string(result.diverged),
                          report::format_number(values[values.size() / 2]),
                          report::format_number(values.front()),
                          report::format_number(values.back())});
    methods.push_back(method_json(method, result));
    if (report::Series line = series(method, result); !line.x.empty())
      chart.series.push_back(std::move(line));
  }
  if (!context.out.empty() && !chart.series.empty()) {
    write_file_atomically(*context.files, context.out / "descent.svg", report::to_svg(chart));
  }
  nlohmann::json object = {{"function", function.name()},
                           {"formula", function.formula()},
                           {"dimension", function.dimension()},
                           {"minimum", function.minimum()},
                           {"learning_rate", options.learning_rate},
                           {"steps", options.steps},
                           {"methods", std::move(methods)}};
  return systems::make_outcome(std::move(object), report::to_terminal(table));
}

}  // namespace

systems::Verb make_descend_verb() {
  return systems::make_verb<DescendOptions>(
      "descend",
      "descend a test function by exact and by forward gradients",
      "Shows in its smallest form what a forward gradient costs: the same direction on average, but a step "
      "size about n "
      "times smaller before it diverges. Divergence is counted, not hidden. With --out the paths are drawn.",
      {"tenfold forward-gradient descend beale --runs 30",
       "tenfold forward-gradient descend rosenbrock --learning-rate 5e-4 --steps 25000 --runs 3 --json",
       "tenfold forward-gradient descend quadratic --dimension 100 --methods gradient,rademacher "
       "--learning-rate 0.015"},
      descend_verb);
}

}  // namespace tenfold::forward_gradient
