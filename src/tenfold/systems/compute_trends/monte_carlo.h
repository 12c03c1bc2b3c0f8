// SPDX-License-Identifier: Apache-2.0
// Uncertain inputs as log-normal numbers, and the distribution of sums of products of them by Monte Carlo.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tenfold::compute_trends {

inline constexpr double kNormal95 =
    1.6448536269514722;  // 95 % quantile of the standard normal: ends of a 90 % interval

// A log-normal number: log10 of it is normal. sigma 0: known exactly.
struct Uncertain {
  double median = 1.0;
  double sigma = 0.0;  // OOM

  double low() const;   // 5 % quantile
  double high() const;  // 95 % quantile
};

// "3e11"         exactly that
// "1e9..3e9"     90 % of the mass between the two, median their geometric mean
// "0.3~2x"       median 0.3, 90 % within a factor of 2 either way
// "58~10%"       median 58, 90 % within a factor of 1.1 either way
// A number may carry k, M, G, B, T (1e3, 1e6, 1e9, 1e9, 1e12). Throws Error(kUsage, "range.bad_form", "range.not_positive"
// or "range.reversed"); `what` ("--tokens") opens the message.
Uncertain parse_uncertain(std::string_view text, std::string_view what);

Uncertain from_range(double low, double high);  // ends of the 90 % interval; low == high: exact

// One input of a model and its name for the report.
struct Input {
  std::string name;
  Uncertain value;
};

// factor * product of inputs[i] ^ power: one summand of a model.
struct Term {
  double factor = 1.0;
  std::vector<std::size_t> inputs;  // indices; an index may stand twice (a square)
};

// The model: sum of the terms, factors > 0.
struct Model {
  std::vector<Input> inputs;
  std::vector<Term> terms;
};

struct VarianceShare {
  std::string input;
  double share = 0.0;  // first-order Sobol index of log10(result): 0 to 1
};

struct Distribution {
  double median = 0.0;
  double low = 0.0;                   // 5 % quantile
  double high = 0.0;                  // 95 % quantile
  double sigma = 0.0;                 // sd of log10(result), OOM
  std::vector<VarianceShare> shares;  // largest first; empty when nothing is uncertain
  bool shares_exact = false;  // the model is one product: shares are sigma_i^2 p_i^2 / sum, not sampled
  std::string dominant;       // input with the largest share; empty when nothing is uncertain
  std::size_t samples = 0;
  std::uint64_t seed = 0;
};

struct MonteCarloOptions {
  std::size_t samples = 100'000;
  std::uint64_t seed = 0;
};

// Value of the model with every input at its median.
double median_value(const Model& model);

// Quantiles from log-normal draws: draw k of input i is a pure function of (seed, i, k), so the result does not depend on
// the thread count, and adding samples keeps the earlier ones. For sums the shares come from the pick-freeze estimator
// (Saltelli et al. 2010, table 2, equation b) on the same number of samples. Throws Error(kUsage, "monte_carlo.samples")
// below 100 or above 1e7 samples.
Distribution propagate(const Model& model, const MonteCarloOptions& options = {});

}  // namespace tenfold::compute_trends
