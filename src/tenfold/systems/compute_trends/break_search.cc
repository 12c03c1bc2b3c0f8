// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/break_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <tuple>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

// Sums of squares of the line through every first k rows (of rows sorted by date), by the update of means and
// co-moments (Welford 1962).
class LineSse {
 public:
  void add(double x, double y) {
    count_ += 1.0;
    const double dx = x - mean_x_;
    const double dy = y - mean_y_;
    mean_x_ += dx / count_;
    mean_y_ += dy / count_;
    sxx_ += dx * (x - mean_x_);
    sxy_ += dx * (y - mean_y_);
    syy_ += dy * (y - mean_y_);
  }
  double sse() const { return std::max(0.0, sxx_ > 0.0 ? syy_ - sxy_ * sxy_ / sxx_ : syy_); }

 private:
  double count_ = 0.0, mean_x_ = 0.0, mean_y_ = 0.0, sxx_ = 0.0, sxy_ = 0.0, syy_ = 0.0;
};

void check_step(double step, double span_years) {
  if (step > 0.0 && std::isfinite(step) && span_years / step < 1e6) return;
  throw Error(ErrorClass::kUsage,
              "trends.bad_step",
              {.what = "the step of the break search cannot be used",
               .seen = std::to_string(step) + " years",
               .wanted = "more than 0, at most a million candidate dates",
               .remedy = "use 0.25"});
}

}  // namespace

std::vector<BreakCandidate> break_candidates(std::span<const double> year,
                                             std::span<const double> log10_flop,
                                             double step,
                                             std::size_t least_rows) {
  check_rows(year, log10_flop);
  if (year.empty()) return {};
  std::vector<std::size_t> order(year.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(
      order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return year[a] < year[b]; });
  const std::size_t n = order.size();
  const double first = year[order.front()];
  const double last = year[order.back()];
  check_step(step, last - first);

  std::vector<double> left(n + 1, 0.0), right(n + 1, 0.0);  // SSE of rows [0, k) and [k, n)
  LineSse forward, backward;
  for (std::size_t k = 0; k < n; ++k) {
    forward.add(year[order[k]], log10_flop[order[k]]);
    left[k + 1] = forward.sse();
    backward.add(year[order[n - 1 - k]], log10_flop[order[n - 1 - k]]);
    right[n - 1 - k] = backward.sse();
  }
  const std::size_t least = std::max<std::size_t>(2, least_rows);
  std::vector<BreakCandidate> candidates;
  std::size_t k = 0;
  for (double i = std::ceil(first / step); i * step <= last; i += 1.0) {
    const double candidate = i * step;
    while (k < n && year[order[k]] < candidate) ++k;
    if (k < least || n - k < least) continue;
    if (year[order[k - 1]] == first || year[order[k]] == last) continue;  // one date alone on a side
    candidates.push_back({candidate, left[k] + right[k], k, n - k});
  }
  return candidates;
}

BreakCandidate best_candidate(std::span<const BreakCandidate> candidates) {
  check_internal(!candidates.empty(), "best of no break candidates");
  const auto best = std::min_element(
      candidates.begin(), candidates.end(), [](const BreakCandidate& a, const BreakCandidate& b) {
        return a.sse < b.sse;
      });
  auto end = best;
  while (end != candidates.end() && end->n_left == best->n_left) ++end;
  return *(best + (end - best - 1) / 2);
}

std::pair<Fit, Fit> fit_sides(std::span<const double> year,
                              std::span<const double> log10_flop,
                              double break_year) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto left = rows_between(year, -kInfinity, break_year);
  const auto right = rows_between(year, break_year, kInfinity);
  return {fit_line(pick(year, left), pick(log10_flop, left)),
          fit_line(pick(year, right), pick(log10_flop, right))};
}

BreakSearchReport search_break(std::span<const double> year,
                               std::span<const double> log10_flop,
                               const BreakSearchOptions& options) {
  BreakSearchReport report;
  report.n = year.size();
  report.candidates = break_candidates(year, log10_flop, options.step, options.least_rows);
  if (report.candidates.empty()) {
    throw Error(
        ErrorClass::kData,
        "trends.too_few_rows",
        {.what = "no date can be a break of the trend",
         .seen = std::to_string(report.n) + " rows",
         .wanted = std::to_string(options.least_rows) + " rows with two dates on each side of a break",
         .remedy = "widen the period or ask for fewer rows per side"});
  }
  const BreakCandidate best = best_candidate(report.candidates);
  report.best_year = best.year;
  report.best_sse = best.sse;
  const double limit = best.sse * (1.0 + options.tolerance);
  const auto good = [&](const BreakCandidate& candidate) { return candidate.sse <= limit; };
  report.interval_low = std::find_if(report.candidates.begin(), report.candidates.end(), good)->year;
  report.interval_high = std::find_if(report.candidates.rbegin(), report.candidates.rend(), good)->year;
  std::tie(report.left, report.right) = fit_sides(year, log10_flop, best.year);
  report.models = select_model(year, log10_flop, {options.step, options.least_rows});
  return report;
}

}  // namespace tenfold::compute_trends
