// SPDX-License-Identifier: Apache-2.0
// Claims on the estimators themselves: bias, second moment, several tangents, the step limit, the two functions of the paper.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "tenfold/systems/forward_gradient/functions/descent.h"
#include "tenfold/systems/forward_gradient/verbs/claims.h"
#include "tenfold/systems/forward_gradient/verbs/estimate_draws.h"

namespace tenfold::forward_gradient {
namespace {

using systems::Budget;
using systems::Claim;
using systems::ClaimRun;
using systems::Measurement;
using systems::Verdict;

constexpr char kPaper[] = "arXiv 2202.08587";

constexpr std::pair<const char*, train::DirectionLaw> kLaws[] = {
    {"gaussian", train::DirectionLaw::kGaussian},
    {"rademacher", train::DirectionLaw::kRademacher},
    {"sphere", train::DirectionLaw::kSphere},
    {"rank1", train::DirectionLaw::kRankOne}};

Claim unbiased() {
  Claim claim;
  claim.id = "unbiased";
  claim.sentence =
      "The forward gradient is an unbiased estimate of the gradient, whatever the law of the directions.";
  claim.source = std::string(kPaper) + ", section 3";
  claim.metric = "largest_deviation_of_cosine";
  claim.setup =
      "n 2000, mean of 20,000 estimates (quick: 5,000) against the gradient; Gaussian, signs, sphere, "
      "rank-one";
  claim.expected =
      "cosine sqrt(D / (n + D)) for the mean of D estimates, within 0.02, and |z| of its length along the "
      "gradient "
      "at most 3.5 in all tests";
  claim.measure = [](const ClaimRun& run) {
    const int draws = run.budget == Budget::kQuick ? 5000 : 20000;
    Measurement result;
    double worst = 0.0, largest_z = 0.0;
    for (const auto& [name, law] : kLaws) {
      const Draws drawn = draw_estimates(law, run.seed, draws);
      result[std::string("cosine_") + name] = drawn.cosine;
      largest_z = std::max(largest_z, std::abs(drawn.z));
      worst = std::max(worst, std::abs(drawn.cosine - expected_cosine(kGradientSize, draws)));
    }
    result["largest_deviation_of_cosine"] = worst;
    result["largest_z"] = largest_z;
    return result;
  };
  claim.judge = [](const std::vector<Measurement>& runs) {
    const Verdict direction = all_within("largest_deviation_of_cosine", 0.0, 0.02)(runs);
    return direction == Verdict::kReproduced ? all_within("largest_z", 0.0, 3.5)(runs) : direction;
  };
  return claim;
}

Claim second_moment() {
  Claim claim;
  claim.id = "second_moment_is_n";
  claim.sentence =
      "The noise of a forward gradient grows with the number n of parameters: E|estimate|^2 is (n + 2)|g|^2 "
      "for Gaussian "
      "directions and n |g|^2 for signs, the sphere and rank-one signs.";
  claim.source = "moments of the estimator of arXiv 2202.08587, eq. 2";
  claim.metric = "largest_relative_error";
  claim.setup = "n 2000, 20,000 draws (quick: 5,000)";
  claim.expected = "ratio to the formula 0.95 to 1.05 (quick: 0.9 to 1.1) for each law";
  claim.measure = [](const ClaimRun& run) {
    const bool quick = run.budget == Budget::kQuick;
    const double n = kGradientSize;
    Measurement result;
    double worst = 0.0;
    for (const auto& [name, law] : kLaws) {
      const double formula = law == train::DirectionLaw::kGaussian ? n + 2 : n;
      const double ratio = draw_estimates(law, run.seed, quick ? 5000 : 20000).second_moment / formula;
      result[std::string("ratio_") + name] = ratio;
      worst = std::max(worst, std::abs(ratio - 1.0));
    }
    result["largest_relative_error"] = worst / (quick ? 2.0 : 1.0);
    return result;
  };
  claim.judge = all_within("largest_relative_error", 0.0, 0.05);
  return claim;
}

Claim tangents() {
  Claim claim;
  claim.id = "more_tangents";
  claim.sentence =
      "Averaging K directions brings the estimate nearer to the gradient, as sqrt(K (n + 1) / (n + K)).";
  claim.source = "moments of the estimator; public ports average tangents";
  claim.metric = "ratio_to_formula";
  claim.setup =
      "n 2000, signs, 400 estimates (quick: 100) with K = 16 and with K = 1: ratio of the mean |cosine|";
  claim.expected = "within 15 % of the formula";
  claim.measure = [](const ClaimRun& run) {
    const int estimates = run.budget == Budget::kQuick ? 100 : 400;
    const double one = mean_cosine(run.seed, 1, 4 * estimates), many = mean_cosine(run.seed, 16, estimates);
    const double n = kGradientSize;
    // E|cos| of a single draw is sqrt(2/pi) times the root mean square that the formula speaks of.
    const double formula = std::sqrt(16 * (n + 1) / (n + 16)) * std::sqrt(std::acos(-1.0) / 2);
    return Measurement{{"cosine_1", one}, {"cosine_16", many}, {"ratio_to_formula", many / one / formula}};
  };
  claim.judge = all_within("ratio_to_formula", 0.85, 1.15);
  return claim;
}

Claim step_limit() {
  Claim claim;
  claim.id = "step_limit";
  claim.sentence =
      "On a quadratic of curvature L, steps above 2 / (L (n + 2)) no longer converge; the exact gradient "
      "allows 2 / L.";
  claim.source = "mean-square stability of SGD with the estimator of arXiv 2202.08587";
  claim.metric = "limit_over_formula";
  claim.setup =
      "quadratic, n 50, Gaussian directions; growth of E f over one step from 200,000 runs (quick: 40,000)";
  claim.expected = "0.95 to 1.05";
  claim.measure = [](const ClaimRun& run) {
    const std::size_t n = 50;
    const TestFunction& function = find_test_function("quadratic", n);
    const double eta = 1.0 / (n + 2);
    const int runs = run.budget == Budget::kQuick ? 40'000 : 200'000;
    double sum = 0.0;
    for (int i = 0; i < runs; ++i) {
      sum += descend(function,
                     {.method = DescentMethod::kGaussian,
                      .learning_rate = eta,
                      .steps = 1,
                      .seed = run.seed * 1'000'003 + static_cast<std::uint64_t>(i)})
                 .final_value;
    }
    // E f' / f = 1 - 2 eta + m eta^2 is 1 again at eta = 2 / m.
    const double growth = sum / runs / function.value(function.start());
    const double moment = (growth - 1 + 2 * eta) / (eta * eta);
    return Measurement{{"limit_over_formula", (n + 2) / moment}, {"moment", moment}};
  };
  claim.judge = all_within("limit_over_formula", 0.95, 1.05);
  return claim;
}

// The median over 30 runs, and how many diverged.
Measurement run_function(const char* name, double eta, std::int64_t steps, const ClaimRun& run) {
  const int runs = run.budget == Budget::kQuick ? 10 : 30;
  std::vector<double> values;
  int diverged = 0;
  for (int i = 0; i < runs; ++i) {
    const DescentReport report = descend(find_test_function(name),
                                         {.method = DescentMethod::kGaussian,
                                          .learning_rate = eta,
                                          .steps = steps,
                                          .seed = run.seed * 1000 + static_cast<std::uint64_t>(i),
                                          .keep_every = steps});
    diverged += report.diverged ? 1 : 0;
    values.push_back(report.diverged ? 1e12 : report.final_value);
  }
  std::sort(values.begin(), values.end());
  const DescentReport exact =
      descend(find_test_function(name), {.learning_rate = eta, .steps = steps, .keep_every = steps});
  return {{"median_f", values[values.size() / 2]},
          {"diverged_of_30", diverged * 30.0 / runs},
          {"f_of_gradient_descent", exact.final_value}};
}

Claim beale() {
  Claim claim;
  claim.id = "beale";
  claim.sentence = "On Beale's function forward gradients reach the minimum as gradient descent does.";
  claim.source = std::string(kPaper) + ", figure of the test functions";
  claim.metric = "median_f";
  claim.setup = "eta 0.01 from (1, 1), 2,000 steps, Gaussian directions, 30 runs a seed (quick: 10)";
  claim.expected = "median f at most 1e-6, at most 3 of 30 runs diverged";
  claim.measure = [](const ClaimRun& run) { return run_function("beale", 0.01, 2000, run); };
  claim.judge = [](const std::vector<Measurement>& runs) {
    const bool good = std::all_of(runs.begin(), runs.end(), [](const Measurement& run) {
      return run.at("median_f") <= 1e-6 && run.at("diverged_of_30") <= 3;
    });
    return good ? Verdict::kReproduced : Verdict::kNotReproduced;
  };
  return claim;
}

Claim rosenbrock() {
  Claim claim;
  claim.id = "rosenbrock";
  claim.sentence = "On Rosenbrock's function forward gradients reach the minimum as gradient descent does.";
  claim.source = std::string(kPaper) + ", figure of the test functions";
  claim.metric = "median_f";
  claim.setup = "eta 5e-4 from (-1, 0), 25,000 steps, Gaussian directions, 30 runs a seed (quick: 10)";
  claim.expected = "median f at most 1e-4, no run diverged";
  claim.measure = [](const ClaimRun& run) { return run_function("rosenbrock", 5e-4, 25000, run); };
  claim.judge = [](const std::vector<Measurement>& runs) {
    const bool good = std::all_of(runs.begin(), runs.end(), [](const Measurement& run) {
      return run.at("median_f") <= 1e-4 && run.at("diverged_of_30") == 0;
    });
    return good ? Verdict::kReproduced : Verdict::kNotReproduced;
  };
  return claim;
}

}  // namespace

std::vector<systems::Claim> estimator_claims() {
  return {unbiased(), second_moment(), tangents(), step_limit(), beale(), rosenbrock()};
}

}  // namespace tenfold::forward_gradient
