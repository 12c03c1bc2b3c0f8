// SPDX-License-Identifier: Apache-2.0
// Claims on learning curves: logistic regression, perceptron and CNN on digits and on Fashion-MNIST, the same number of steps for each
// method at the rate tuned for it; loss against steps and against time, and T_f / T_b. The rules of judgement were fixed before the
// measurements.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

#include "tenfold/systems/forward_gradient/experiment.h"
#include "tenfold/systems/forward_gradient/verbs/claims.h"

namespace tenfold::forward_gradient {
namespace {

using systems::Budget;
using systems::Claim;
using systems::ClaimRun;
using systems::Measurement;

constexpr char kDigits[] = "mnist10k";  // folder of IDX files: 28 x 28 pictures of handwritten digits

// One network on one data set.
struct Curves {
  std::string data;   // "digits" or "fashion"
  std::string model;  // of models.h
  std::int64_t full_steps = 0, quick_steps = 0;
};

const data::DataSplits& pictures(const Curves& curves, const ClaimRun& run) {
  static std::mutex mutex;
  static std::map<std::string, data::DataSplits> opened;
  const std::string path =
      curves.data == "digits" ? (run.data / kDigits).string() : std::string("fashion-mnist");
  const std::lock_guard lock(mutex);
  auto found = opened.find(path);
  if (found == opened.end()) found = opened.emplace(path, experiment_data({.path = path})).first;
  return found->second;
}

// The grids reach beyond the best rate of every network on both sides; the quick budget takes every second rate.
std::vector<Contender> contenders() {
  const std::vector<double> weights = {3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4};
  return {{"backprop", {}, {.mode = "backprop"}, {1.0, 0.3, 0.1, 0.03}},
          {"gaussian", {.name = "forward", .direction = "gaussian"}, {.mode = "none"}, weights},
          {"rank1", {}, {.mode = "rank1"}, weights},
          {"activity", {.name = "activity"}, {.mode = "none"}, {0.1, 0.03, 0.01, 0.003, 0.001, 3e-4}}};
}

ExperimentOptions options_of(const Curves& curves, const Contender& contender, const ClaimRun& run) {
  ExperimentOptions options{.method = contender.name,
                            .network = {.model = curves.model},
                            .gradient = contender.gradient,
                            .fused = contender.fused,
                            .seed = run.seed,
                            .stop = run.stop};
  options.steps = run.budget == Budget::kQuick ? curves.quick_steps : curves.full_steps;
  options.log_every = std::max<std::int64_t>(1, options.steps / 200);
  return options;
}

// Tuned once on validation data, with a seed of its own, whatever the seed of the claim.
double rate_for(const Curves& curves, const Contender& contender, const ClaimRun& run) {
  static std::mutex mutex;
  static std::map<std::tuple<std::string, std::string, std::string, Budget>, double> known;
  const std::lock_guard lock(mutex);
  double& rate = known[{curves.data, curves.model, contender.name, run.budget}];
  if (rate != 0.0) return rate;
  std::vector<double> rates;
  for (std::size_t i = 0; i < contender.rates.size(); ++i) {
    if (run.budget == Budget::kFull || i % 2 == 1) rates.push_back(contender.rates[i]);
  }
  return rate = tune_learning_rate(pictures(curves, run), options_of(curves, contender, run), rates);
}

// Mean loss of the tenth of a run that ends at `tenth` tenths of it; -1 when there is none (diverged).
double loss_at(const ExperimentReport& report, std::int64_t steps, int tenth) {
  double sum = 0.0;
  int count = 0;
  for (const CurvePoint& point : report.curve) {
    if (point.step * 10 > steps * tenth || point.step * 10 <= steps * (tenth - 1)) continue;
    sum += point.loss;
    ++count;
  }
  return count == 0 ? -1.0 : sum / count;
}

Measurement measure_curves(const Curves& curves, const ClaimRun& run) {
  Measurement result;
  std::map<std::string, ExperimentReport> reports;
  double best_forward = 0.0, least_time = 1e9;
  for (const Contender& contender : contenders()) {
    ExperimentOptions options = options_of(curves, contender, run);
    options.learning_rate = rate_for(curves, contender, run);
    const ExperimentReport report = run_experiment(pictures(curves, run), options);
    run.progress(fmt::format("seed {}: {} on {}, {}: rate {}, {:.2f} %",
                             run.seed,
                             contender.name,
                             curves.model,
                             curves.data,
                             options.learning_rate,
                             100 * report.test_accuracy));
    const std::string& name = contender.name;
    result["rate_" + name] = options.learning_rate;
    result["accuracy_" + name] = 100.0 * report.test_accuracy;
    result["ms_per_step_" + name] = 1e3 * seconds_per_step(report, options);
    for (int tenth = 1; tenth <= 10; ++tenth)
      result[fmt::format("loss_{}_at_{:03d}_percent", name, 10 * tenth)] =
          loss_at(report, options.steps, tenth);
    reports[name] = report;
    if (name == "backprop") continue;
    best_forward = std::max(best_forward, result["accuracy_" + name]);
    if (report.diverged) continue;
    result["T_f_over_T_b_" + name] = time_to_loss_ratio(report, reports["backprop"], options);
    least_time = std::min(least_time, result["T_f_over_T_b_" + name]);
  }
  result["steps"] = static_cast<double>(options_of(curves, contenders().front(), run).steps);
  result["points_behind"] = result["accuracy_backprop"] - best_forward;
  result["least_T_f_over_T_b"] = least_time;
  return result;
}

// What the paper's figures show of each network: a loss is reached in less time without backpropagation.
Claim curves_claim(const Curves& curves) {
  Claim claim;
  claim.id = fmt::format("curves_{}_{}", curves.data, curves.model);
  claim.sentence = fmt::format(
      "Forward gradients train {} on {} to a loss in less time than backpropagation, each at its best rate.",
      curves.model == "logistic" ? "logistic regression"
      : curves.model == "mlp"    ? "the perceptron"
                                 : "a CNN",
      curves.data == "digits" ? "handwritten digits" : "Fashion-MNIST");
  claim.source =
      "arXiv 2202.08587, section 5: T_f / T_b 0.51 to 0.65 at one rate for both, loss against steps and time";
  claim.metric = "least_T_f_over_T_b";
  claim.setup = fmt::format(
      "{}; {}, batch 64, {} steps (quick: {}), one thread, CPU time; each rate tuned on validation data, "
      "linear "
      "decay; fused backpropagation, Gaussian directions by dual numbers, fused rank-one directions, "
      "activities",
      curves.data == "digits" ? "the folder mnist10k, a tenth of its training pictures for tuning"
                              : "Fashion-MNIST, 54,000 pictures for training, 6,000 for tuning",
      curves.model,
      curves.full_steps,
      curves.quick_steps);
  claim.expected = "below 1 for the best forward gradient";
  if (curves.data == "digits") claim.needs = {kDigits};
  claim.measure = [curves](const ClaimRun& run) { return measure_curves(curves, run); };
  claim.judge = all_within("least_T_f_over_T_b", 0.0, 1.0);
  return claim;
}

}  // namespace

std::vector<Claim> curve_claims() {
  std::vector<Claim> claims;
  for (const std::string data : {"digits", "fashion"}) {
    claims.push_back(curves_claim({data, "logistic", 2000, 100}));
    claims.push_back(curves_claim({data, "mlp", 1500, 30}));
    claims.push_back(curves_claim({data, "small_cnn", 1500, 20}));
  }
  return claims;
}

}  // namespace tenfold::forward_gradient
