// SPDX-License-Identifier: Apache-2.0
// `tenfold forward-gradient directional`: slope and curvature along a direction, each in several independent ways.
#include "tenfold/train/directional.h"

#include <ATen/Context.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/forward_gradient/functions/test_function.h"
#include "tenfold/systems/forward_gradient/task.h"
#include "tenfold/systems/forward_gradient/verbs/verbs.h"

namespace tenfold::forward_gradient {
namespace {

constexpr std::uint64_t kDirectionStream = 0x6469'7276;

struct DirectionalOptions {
  std::string of = "beale";
  std::int64_t dimension = 2;
  std::vector<double> point;
  std::vector<double> along;
  NetworkOptions network;
  data::DataOptions data;
  std::int64_t batch_size = 64;
  std::string direction = "gaussian";
  bool float32 = false;

  void visit_fields(auto&& field) {
    std::vector<std::string> choices = test_function_names();
    choices.emplace_back("model");
    field("of",
          of,
          {.help = "a test function, or model: the network below on a batch of data",
           .choices = choices,
           .positional = true});
    field(
        "dimension", dimension, {.help = "dimension of rosenbrock and the quadratics", .min = 2, .max = 1e6});
    field("point", point, {.help = "where; default: the function's usual starting point"});
    field("along", along, {.help = "direction; default: random, by seed"});
    network.visit_fields([&](std::string_view name, auto& value, config::FieldInfo info) {
      info.positional = false;
      field(name, value, info);
    });
    field("data", data, {});
    field("batch_size", batch_size, {.help = "examples of the model's loss", .min = 1, .max = 1e6});
    field("direction",
          direction,
          {.help = "law of a model's random direction",
           .choices = {"gaussian", "rademacher", "sphere", "rank1"}});
    field("float32", float32, {.help = "compute a model in float32 instead of float64"});
  }
};

// One slope and one curvature, each by the ways there are.
struct Probe {
  double value = 0.0;
  double slope_forward = 0.0;     // dual numbers
  double slope_backprop = 0.0;    // <gradient, v>
  double slope_difference = 0.0;  // central difference
  double curvature = 0.0;
  double curvature_difference = 0.0;
  std::size_t perturbed = 0;
};

double relative(double a, double b) {
  const double scale = std::max(std::abs(a), std::abs(b));
  return scale > 0.0 ? std::abs(a - b) / scale : 0.0;
}

std::vector<double> direction_of(const DirectionalOptions& options,
                                 std::size_t dimension,
                                 std::uint64_t seed) {
  if (!options.along.empty()) return options.along;
  random::Generator generator(seed, kDirectionStream);
  std::vector<double> v(dimension);
  for (double& value : v) value = generator.normal();
  return v;
}

void check_size(const char* name, const std::vector<double>& values, std::size_t dimension) {
  if (values.size() == dimension) return;
  throw Error(ErrorClass::kConfig,
              "directional.wrong_size",
              {.what = fmt::format("{} does not fit the function", name),
               .seen = fmt::format("{} numbers", values.size()),
               .wanted = fmt::format("{} numbers", dimension),
               .remedy = fmt::format("give --{} as many numbers, or leave it out", name)});
}

Probe probe_function(const DirectionalOptions& options, std::uint64_t seed) {
  const TestFunction& function = find_test_function(options.of, static_cast<std::size_t>(options.dimension));
  const std::size_t n = function.dimension();
  const std::vector<double> x = options.point.empty() ? function.start() : options.point;
  const std::vector<double> v = direction_of(options, n, seed);
  check_size("point", x, n);
  check_size("along", v, n);
  const auto moved = [&](double step) {
    std::vector<double> at = x;
    for (std::size_t i = 0; i < n; ++i) at[i] += step * v[i];
    return at;
  };
  const double step = 1e-5;
  const Jet jet = function.jet(x, v);
  const std::vector<double> gradient = function.gradient(x);
  Probe probe{.value = jet.value, .slope_forward = jet.slope, .curvature = jet.curvature, .perturbed = n};
  probe.slope_backprop = std::inner_product(gradient.begin(), gradient.end(), v.begin(), 0.0);
  probe.slope_difference = (function.value(moved(step)) - function.value(moved(-step))) / (2 * step);
  probe.curvature_difference =
      (function.jet(moved(step), v).slope - function.jet(moved(-step), v).slope) / (2 * step);
  return probe;
}

Probe probe_model(const DirectionalOptions& options, std::uint64_t seed) {
  ClassificationTask task(options.network, data::open_dataset(options.data));
  std::vector<std::int64_t> ids(
      static_cast<std::size_t>(std::min(options.batch_size, task.train_set().size())));
  std::iota(ids.begin(), ids.end(), 0);
  data::Batch batch = task.train_set().get(ids, {});
  if (!options.float32) {
    task.module().to(at::kDouble);
    batch.tensors[0] = batch.tensors[0].to(at::kDouble);
  }
  const auto parameters = train::trainable_parameters(task.module());
  std::vector<train::Perturbed> perturbed;
  for (std::size_t i = 0; i < parameters.size(); ++i) perturbed.push_back({i, parameters[i].value});
  const auto direction = train::random_direction(
      train::parse_direction_law(options.direction), {.estimate = {.seed = seed}}, std::move(perturbed));
  const train::LossFunction loss = [&] { return task.run(batch); };
  const train::GradientCheck check = train::check_gradient(loss, *direction);
  return {
      .value = train::directional(loss, *direction).loss,
      .slope_forward = check.forward,
      .slope_backprop = check.backprop,
      .slope_difference = check.difference,
      .curvature = train::curvature(loss, *direction),
      .curvature_difference = train::curvature_by_difference(loss, *direction, options.float32 ? 1e-4 : 1e-8),
      .perturbed = static_cast<std::size_t>(direction->numel())};
}

systems::Outcome directional(const DirectionalOptions& options, systems::Context& context) {
  training::seed_initial_weights(context.seed);
  const Probe probe =
      options.of == "model" ? probe_model(options, context.seed) : probe_function(options, context.seed);
  report::Table table{
      fmt::format("{} along one direction, {} numbers perturbed", options.of, probe.perturbed),
      {"what", "value", "relative difference to the first"},
      {},
      {"The slope by dual numbers is what one forward gradient costs: one pass.",
       "Finite differences step over kinks of ReLU and max-pooling; in float32 they are coarse."}};
  const auto row = [&](const char* what, double value, double first) {
    table.rows.push_back(
        {what, fmt::format("{:.12g}", value), fmt::format("{:.1e}", relative(value, first))});
  };
  row("f", probe.value, probe.value);
  row("slope, forward mode", probe.slope_forward, probe.slope_forward);
  row("slope, gradient . v", probe.slope_backprop, probe.slope_forward);
  row("slope, central difference", probe.slope_difference, probe.slope_forward);
  row("curvature v'Hv", probe.curvature, probe.curvature);
  row("curvature, difference of slopes", probe.curvature_difference, probe.curvature);
  nlohmann::json object = {{"of", options.of},
                           {"perturbed", probe.perturbed},
                           {"value", probe.value},
                           {"slope", probe.slope_forward},
                           {"slope_backprop", probe.slope_backprop},
                           {"slope_difference", probe.slope_difference},
                           {"forward_error", relative(probe.slope_forward, probe.slope_backprop)},
                           {"difference_error", relative(probe.slope_difference, probe.slope_backprop)},
                           {"curvature", probe.curvature},
                           {"curvature_difference", probe.curvature_difference}};
  return systems::make_outcome(std::move(object), report::to_terminal(table));
}

}  // namespace

systems::Verb make_directional_verb() {
  return systems::make_verb<DirectionalOptions>(
      "directional",
      "slope and curvature along one direction, each in several ways: a gradient check",
      "Works on a test function or on a network with a batch of data. The slope comes from one forward pass "
      "on dual numbers, "
      "v'Hv from forward over reverse; both are checked by finite differences.",
      {"tenfold forward-gradient directional rosenbrock --point 1.2,1.4 --along 1,0",
       "tenfold forward-gradient directional model --model mlp --width 64 --json"},
      directional);
}

}  // namespace tenfold::forward_gradient
