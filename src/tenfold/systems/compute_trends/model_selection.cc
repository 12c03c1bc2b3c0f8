// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/model_selection.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tenfold/systems/compute_trends/break_search.h"

namespace tenfold::compute_trends {
namespace {

// Solves the symmetric 3 x 3 system m p = v by Gaussian elimination with pivots; nullopt when it is singular.
std::optional<std::array<double, 3>> solve(std::array<std::array<double, 4>, 3> m) {
  double scale = 0.0;
  for (const auto& row : m) scale = std::max({scale, std::abs(row[0]), std::abs(row[1]), std::abs(row[2])});
  for (std::size_t column = 0; column < 3; ++column) {
    std::size_t pivot = column;
    for (std::size_t row = column + 1; row < 3; ++row) {
      if (std::abs(m[row][column]) > std::abs(m[pivot][column])) pivot = row;
    }
    if (!(std::abs(m[pivot][column]) > 1e-13 * scale)) return std::nullopt;
    std::swap(m[pivot], m[column]);
    for (std::size_t row = 0; row < 3; ++row) {
      if (row == column) continue;
      const double factor = m[row][column] / m[column][column];
      for (std::size_t i = column; i < 4; ++i) m[row][i] -= factor * m[column][i];
    }
  }
  return std::array{m[0][3] / m[0][0], m[1][3] / m[1][1], m[2][3] / m[2][2]};
}

}  // namespace

double bic(double sse, std::size_t n, int parameters) {
  const auto rows = static_cast<double>(n);
  if (sse <= 0.0) return -std::numeric_limits<double>::infinity();
  return rows * std::log(sse / rows) + parameters * std::log(rows);
}

std::optional<BrokenStick> fit_broken_stick(std::span<const double> year,
                                            std::span<const double> log10_flop,
                                            double break_year) {
  check_rows(year, log10_flop);
  // Columns 1, min(t, 0), max(t, 0) with t counted from the break; the last column of m is the right side.
  std::array<std::array<double, 4>, 3> m{};
  for (std::size_t i = 0; i < year.size(); ++i) {
    const double t = year[i] - break_year;
    const std::array<double, 3> column = {1.0, std::min(t, 0.0), std::max(t, 0.0)};
    for (std::size_t row = 0; row < 3; ++row) {
      for (std::size_t j = 0; j < 3; ++j) m[row][j] += column[row] * column[j];
      m[row][3] += column[row] * log10_flop[i];
    }
  }
  const auto p = solve(m);
  if (!p) return std::nullopt;
  const auto [at_break, left, right] = *p;
  BrokenStick stick;
  stick.left = {at_break + left * (kCentreYear - break_year), left};
  stick.right = {at_break + right * (kCentreYear - break_year), right};
  for (std::size_t i = 0; i < year.size(); ++i) {
    const double t = year[i] - break_year;
    const double residual = log10_flop[i] - at_break - (t < 0.0 ? left : right) * t;
    stick.sse += residual * residual;
  }
  return stick;
}

ModelSelectionReport select_model(std::span<const double> year,
                                  std::span<const double> log10_flop,
                                  const ModelSelectionOptions& options) {
  const Fit one = fit_line(year, log10_flop);
  ModelSelectionReport report;
  report.n = one.n;
  const auto add = [&](TrendModel model) {
    model.bic = bic(model.sse, report.n, model.parameters);
    report.models.push_back(std::move(model));
  };
  add({.name = "one line", .parameters = 2, .sse = one.sse, .left = one.line, .right = one.line});

  const std::vector<BreakCandidate> candidates =
      break_candidates(year, log10_flop, options.step, options.least_rows);
  std::optional<TrendModel> stick;
  for (const BreakCandidate& candidate : candidates) {
    const auto fit = fit_broken_stick(year, log10_flop, candidate.year);
    if (!fit || (stick && fit->sse >= stick->sse)) continue;
    stick = TrendModel{.name = "broken stick",
                       .parameters = 4,
                       .sse = fit->sse,
                       .break_year = candidate.year,
                       .left = fit->left,
                       .right = fit->right};
  }
  if (!candidates.empty()) {
    const BreakCandidate best = best_candidate(candidates);
    const auto [left, right] = fit_sides(year, log10_flop, best.year);
    add({.name = "two lines",
         .parameters = 5,
         .sse = best.sse,
         .break_year = best.year,
         .left = left.line,
         .right = right.line});
  }
  if (stick) add(*stick);
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    if (report.models[i].bic < report.models[report.best].bic) report.best = i;
  }
  const double least = report.models[report.best].bic;
  for (TrendModel& model : report.models) model.delta_bic = model.bic == least ? 0.0 : model.bic - least;
  return report;
}

}  // namespace tenfold::compute_trends
