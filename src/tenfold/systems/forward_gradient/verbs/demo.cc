// SPDX-License-Identifier: Apache-2.0
// The section of forward gradients in `tenfold demo`: descent on Beale's function, and a small classifier trained three ways, in
// less than a minute.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tenfold/base/error.h"
#include "tenfold/data/fashion_mnist.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/forward_gradient/experiment.h"
#include "tenfold/systems/forward_gradient/functions/descent.h"
#include "tenfold/systems/forward_gradient/verbs/verbs.h"

namespace tenfold::forward_gradient {
namespace {

constexpr std::int64_t kSteps = 800;

report::Chart beale_chart(std::uint64_t seed) {
  report::Chart chart{.id = "forward-gradient-beale",
                      .title = "Beale's function",
                      .caption =
                          "Gradient descent and forward gradients with the same step size, eta 0.01. In two "
                          "dimensions the noise costs "
                          "little.",
                      .x = {.title = "step"},
                      .y = {.title = "f", .logarithmic = true}};
  for (const DescentMethod method :
       {DescentMethod::kGradient, DescentMethod::kGaussian, DescentMethod::kSphere}) {
    const DescentReport report =
        descend(find_test_function("beale"),
                {.method = method, .learning_rate = 0.01, .steps = 1000, .seed = seed, .keep_every = 10});
    report::Series line{.name = method == DescentMethod::kGradient ? "gradient"
                                                                   : "forward, " + to_string(method)};
    for (const DescentPoint& point : report.path) {
      if (!(point.value > 0.0) || !std::isfinite(point.value)) continue;
      line.x.push_back(static_cast<double>(point.step));
      line.y.push_back(point.value);
    }
    chart.series.push_back(std::move(line));
  }
  return chart;
}

// Rates of the full experiment (docs/results/forward-gradient.md), so that the demo need not tune.
struct DemoMethod {
  const char* label;
  train::GradientOptions gradient;
  double learning_rate;
};
std::vector<DemoMethod> methods() {
  return {{"backpropagation", {}, 0.1},
          {"forward, activities perturbed", {.name = "activity"}, 0.03},
          {"forward, weights perturbed (the paper's)", {.name = "forward", .direction = "gaussian"}, 3e-4}};
}

struct Learning {
  report::Chart chart;
  report::Table table;
};

Learning learn(systems::Context& context) {
  Learning result{
      {.id = "forward-gradient-learning",
       .title = "Logistic regression on Fashion-MNIST",
       .caption = "Cross entropy of the batch, every 20 steps. The same model and data; only the way to "
                  "get the gradient differs.",
       .x = {.title = "step"},
       .y = {.title = "loss", .logarithmic = true}},
      {fmt::format("After {} steps of 64 pictures", kSteps),
       {"gradient", "learning rate", "test accuracy", "CPU time [s]"},
       {},
       {"7,850 parameters. `tenfold reproduce forward-gradient` tunes every rate and runs three seeds."}}};
  const data::DataSplits data = experiment_data({.path = "fashion-mnist"});
  for (const DemoMethod& method : methods()) {
    context.progress(fmt::format("demo: {}", method.label));
    ExperimentOptions options;
    options.method = method.label;
    options.network.model = "logistic";
    options.gradient = method.gradient;
    options.steps = kSteps;
    options.learning_rate = method.learning_rate;
    options.log_every = 20;
    options.seed = context.seed;
    options.stop = context.stop;
    const ExperimentReport report = run_experiment(data, options);
    report::Series line{.name = method.label};
    for (const CurvePoint& point : report.curve) {
      line.x.push_back(static_cast<double>(point.step));
      line.y.push_back(point.loss);
    }
    result.chart.series.push_back(std::move(line));
    result.table.rows.push_back({method.label,
                                 report::format_number(method.learning_rate),
                                 fmt::format("{:.1f} %", 100.0 * report.test_accuracy),
                                 fmt::format("{:.2f}", report.cpu_seconds)});
  }
  return result;
}

}  // namespace

report::Section make_demo_section(systems::Context& context) {
  report::Section section{"forward-gradient",
                          "Forward gradients",
                          "Training without backpropagation works, and costs steps: one number a direction "
                          "says little about many parameters.",
                          {}};
  section.blocks.emplace_back(beale_chart(context.seed));
  if (!data::fashion_mnist_is_installed()) {
    section.blocks.emplace_back(report::Paragraph{
        "Fashion-MNIST is not installed (Debian package dataset-fashion-mnist): the networks are left out."});
    return section;
  }
  Learning learning = learn(context);
  section.blocks.emplace_back(std::move(learning.chart));
  section.blocks.emplace_back(std::move(learning.table));
  return section;
}

}  // namespace tenfold::forward_gradient
