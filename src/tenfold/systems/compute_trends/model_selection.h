// SPDX-License-Identifier: Apache-2.0
// One line, two lines or a broken stick: sums of squares and the Bayesian information criterion (Schwarz
// 1978).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tenfold/systems/compute_trends/regression.h"

namespace tenfold::compute_trends {

// BIC = n ln(SSE / n) + k ln n with k free parameters of the mean, a searched break among them. Smaller is
// better.
double bic(double sse, std::size_t n, int parameters);

struct TrendModel {
  std::string name;    // "one line", "two lines", "broken stick"
  int parameters = 0;  // 2, 5, 4: coefficients and the break
  double sse = 0.0;
  double bic = 0.0;
  double delta_bic = 0.0;  // minus the best model's
  std::optional<double> break_year;
  Line left;  // the only line of "one line"
  Line right;
};

struct ModelSelectionOptions {
  double step = 0.25;          // years between candidate breaks, on multiples of the step
  std::size_t least_rows = 5;  // on each side
};

struct ModelSelectionReport {
  std::size_t n = 0;
  std::vector<TrendModel> models;  // always one line; the others when the rows allow a break
  std::size_t best = 0;            // index of the smallest BIC
};

ModelSelectionReport select_model(std::span<const double> year,
                                  std::span<const double> log10_flop,
                                  const ModelSelectionOptions& options = {});

// Continuous line with a kink at break_year: least squares over (a, b_left, b_right). nullopt when not
// determined.
struct BrokenStick {
  Line left, right;
  double sse = 0.0;
};
std::optional<BrokenStick> fit_broken_stick(std::span<const double> year,
                                            std::span<const double> log10_flop,
                                            double break_year);

}  // namespace tenfold::compute_trends
