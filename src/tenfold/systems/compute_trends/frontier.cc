// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/frontier.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <queue>

#include "tenfold/base/error.h"

namespace tenfold::compute_trends {
namespace {

using Rows = std::vector<std::size_t>;

Rows by_date(std::span<const double> year) {
  Rows order(year.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(
      order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return year[a] < year[b]; });
  return order;
}

Rows running_top(std::span<const double> year, std::span<const double> y, std::size_t top) {
  const Rows order = by_date(year);
  std::priority_queue<double, std::vector<double>, std::greater<>> largest;  // the `top` largest so far
  Rows rows;
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    for (; end < order.size() && year[order[end]] == year[order[begin]]; ++end) {
      largest.push(y[order[end]]);
      if (largest.size() > top) largest.pop();
    }
    for (; begin < end; ++begin) {
      if (y[order[begin]] >= largest.top()) rows.push_back(order[begin]);
    }
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

Rows window_percentile(std::span<const double> year,
                       std::span<const double> y,
                       double percentile,
                       double window) {
  constexpr double kTimeSlack = 1e-9;  // as in the large-scale split
  const Rows order = by_date(year);
  Rows rows;
  std::vector<double> values;
  std::size_t begin = 0, end = 0;
  for (std::size_t row : order) {
    while (year[row] - year[order[begin]] > window + kTimeSlack) ++begin;
    while (end < order.size() && year[order[end]] - year[row] <= window + kTimeSlack) ++end;
    values.clear();
    for (std::size_t i = begin; i < end; ++i) values.push_back(y[order[i]]);
    std::sort(values.begin(), values.end());
    if (y[row] >= percentile_of_sorted(values, percentile)) rows.push_back(row);
  }
  std::sort(rows.begin(), rows.end());
  return rows;
}

Rows over_trend(std::span<const double> year, std::span<const double> y, double sds) {
  const Fit fit = fit_line(year, y);
  Rows rows;
  for (std::size_t i = 0; i < year.size(); ++i) {
    if (y[i] - fit.line.at(year[i]) >= sds * fit.residual_sd) rows.push_back(i);
  }
  return rows;
}

void check_rule(bool good, const char* name, double seen, const char* wanted) {
  if (good) return;
  throw Error(ErrorClass::kUsage,
              "trends.bad_frontier",
              {.what = std::string("the frontier rule's ") + name + " cannot be used",
               .seen = fmt::format("{}", seen),
               .wanted = wanted,
               .remedy = "correct the option"});
}

std::string label_of(const FrontierOptions& options) {
  switch (options.rule) {
    case FrontierRule::kRunningTop:
      return fmt::format("running top {}", options.top);
    case FrontierRule::kWindowPercentile:
      return fmt::format("{}th percentile of +-{} years", options.percentile, options.window);
    case FrontierRule::kResidual:
      return fmt::format("{} sd over the trend", options.residual_sd);
  }
  return {};
}

}  // namespace

std::string_view to_string(FrontierRule rule) {
  switch (rule) {
    case FrontierRule::kRunningTop:
      return "running-top";
    case FrontierRule::kWindowPercentile:
      return "window-percentile";
    case FrontierRule::kResidual:
      return "residual";
  }
  return "running-top";
}

std::vector<std::size_t> select_frontier(std::span<const double> year,
                                         std::span<const double> log10_flop,
                                         const FrontierOptions& options) {
  check_rows(year, log10_flop);
  switch (options.rule) {
    case FrontierRule::kRunningTop:
      check_rule(options.top >= 1, "number of systems", static_cast<double>(options.top), "at least 1");
      return running_top(year, log10_flop, options.top);
    case FrontierRule::kWindowPercentile:
      check_rule(options.percentile >= 0.0 && options.percentile <= 100.0,
                 "percentile",
                 options.percentile,
                 "0 to 100");
      check_rule(options.window >= 0.0 && std::isfinite(options.window),
                 "window",
                 options.window,
                 "a number of years >= 0");
      return window_percentile(year, log10_flop, options.percentile, options.window);
    case FrontierRule::kResidual:
      check_rule(
          std::isfinite(options.residual_sd), "residual", options.residual_sd, "a finite number of sd");
      return over_trend(year, log10_flop, options.residual_sd);
  }
  return {};
}

std::vector<FrontierRow> frontier_sensitivity(std::span<const double> year,
                                              std::span<const double> log10_flop,
                                              double from) {
  std::vector<FrontierOptions> grid;
  for (std::size_t top : {1, 3, 5, 10}) grid.push_back({.rule = FrontierRule::kRunningTop, .top = top});
  for (double percentile : {75.0, 90.0, 95.0}) {
    grid.push_back({.rule = FrontierRule::kWindowPercentile, .percentile = percentile});
  }
  for (double sds : {0.5, 1.0, 1.5}) grid.push_back({.rule = FrontierRule::kResidual, .residual_sd = sds});
  std::vector<FrontierRow> table;
  for (const FrontierOptions& options : grid) {
    FrontierRow row{.options = options, .label = label_of(options)};
    for (std::size_t i : select_frontier(year, log10_flop, options)) {
      if (year[i] >= from) row.rows.push_back(i);
    }
    try {
      row.fit = fit_line(pick(year, row.rows), pick(log10_flop, row.rows));
    } catch (const Error&) {
      row.fit = std::nullopt;  // too few rows: the table shows how many there are
    }
    table.push_back(std::move(row));
  }
  return table;
}

}  // namespace tenfold::compute_trends
