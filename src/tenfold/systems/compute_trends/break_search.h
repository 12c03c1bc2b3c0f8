// SPDX-License-Identifier: Apache-2.0
// Where does the trend break? Sum of squares of separate lines left and right of every candidate date.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tenfold/systems/compute_trends/model_selection.h"
#include "tenfold/systems/compute_trends/regression.h"

namespace tenfold::compute_trends {

struct BreakSearchOptions {
  double step = 0.25;          // years; candidates are the multiples of the step
  std::size_t least_rows = 5;  // on each side
  double tolerance = 0.05;     // a candidate within (1 + tolerance) best SSE belongs to the interval
};

struct BreakCandidate {
  double year = 0.0;
  double sse = 0.0;  // left (year < candidate) plus right
  std::size_t n_left = 0, n_right = 0;
};

struct BreakSearchReport {
  std::size_t n = 0;
  double best_year = 0.0;  // see best_candidate
  double best_sse = 0.0;
  double interval_low = 0.0;  // first and last candidate within the tolerance
  double interval_high = 0.0;
  Fit left, right;                         // at best_year
  std::vector<BreakCandidate> candidates;  // ascending in year
  ModelSelectionReport models;             // BIC of one line, two lines, broken stick
};

// All breaks on multiples of `step` that leave `least_rows` rows and two different dates on each side, ascending.
// Throws Error(kUsage, "trends.bad_step") for step <= 0 or more than 1e6 candidates.
std::vector<BreakCandidate> break_candidates(std::span<const double> year,
                                             std::span<const double> log10_flop,
                                             double step,
                                             std::size_t least_rows);

// Least SSE; among neighbours that split the rows alike, the middle one. `candidates` must not be empty.
BreakCandidate best_candidate(std::span<const BreakCandidate> candidates);

// Lines through the rows with year < break_year and through the others.
std::pair<Fit, Fit> fit_sides(std::span<const double> year,
                              std::span<const double> log10_flop,
                              double break_year);

// Throws Error(kData, "trends.too_few_rows") when no candidate leaves least_rows rows and two dates on each
// side.
BreakSearchReport search_break(std::span<const double> year,
                               std::span<const double> log10_flop,
                               const BreakSearchOptions& options = {});

}  // namespace tenfold::compute_trends
