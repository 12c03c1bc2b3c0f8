// SPDX-License-Identifier: Apache-2.0
// Charts on learning: the same small networks trained with different gradients.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/report/table.h"
#include "tenfold/systems/forward_gradient/experiment.h"
#include "tenfold/systems/forward_gradient/verbs/demo_charts.h"
#include "tenfold/systems/forward_gradient/verbs/estimate_draws.h"
#include "tenfold/systems/forward_gradient/verbs/verbs.h"

namespace tenfold::forward_gradient {
namespace {

// Rates of the full experiment (docs/results/forward_gradient.md), so that the demo need not tune.
struct DemoMethod {
  const char* label;
  train::GradientOptions gradient;
  double learning_rate;
};

struct DemoNetwork {
  const char *model, *title;
  std::int64_t parameters, steps;
  std::vector<DemoMethod> methods;
};
std::vector<DemoNetwork> demo_networks() {
  const train::GradientOptions activity{.name = "activity"};
  const train::GradientOptions gaussian{.name = "forward", .direction = "gaussian"};
  constexpr char kActivity[] = "forward, activities perturbed";
  constexpr char kGaussian[] = "forward, weights perturbed (the paper's)";
  return {{"logistic",
           "Logistic regression on Fashion-MNIST",
           7850,
           800,
           {{"backpropagation", {}, 0.1}, {kActivity, activity, 0.03}, {kGaussian, gaussian, 3e-4}}},
          {"mlp",
           "A perceptron, 784-1024-1024-10, on Fashion-MNIST",
           1863690,
           300,
           {{"backpropagation", {}, 0.3}, {kActivity, activity, 0.003}, {kGaussian, gaussian, 3e-4}}},
          {"small_cnn",
           "A small CNN on Fashion-MNIST",
           218490,
           300,
           {{"backpropagation", {}, 0.3}, {kActivity, activity, 1e-3}, {kGaussian, gaussian, 1e-3}}}};
}

ExperimentReport run_method(const DemoNetwork& network,
                            const DemoMethod& method,
                            const data::DataSplits& data,
                            const systems::Context& context) {
  ExperimentOptions options;
  options.method = method.label;
  options.network.model = network.model;
  options.gradient = method.gradient;
  options.steps = network.steps;
  options.learning_rate = method.learning_rate;
  options.log_every = std::max<std::int64_t>(1, network.steps / 40);
  options.seed = context.seed;
  options.stop = context.stop;
  return run_experiment(data, options);
}

std::vector<report::Block> network_blocks(const DemoNetwork& network,
                                          const data::DataSplits& data,
                                          systems::Context& context) {
  report::Chart steps{.id = fmt::format("forward-gradient-learning-{}", network.model),
                      .title = network.title,
                      .caption =
                          "Cross entropy of the batch. The same model and data; only the way to get the "
                          "gradient differs.",
                      .x = {.title = "step"},
                      .y = {.title = "loss", .logarithmic = true}};
  report::Chart time = steps;
  time.id += "-time";
  time.title = "The same runs against the clock";
  time.caption = "A forward gradient saves a backward pass, not the many more steps it needs.";
  time.x = {.title = "wall time [s]"};
  report::Table table{fmt::format("After {} steps of 64 pictures", network.steps),
                      {"gradient", "learning rate", "test accuracy", "CPU time [s]"},
                      {},
                      {fmt::format("{} parameters. `tenfold reproduce forward-gradient` tunes every rate and "
                                   "runs three seeds.",
                                   network.parameters)}};
  for (const DemoMethod& method : network.methods) {
    context.progress(fmt::format("demo: {}, {}", network.model, method.label));
    const ExperimentReport report = run_method(network, method, data, context);
    report::Series by_step{.name = method.label}, by_time{.name = method.label};
    for (const CurvePoint& point : report.curve) {
      by_step.x.push_back(static_cast<double>(point.step));
      by_time.x.push_back(point.seconds);
      by_step.y.push_back(point.loss);
      by_time.y.push_back(point.loss);
    }
    steps.series.push_back(std::move(by_step));
    time.series.push_back(std::move(by_time));
    table.rows.push_back({method.label,
                          report::format_number(method.learning_rate),
                          fmt::format("{:.1f} %", 100.0 * report.test_accuracy),
                          fmt::format("{:.2f}", report.cpu_seconds)});
  }
  return {std::move(steps), std::move(time), std::move(table)};
}

}  // namespace

systems::Measurement measure_claim(const std::string& id, systems::Context& context) {
  for (const systems::Claim& claim : make_claims()) {
    if (claim.id == id) {
      return claim.measure({.seed = context.seed,
                            .budget = systems::Budget::kQuick,
                            .stop = context.stop,
                            .progress = context.progress});
    }
  }
  throw Error(ErrorClass::kInternal,
              "forward_gradient.no_such_claim",
              {.what = "the demo shows a claim that is not there",
               .seen = id,
               .wanted = "a claim of make_claims()",
               .remedy = "report this defect"});
}

std::vector<report::Block> learning_blocks(systems::Context& context) {
  const data::DataSplits data = experiment_data({.path = "fashion-mnist"});
  std::vector<report::Block> blocks;
  for (const DemoNetwork& network : demo_networks()) {
    for (report::Block& block : network_blocks(network, data, context)) blocks.push_back(std::move(block));
  }
  return blocks;
}

report::Chart laws_chart(systems::Context& context) {
  constexpr int kQuickDraws = 5000;  // of both claims (claims_estimators.cc)
  const systems::Measurement unbiased = measure_claim("unbiased", context);
  const systems::Measurement moment = measure_claim("second_moment_is_n", context);
  const std::vector<std::string> laws = {"gaussian", "rademacher", "sphere", "rank1"};
  report::Series cosines{.name = "cosine of the mean with the gradient", .mark = report::Mark::kBars};
  report::Series moments{.name = "second moment / formula", .mark = report::Mark::kBars};
  for (std::size_t i = 0; i < laws.size(); ++i) {
    cosines.x.push_back(static_cast<double>(i));
    cosines.y.push_back(unbiased.at("cosine_" + laws[i]));
    moments.x.push_back(static_cast<double>(i));
    moments.y.push_back(moment.at("ratio_" + laws[i]));
  }
  return {.id = "forward-gradient-laws",
          .title = "Every law of directions is right on average, and as noisy as theory says",
          .caption = fmt::format("{} forward gradients of {} parameters: their mean should have the cosine "
                                 "{:.3f} with the gradient, "
                                 "their mean square (n + 2)|g|^2 for Gaussian directions and n|g|^2 for the "
                                 "others. Largest |z| of the "
                                 "mean's length along the gradient: {:.1f}.",
                                 kQuickDraws,
                                 kGradientSize,
                                 expected_cosine(kGradientSize, kQuickDraws),
                                 unbiased.at("largest_z")),
          .x = {.title = "law of the directions"},
          .y = {.title = "measured", .min = 0.0},
          .series = {std::move(cosines), std::move(moments)},
          .categories = laws};
}

report::Chart gap_chart(systems::Context& context) {
  const systems::Measurement figures = measure_claim("gap_grows_with_parameters", context);
  report::Chart chart{
      .id = "forward-gradient-gap",
      .title = "Behind backpropagation, by the number of parameters",
      .caption =
          "Test accuracy lost after 120 steps, every rate tuned, one seed. Weight perturbation asks one "
          "number about all parameters; activity perturbation about the units only.",
      .x = {.title = "parameters", .logarithmic = true},
      .y = {.title = "points behind backpropagation", .min = 0.0}};
  const std::pair<const char*, std::string> kinds[] = {{"weights perturbed", "gap_at_"},
                                                       {"activities perturbed", "gap_of_activity_at_"}};
  for (const auto& [label, prefix] : kinds) {
    std::vector<std::pair<double, double>> points;
    for (const auto& [name, value] : figures) {
      if (name.starts_with(prefix))
        points.emplace_back(std::stod(name.substr(prefix.size())), std::max(value, 0.0));
    }
    std::sort(points.begin(), points.end());
    report::Series line{.name = label};
    for (const auto& [parameters, gap] : points) {
      line.x.push_back(parameters);
      line.y.push_back(gap);
    }
    chart.series.push_back(std::move(line));
  }
  return chart;
}

namespace {

// One bar a network.
report::Series bars(const std::string& name,
                    const std::vector<std::string>& networks,
                    const std::function<double(const std::string&)>& value) {
  report::Series series{.name = name, .mark = report::Mark::kBars};
  for (std::size_t i = 0; i < networks.size(); ++i) {
    series.x.push_back(static_cast<double>(i));
    series.y.push_back(value(networks[i]));
  }
  return series;
}

}  // namespace

std::vector<report::Block> cost_charts(systems::Context& context) {
  const systems::Measurement dual = measure_claim("dual_step_is_cheaper", context);
  const systems::Measurement best = measure_claim("fused_step_is_cheaper", context);
  const std::vector<std::string> networks = {"logistic", "mlp", "small_cnn"};
  const auto figure = [](const systems::Measurement& from, const char* prefix) {
    return [&from, prefix](const std::string& network) { return from.at(prefix + network); };
  };
  report::Chart over_backprop{.id = "forward-gradient-cost",
                              .title = "Time of a step over backpropagation",
                              .caption =
                                  "One thread, batch 64; backpropagation in its fastest form here is 1. Dual "
                                  "numbers, as in the paper, "
                                  "cost more on a processor; hand-fused layers with directions of rank one "
                                  "or of one layer cost less. "
                                  "`tenfold forward-gradient bench` has every method.",
                              .x = {.title = "network"},
                              .y = {.title = "step time / backpropagation", .min = 0.0},
                              .series = {bars("dual numbers, Gaussian", networks, figure(dual, "ratio_")),
                                         bars("fastest fused", networks, figure(best, "ratio_"))},
                              .categories = networks};
  report::Chart over_loss{
      .id = "forward-gradient-r-f-r-b",
      .title = "R_f and R_b: time of a step over the loss alone",
      .caption =
          "The paper's two ratios, from the same measurement: what a step costs beyond a forward pass.",
      .x = {.title = "network"},
      .y = {.title = "step time / time of the loss", .min = 0.0},
      .series = {bars("R_b, backpropagation", networks, figure(dual, "R_b_")),
                 bars("R_f, dual numbers, Gaussian", networks, figure(dual, "R_f_")),
                 bars("R_f, fastest fused",
                      networks,
                      [&](const std::string& network) {
                        return best.at("ratio_" + network) * dual.at("R_b_" + network);
                      })},
      .categories = networks};
  return {std::move(over_backprop), std::move(over_loss)};
}

report::Table perturbed_table(systems::Context& context) {
  const systems::Measurement plain = measure_claim("activity_beats_weights", context);
  const systems::Measurement local = measure_claim("local_losses_help", context);
  const auto percent = [](double value) { return fmt::format("{:.1f} %", value); };
  return {
      "What is perturbed: 200 steps, 256 units a layer",
      {"gradient", "hidden layers", "test accuracy"},
      {{"weights, signs", "2", percent(plain.at("accuracy_rademacher"))},
       {"weights, rank one", "2", percent(plain.at("accuracy_rank1"))},
       {"activities", "2", percent(plain.at("accuracy_activity"))},
       {"activities", "3", percent(local.at("accuracy_activity"))},
       {"activities, a loss for each layer", "3", percent(local.at("local_accuracy_activity"))},
       {"backpropagation, a loss for each layer", "3", percent(local.at("local_accuracy_backprop"))}},
      {"Every rate tuned on validation data; one seed. The published results have three and more steps."}};
}

}  // namespace tenfold::forward_gradient
