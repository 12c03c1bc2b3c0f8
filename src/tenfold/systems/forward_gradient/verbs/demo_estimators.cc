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

}  // namespace tenfold::forward_gradient
