// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/eras.h"

#include <algorithm>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/systems/compute_trends/windows.h"

namespace tenfold::compute_trends {
namespace {

using Rows = std::vector<std::size_t>;

// Ascending rows of `all` that are not in the ascending `without`.
Rows difference(const Rows& all, const Rows& without) {
  Rows rest;
  std::set_difference(all.begin(), all.end(), without.begin(), without.end(), std::back_inserter(rest));
  return rest;
}

std::optional<Fit> try_fit(std::span<const double> year, std::span<const double> y, const Rows& rows) {
  try {
    return fit_line(pick(year, rows), pick(y, rows));
  } catch (const Error&) {
    return std::nullopt;  // too few rows or equal dates: the caller shows the count
  }
}

// Everything the split is made of, found once.
class Splitter {
 public:
  Splitter(std::span<const double> year, std::span<const double> log10_flop, const ErasOptions& options)
      : year_(year),
        y_(log10_flop),
        border_(options.border),
        in_use_(rows_between(year, -std::numeric_limits<double>::infinity(), options.until)),
        after_(rows_between(year, options.border, options.until)) {
    if (options.low_outlier_sd > 0.0 && try_fit(year_, y_, after_)) {
      for (std::size_t i : low_outliers(pick(year_, after_), pick(y_, after_), options.low_outlier_sd)) {
        low_.push_back(after_[i]);
      }
    }
    without_low_ = difference(after_, low_);
  }

  std::vector<double> z_scores(const LargeScaleRule& rule) const {
    const Rows basis = rule.basis == WindowBasis::kAllRows ? in_use_ : difference(in_use_, low_);
    const std::vector<double> scores =
        window_z_scores(pick(year_, basis), pick(y_, basis), rule.window, rule.mode);
    std::vector<double> z(year_.size(), 0.0);
    for (std::size_t i = 0; i < basis.size(); ++i) z[basis[i]] = scores[i];
    return z;
  }

  Split split(const LargeScaleRule& rule, const std::vector<double>& z) const {
    Split result;
    result.low = low_;
    for (std::size_t row : without_low_) {
      const bool large = year_[row] >= rule.start && z[row] > rule.z;
      (large ? result.large : result.regular).push_back(row);
    }
    return result;
  }

  Rows before() const { return rows_between(year_, -std::numeric_limits<double>::infinity(), border_); }
  const Rows& after() const { return after_; }
  const Rows& without_low() const { return without_low_; }

