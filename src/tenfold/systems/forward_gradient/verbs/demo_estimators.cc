// SPDX-License-Identifier: Apache-2.0
// Charts on the estimator itself: descent on the paper's functions, and what more directions bring.
#include <cmath>
#include <utility>

#include "tenfold/systems/forward_gradient/functions/descent.h"
#include "tenfold/systems/forward_gradient/verbs/demo_charts.h"
#include "tenfold/systems/forward_gradient/verbs/estimate_draws.h"

namespace tenfold::forward_gradient {

report::Chart function_chart(const FunctionRun& run, std::uint64_t seed) {
  report::Chart chart{.id = "forward-gradient-" + run.function,
                      .title = run.title,
                      .caption = run.caption,
                      .x = {.title = "step"},
                      .y = {.title = "f", .logarithmic = true}};
  for (const DescentMethod method :
       {DescentMethod::kGradient, DescentMethod::kGaussian, DescentMethod::kSphere}) {
    const DescentReport report = descend(find_test_function(run.function),
                                         {.method = method,
                                          .learning_rate = run.learning_rate,
                                          .steps = run.steps,
                                          .seed = seed,
                                          .keep_every = run.steps / 100});
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

report::Chart tangents_chart(std::uint64_t seed) {
  report::Series measured{.name = "measured", .mark = report::Mark::kPoints};
  report::Series formula{.name = "sqrt(K / (n + K))"};
  for (std::uint64_t k = 1; k <= 256; k *= 4) {
    const double tangents = static_cast<double>(k);
    measured.x.push_back(tangents);
    measured.y.push_back(mean_cosine(seed, k, 100));
    formula.x.push_back(tangents);
    formula.y.push_back(expected_cosine(kGradientSize, tangents));
  }
  return {.id = "forward-gradient-tangents",
          .title = "Several directions a step",
          .caption =
              "Mean cosine between the gradient of 2,000 parameters and the mean of K forward gradients "
              "(signs), beside its "
              "root mean square by theory. Ten times nearer costs a hundred times the work.",
          .x = {.title = "directions K", .logarithmic = true},
          .y = {.title = "cosine with the gradient", .logarithmic = true},
          .series = {std::move(measured), std::move(formula)}};
}

report::Chart step_limit_chart(std::uint64_t seed) {
  constexpr std::size_t kN = 50;
  constexpr std::uint64_t kRuns = 4000;
  const TestFunction& function = find_test_function("quadratic", kN);  // curvature L = 1
  const double before = function.value(function.start());
  report::Series measured{.name = "forward, measured", .mark = report::Mark::kPoints};
  report::Series formula{.name = "forward, 1 - 2 eta + (n + 2) eta^2"};
  report::Series gradient{.name = "gradient, (1 - eta)^2"};
  report::Series limit{.name = "no progress", .dashed = true};
  for (int i = 1; i <= 14; ++i) {
    const double share = 0.1 * i, eta = share * 2.0 / (kN + 2);
    double sum = 0.0;
    for (std::uint64_t run = 0; run < kRuns; ++run) {
      sum += descend(function,
                     {.method = DescentMethod::kGaussian,
                      .learning_rate = eta,
                      .steps = 1,
                      .seed = seed * 1'000'003 + static_cast<std::uint64_t>(i) * kRuns + run})
                 .final_value;
    }
    measured.y.push_back(sum / static_cast<double>(kRuns) / before);
    formula.y.push_back(1 - 2 * eta + (kN + 2) * eta * eta);
    gradient.y.push_back((1 - eta) * (1 - eta));
    limit.y.push_back(1.0);
    for (report::Series* line : {&measured, &formula, &gradient, &limit}) line->x.push_back(share);
  }
  return {
      .id = "forward-gradient-step-limit",
      .title = "The largest step that still converges",
      .caption =
          "A quadratic in 50 dimensions: what one step leaves of f on average, by the step size as a share "
          "of 2 / (L (n + 2)). Beyond 1 forward gradients climb; the exact gradient could take steps 52 "
          "times as long.",
      .x = {.title = "step size / (2 / (L (n + 2)))", .min = 0.0},
      .y = {.title = "mean f after a step / before"},
      .series = {std::move(measured), std::move(formula), std::move(gradient), std::move(limit)}};
}

}  // namespace tenfold::forward_gradient
