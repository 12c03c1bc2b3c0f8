// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/functions/descent.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/strings.h"

namespace tenfold::forward_gradient {
namespace {

constexpr std::uint64_t kDirectionStream = 0x6465'7363;  // of the directions of one descent
constexpr double kDiverged = 1e12;

constexpr std::array<std::pair<const char*, DescentMethod>, 4> kMethods = {
    {{"gradient", DescentMethod::kGradient},
     {"gaussian", DescentMethod::kGaussian},
     {"rademacher", DescentMethod::kRademacher},
     {"sphere", DescentMethod::kSphere}}};

void draw_direction(DescentMethod method, random::Generator& generator, std::vector<double>& v) {
  if (method == DescentMethod::kRademacher) {
    for (double& value : v) value = (generator() & 1u) != 0 ? 1.0 : -1.0;
    return;
  }
  double norm2 = 0.0;
  for (double& value : v) {
    value = generator.normal();
    norm2 += value * value;
  }
  if (method != DescentMethod::kSphere) return;
  const double scale = std::sqrt(static_cast<double>(v.size()) / norm2);
  for (double& value : v) value *= scale;
}

// g = (1/K) sum of (grad f . v_k) v_k
void estimate(const TestFunction& function,
              const DescentOptions& options,
              const std::vector<double>& x,
              random::Generator& generator,
              std::vector<double>& gradient) {
  if (options.method == DescentMethod::kGradient) {
    gradient = function.gradient(x);
    return;
  }
  std::vector<double> v(x.size());
  std::fill(gradient.begin(), gradient.end(), 0.0);
  for (std::int64_t k = 0; k < options.tangents; ++k) {
    draw_direction(options.method, generator, v);
    const double slope = function.jet(x, v).slope / static_cast<double>(options.tangents);
    for (std::size_t i = 0; i < x.size(); ++i) gradient[i] += slope * v[i];
  }
}

void check_options(const TestFunction& function, const DescentOptions& options) {
  const auto refuse = [](std::string what, std::string seen, std::string wanted) {
    throw Error(ErrorClass::kConfig,
                "descent.bad_option",
                {.what = std::move(what),
                 .seen = std::move(seen),
                 .wanted = std::move(wanted),
                 .remedy = "change the option"});
  };
  if (!options.start.empty() && options.start.size() != function.dimension()) {
    refuse("the starting point does not fit the function",
           fmt::format("{} numbers", options.start.size()),
           fmt::format("{} numbers", function.dimension()));
  }
  if (options.steps < 1) refuse("no steps to take", std::to_string(options.steps), "at least 1");
  if (options.tangents < 1) refuse("no tangents to average", std::to_string(options.tangents), "at least 1");
  if (options.keep_every < 1) refuse("no points to keep", std::to_string(options.keep_every), "at least 1");
}

}  // namespace

DescentMethod parse_descent_method(const std::string& name) {
  std::vector<std::string> names;
  for (const auto& [known, method] : kMethods) {
    if (name == known) return method;
    names.emplace_back(known);
  }
  const auto nearest = nearest_name(name, names);
  throw Error(ErrorClass::kConfig,
              "descent.unknown_method",
              {.what = "there is no such way to get a gradient",
               .seen = printable(name),
               .wanted = "one of " + join(names, ", "),
               .remedy = nearest ? "did you mean " + *nearest + "?" : "take one of these"});
}

std::string to_string(DescentMethod method) {
  for (const auto& [name, known] : kMethods) {
    if (known == method) return name;
  }
  return "gradient";
}

DescentReport descend(const TestFunction& function, const DescentOptions& options) {
  check_options(function, options);
  std::vector<double> x = options.start.empty() ? function.start() : options.start;
  std::vector<double> gradient(x.size());
  random::Generator generator(options.seed, kDirectionStream);
  DescentReport report;
  report.path.push_back({0, function.value(x), x});
  for (std::int64_t step = 0; step < options.steps && !report.diverged; ++step) {
    if (options.stop != nullptr && options.stop->requested()) {
      throw Error(ErrorClass::kResource,
                  "descend.stopped",
                  {.what = "the descent was stopped before its end",
                   .seen = fmt::format("{} of {} steps", step, options.steps),
                   .remedy = "start again, perhaps with fewer steps"});
    }
    estimate(function, options, x, generator, gradient);
    const double rate = options.learning_rate * std::exp(-options.decay * static_cast<double>(step));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= rate * gradient[i];
    report.final_value = function.value(x);
    report.steps = step + 1;
    report.diverged = !(std::abs(report.final_value) < kDiverged);  // also true for NaN
    const bool last = report.steps == options.steps || report.diverged;
    if (last || report.steps % options.keep_every == 0) {
      report.path.push_back({report.steps, report.final_value, x});
    }
  }
  return report;
}

}  // namespace tenfold::forward_gradient