 private:
  std::span<const double> year_, y_;
  double border_;
  Rows in_use_, after_, low_, without_low_;
};

EraFit fit_era(std::string name,
               Rows rows,
               std::span<const double> year,
               std::span<const double> y,
               const BootstrapOptions& options) {
  EraFit era;
  era.name = std::move(name);
  era.rows = std::move(rows);
  const std::vector<double> era_year = pick(year, era.rows);
  const std::vector<double> era_y = pick(y, era.rows);
  BootstrapOptions own = options;
  if (options.sigma.size() > 1) own.sigma = pick(std::span<const double>(options.sigma), era.rows);
  if (!options.organization.empty()) {
    own.organization = pick(std::span<const int>(options.organization), era.rows);
  }
  try {
    era.fit = fit_line(era_year, era_y);
    era.bootstrap = bootstrap(era_year, era_y, own);
  } catch (const Error& error) {
    // Options that are wrong for every era, and a stop request, must reach the caller.
    if (error.error_class() != ErrorClass::kData) throw;
    era.reason = error.text().what + " (" + error.text().seen + ")";
  }
  return era;
}

std::vector<SplitSensitivity> sensitivity_table(const Splitter& splitter,
                                                std::span<const double> year,
                                                std::span<const double> y,
                                                const ErasOptions& options) {
  std::vector<SplitSensitivity> table;
  const auto add = [&](LargeScaleRule rule) {
    const Split split = splitter.split(rule, splitter.z_scores(rule));
    table.push_back({rule.z,
                     rule.window,
                     rule.mode,
                     split.large.size(),
                     split.regular.size(),
                     try_fit(year, y, split.large),
                     try_fit(year, y, split.regular)});
  };
  for (WindowMode mode : {WindowMode::kTwoSided, WindowMode::kPastOnly}) {
    LargeScaleRule rule = options.large;
    rule.mode = mode;
    for (double z : options.z_grid) {
      rule.z = z;
      add(rule);
    }
    rule.z = options.large.z;
    for (double window : options.window_grid) {
      rule.window = window;
      add(rule);
    }
  }
  return table;
}

void check_lengths(std::span<const double> year, const ErasOptions& options) {
  const auto fits = [&](std::size_t size) { return size <= 1 || size == year.size(); };
  if (fits(options.bootstrap.sigma.size()) &&
      (options.bootstrap.organization.empty() || options.bootstrap.organization.size() == year.size())) {
    return;
  }
  throw Error(ErrorClass::kData,
              "trends.lengths_differ",
              {.what = "noise or organisations do not belong to the rows",
               .seen = std::to_string(options.bootstrap.sigma.size()) + " sigmas, " +
                       std::to_string(options.bootstrap.organization.size()) + " organisations",
               .wanted = std::to_string(year.size()) + " of each, or none",
               .remedy = "give one value per row of the whole table"});
}

}  // namespace

std::string_view to_string(WindowMode mode) {
  return mode == WindowMode::kTwoSided ? "two-sided" : "past-only";
}

std::vector<double> window_z_scores(std::span<const double> year,
                                    std::span<const double> log10_flop,
                                    double window,
                                    WindowMode mode) {
  check_rows(year, log10_flop);
  std::vector<double> z(year.size());
  TimeWindows(year, window, mode).z_scores(log10_flop, z);
  return z;
}

std::vector<std::size_t> low_outliers(std::span<const double> year,
                                      std::span<const double> log10_flop,
                                      double k) {
  const Fit fit = fit_line(year, log10_flop);
  std::vector<std::size_t> rows;
  for (std::size_t i = 0; i < year.size(); ++i) {
    if (log10_flop[i] - fit.line.at(year[i]) < -k * fit.residual_sd) rows.push_back(i);
  }
  return rows;
}

Split split_eras(std::span<const double> year,
                 std::span<const double> log10_flop,
                 const ErasOptions& options) {
  check_rows(year, log10_flop);
  const Splitter splitter(year, log10_flop, options);
  return splitter.split(options.large, splitter.z_scores(options.large));
}

ErasReport find_eras(std::span<const double> year,
                     std::span<const double> log10_flop,
                     const ErasOptions& options) {
  check_rows(year, log10_flop);
  check_lengths(year, options);
  const Splitter splitter(year, log10_flop, options);
  ErasReport report;
  report.z = splitter.z_scores(options.large);
  const Split split = splitter.split(options.large, report.z);
  report.low = split.low;
  const auto era = [&](std::string name, Rows rows) {
    return fit_era(std::move(name), std::move(rows), year, log10_flop, options.bootstrap);
  };
  const auto since = [&](const Rows& rows, double from, double until) {
    Rows result;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(result), [&](std::size_t row) {
      return year[row] >= from && year[row] < until;
    });
    return result;
  };
  report.border = options.border;
  report.late_border = options.late_border;
  report.large_start = options.large.start;
  report.before = era("before", since(splitter.before(), -1e300, options.until));
  report.all = era("all", splitter.after());
  report.without_low = era("without low outliers", splitter.without_low());
  report.early = era("early", since(splitter.after(), options.border, options.large.start));
  report.regular = era("regular scale", split.regular);
  report.late_regular = era("late regular scale", since(split.regular, options.late_border, 1e300));
  report.large = era("large scale", split.large);
  if (report.large.fit && report.regular.fit) {
    for (double gap_year : options.gap_years) {
      report.gaps.push_back(
          {gap_year, report.large.fit->line.at(gap_year) - report.regular.fit->line.at(gap_year)});
    }
  }
  report.sensitivity = sensitivity_table(splitter, year, log10_flop, options);
  return report;
}

}  // namespace tenfold::compute_trends
