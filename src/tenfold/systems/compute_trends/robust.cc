// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/robust.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/kernels/resample.h"

namespace tenfold::compute_trends {
namespace {

constexpr std::size_t kMostRows = 5000;  // all pairs are held in memory
constexpr std::uint32_t kMostDraws = 1000;

struct PairSlope {
  double slope;
  std::uint32_t i, j;
};

// Slopes of all pairs of rows with different dates, ascending.
std::vector<PairSlope> pair_slopes(std::span<const double> x, std::span<const double> y) {
  if (x.size() > kMostRows) {
    throw Error(ErrorClass::kResource,
                "trends.too_many_rows",
                {.what = "a line through all pairs of rows would need too much memory",
                 .seen = std::to_string(x.size()) + " rows",
                 .wanted = "at most " + std::to_string(kMostRows) + " rows",
                 .remedy = "narrow the period or use least squares"});
  }
  std::vector<PairSlope> slopes;
  slopes.reserve(x.size() * (x.size() - 1) / 2);
  for (std::uint32_t i = 0; i < x.size(); ++i) {
    for (std::uint32_t j = i + 1; j < x.size(); ++j) {
      if (x[i] != x[j]) slopes.push_back({(y[j] - y[i]) / (x[j] - x[i]), i, j});
    }
  }
  std::sort(
      slopes.begin(), slopes.end(), [](const PairSlope& a, const PairSlope& b) { return a.slope < b.slope; });
  return slopes;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return percentile_of_sorted(values, 50.0);
}

// Median slope when row i counts counts[i] times: a pair counts counts[i] counts[j] times.
double weighted_median_slope(std::span<const PairSlope> slopes, std::span<const std::uint32_t> counts) {
  const auto weight = [&](const PairSlope& pair) { return std::uint64_t{counts[pair.i]} * counts[pair.j]; };
  std::uint64_t total = 0;
  for (const PairSlope& pair : slopes) total += weight(pair);
  const std::uint64_t lower = (total - 1) / 2;
  const std::uint64_t upper = total / 2;
  double at_lower = 0.0;
  std::uint64_t before = 0;
  for (const PairSlope& pair : slopes) {
    const std::uint64_t after = before + weight(pair);
    if (before <= lower && lower < after) at_lower = pair.slope;
    if (before <= upper && upper < after) return 0.5 * (at_lower + pair.slope);
    before = after;
  }
  return at_lower;
}

void poll(const StopToken* stop) {
  if (stop == nullptr || !stop->requested()) return;
  throw Error(ErrorClass::kResource,
              "trends.stopped",
              {.what = "the bootstrap was stopped before its end",
               .seen = "a stop request",
               .wanted = "all resamples",
               .remedy = "run it again, perhaps with fewer resamples"});
}

// Percentile interval of slope_of(counts) over resamples of the rows; resamples with one single date are redrawn.
SlopeInterval resample_interval(std::span<const double> year,
                                const ResampleOptions& options,
                                const std::function<double(std::span<const std::uint32_t>)>& slope_of,
                                std::uint64_t& redrawn) {
  check_confidence(options.confidence);
  std::vector<double> slopes(options.resamples);
  std::atomic<std::uint64_t> thrown_away{0};
  parallel_for(slopes.size(), 16, [&](std::size_t begin, std::size_t end) {
    std::vector<std::uint32_t> drawn(year.size()), counts(year.size());
    for (std::size_t k = begin; k < end; ++k) {
      poll(options.stop);
      for (std::uint32_t attempt = 0;; ++attempt) {
        kernels::resample_indices(year.size(), {options.seed, attempt}, k, drawn);
        const auto differs = [&](std::uint32_t row) { return year[row] != year[drawn.front()]; };
        if (std::any_of(drawn.begin(), drawn.end(), differs)) break;
        ++thrown_away;
        if (attempt + 1 == kMostDraws) {
          throw Error(ErrorClass::kData,
                      "trends.degenerate_resamples",
                      {.what = "bootstrap resample " + std::to_string(k) + " never had two different dates",
                       .seen = std::to_string(kMostDraws) + " draws",
                       .wanted = "a table whose resamples usually have two different dates",
                       .remedy = "use more rows"});
        }
      }
      std::fill(counts.begin(), counts.end(), 0u);
      for (std::uint32_t row : drawn) ++counts[row];
      slopes[k] = slope_of(counts);
    }
  });
  redrawn = thrown_away.load();
  std::sort(slopes.begin(), slopes.end());
  return {percentile_of_sorted(slopes, 50.0 * (1.0 - options.confidence)),
          percentile_of_sorted(slopes, 50.0),
          percentile_of_sorted(slopes, 50.0 * (1.0 + options.confidence))};
}

// Quantile regression over the slope alone; rows counted counts[i] times.
class QuantileSearch {
 public:
  QuantileSearch(std::span<const double> x, std::span<const double> y, double tau) : x_(x), y_(y), tau_(tau) {
    for (const PairSlope& pair : pair_slopes(x, y)) corners_.push_back(pair.slope);
    corners_.erase(std::unique(corners_.begin(), corners_.end()), corners_.end());
  }

  // The first corner from which on the profile loss does not fall: its derivative is constant between corners.
  double best_slope(std::span<const std::uint32_t> counts) const {
    std::size_t low = 0;
    std::size_t high = corners_.size() - 1;
    while (low < high) {
      const std::size_t middle = low + (high - low) / 2;
      const double between = 0.5 * (corners_[middle] + corners_[middle + 1]);
      falls_at(between, counts) ? low = middle + 1 : high = middle;
    }
    return corners_[low];
  }

  // Smallest intercept (at x = 0) that is best for this slope.
  double best_intercept(double slope, std::span<const std::uint32_t> counts) const {
    const std::vector<Residual> sorted = sorted_residuals(slope, counts);
    const double target = quantile_rank(counts);
    double before = 0.0;
    for (const Residual& residual : sorted) {
      before += counts[residual.row];
      if (before >= target) return residual.value;
    }
    return sorted.back().value;
  }

 private:
  struct Residual {
    double value;
    std::uint32_t row;
  };

  // tau n, a little smaller so that 0.9 x 10 is rank 9 in spite of rounding.
  double quantile_rank(std::span<const std::uint32_t> counts) const {
    double total = 0.0;
    for (std::uint32_t count : counts) total += count;
    return tau_ * total * (1.0 - 1e-12);
  }

  std::vector<Residual> sorted_residuals(double slope, std::span<const std::uint32_t> counts) const {
    std::vector<Residual> result;
    for (std::uint32_t row = 0; row < x_.size(); ++row) {
      if (counts[row] > 0) result.push_back({y_[row] - slope * x_[row], row});
    }
    std::sort(
        result.begin(), result.end(), [](const Residual& a, const Residual& b) { return a.value < b.value; });
    return result;
  }

  // Derivative of min_a sum rho_tau(y - a - slope x) over the slope is -sum x psi, with psi = tau - 1 below the
  // tau-quantile of the residuals, tau above it, and at the quantile what makes sum psi = 0.
  bool falls_at(double slope, std::span<const std::uint32_t> counts) const {
    const std::vector<Residual> sorted = sorted_residuals(slope, counts);
    double total = 0.0;
    for (const Residual& residual : sorted) total += counts[residual.row];
    const double rank = quantile_rank(counts);
    double before = 0.0;
    double gain = 0.0;  // sum x psi
    double scale = 0.0;
    for (const Residual& residual : sorted) {
      const double count = counts[residual.row];
      double psi = before >= rank ? tau_ * count : (tau_ - 1.0) * count;
      if (before < rank && before + count >= rank) {
        psi = (1.0 - tau_) * before - tau_ * (total - before - count);
      }
      gain += x_[residual.row] * psi;
      scale += std::abs(x_[residual.row]) * count;
      before += count;
    }
    return gain > 1e-12 * scale;
  }

  std::span<const double> x_, y_;
  double tau_;
  std::vector<double> corners_;
};

void check_sigma(double sigma, bool may_be_zero, const char* name) {
  if (std::isfinite(sigma) && (sigma > 0.0 || (may_be_zero && sigma == 0.0))) return;
  throw Error(ErrorClass::kData,
              "trends.bad_sigma",
              {.what = std::string("the error of ") + name + " cannot be used",
               .seen = std::to_string(sigma),
               .wanted = may_be_zero ? "a finite number >= 0" : "a finite number > 0",
               .remedy = "give the sd of the dates in years and of the compute in orders of magnitude"});
}

// The York equations at a slope: weights, weighted means and adjusted points.
struct YorkState {
  double mean_x = 0.0, mean_y = 0.0;
  double next_slope = 0.0;
  ErrorsInVariablesReport report;  // standard errors and chi2
};

YorkState york_step(std::span<const double> x,
                    std::span<const double> y,
                    std::span<const double> sigma_x,
                    std::span<const double> sigma_y,
                    double b) {
  const std::size_t n = x.size();
  std::vector<double> weight(n), beta(n);
  YorkState state;
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    weight[i] = 1.0 / (sigma_y[i] * sigma_y[i] + b * b * sigma_x[i] * sigma_x[i]);
    sum += weight[i];
    state.mean_x += weight[i] * x[i];
    state.mean_y += weight[i] * y[i];
  }
  state.mean_x /= sum;
  state.mean_y /= sum;
  double numerator = 0.0, denominator = 0.0, adjusted_mean = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    const double u = x[i] - state.mean_x;
    const double v = y[i] - state.mean_y;
    beta[i] = weight[i] * (u * sigma_y[i] * sigma_y[i] + b * v * sigma_x[i] * sigma_x[i]);
    numerator += weight[i] * beta[i] * v;
    denominator += weight[i] * beta[i] * u;
    adjusted_mean += weight[i] * (state.mean_x + beta[i]) / sum;
  }
  state.next_slope = numerator / denominator;
  double spread = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    spread += weight[i] * std::pow(state.mean_x + beta[i] - adjusted_mean, 2);
    state.report.chi2 += weight[i] * std::pow(y[i] - state.mean_y - b * (x[i] - state.mean_x), 2);
  }
  state.report.slope_standard_error = std::sqrt(1.0 / spread);
  state.report.intercept_standard_error = std::sqrt(1.0 / sum + adjusted_mean * adjusted_mean / spread);
  state.report.line = {state.mean_y - b * state.mean_x, b};
  state.report.doubling_months = doubling_months(b);
  return state;
}

std::vector<double> centred(std::span<const double> year) {
  std::vector<double> x(year.begin(), year.end());
  for (double& value : x) value -= kCentreYear;
  return x;
}

}  // namespace

RobustReport theil_sen(std::span<const double> year,
                       std::span<const double> log10_flop,
                       const ResampleOptions& options) {
  static_cast<void>(fit_line(year, log10_flop));  // the same errors for rows without a line
  const std::vector<PairSlope> slopes = pair_slopes(year, log10_flop);
  const std::vector<std::uint32_t> once(year.size(), 1u);
  RobustReport report;
  report.line.b = weighted_median_slope(slopes, once);
  std::vector<double> intercepts(year.size());
  for (std::size_t i = 0; i < year.size(); ++i) {
    intercepts[i] = log10_flop[i] - report.line.b * (year[i] - kCentreYear);
  }
  report.line.a = median(std::move(intercepts));
  report.doubling_months = doubling_months(report.line.b);
  if (options.resamples > 0) {
    report.slope_interval = resample_interval(
        year,
        options,
        [&](std::span<const std::uint32_t> counts) { return weighted_median_slope(slopes, counts); },
        report.redrawn);
    report.doubling = doubling_interval(*report.slope_interval);
  }
  return report;
}

QuantileReport quantile_line(std::span<const double> year,
                             std::span<const double> log10_flop,
                             double tau,
                             const ResampleOptions& options) {
  check_quantile(tau);
  const double centre = fit_line(year, log10_flop).first_year;  // and its errors for rows without a line
  std::vector<double> x(year.begin(), year.end());
  for (double& value : x) value -= centre;
  const QuantileSearch search(x, log10_flop, tau);
  const std::vector<std::uint32_t> once(year.size(), 1u);
  QuantileReport report;
  report.tau = tau;
  report.line.b = search.best_slope(once);
  report.line.a = search.best_intercept(report.line.b, once) + report.line.b * (kCentreYear - centre);
  for (double residual : residuals(year, log10_flop, report.line)) {
    report.loss += residual * (residual > 0.0 ? tau : tau - 1.0);
    std::size_t& side = std::abs(residual) <= 1e-9 ? report.on : residual > 0.0 ? report.above : report.below;
    ++side;
  }
  report.doubling_months = doubling_months(report.line.b);
  if (options.resamples > 0) {
    report.slope_interval = resample_interval(
        year,
        options,
        [&](std::span<const std::uint32_t> counts) { return search.best_slope(counts); },
        report.redrawn);
    report.doubling = doubling_interval(*report.slope_interval);
  }
  return report;
}

ErrorsInVariablesReport deming_line(std::span<const double> year,
                                    std::span<const double> log10_flop,
                                    double sigma_x,
                                    double sigma_y) {
  check_sigma(sigma_x, false, "the dates");
  check_sigma(sigma_y, false, "the compute");
  const Fit fit = fit_line(year, log10_flop);
  const std::vector<double> x = centred(year);
  const auto n = static_cast<double>(x.size());
  double mean_x = 0.0, mean_y = 0.0, sxx = 0.0, sxy = 0.0, syy = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    mean_x += x[i] / n;
    mean_y += log10_flop[i] / n;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    sxx += (x[i] - mean_x) * (x[i] - mean_x);
    sxy += (x[i] - mean_x) * (log10_flop[i] - mean_y);
    syy += (log10_flop[i] - mean_y) * (log10_flop[i] - mean_y);
  }
  double b = fit.line.b;  // 0 when x and y are uncorrelated
  if (sxy != 0.0) {
    const double delta = sigma_y * sigma_y / (sigma_x * sigma_x);
    const double d = syy - delta * sxx;
    const double root = std::sqrt(d * d + 4.0 * delta * sxy * sxy);
    // Of the two equal forms the one without cancellation.
    b = d > 0.0 ? (d + root) / (2.0 * sxy) : 2.0 * delta * sxy / (root - d);
  }
  const std::vector<double> sx(x.size(), sigma_x), sy(x.size(), sigma_y);
  return york_step(x, log10_flop, sx, sy, b).report;
}

ErrorsInVariablesReport york_line(std::span<const double> year,
                                  std::span<const double> log10_flop,
                                  std::span<const double> sigma_x,
                                  std::span<const double> sigma_y) {
  constexpr int kMostIterations = 200;
  double b = fit_line(year, log10_flop).line.b;
  if (sigma_x.size() != year.size() || sigma_y.size() != year.size()) {
    throw Error(
        ErrorClass::kData,
        "trends.bad_sigma",
        {.what = "errors and rows do not belong together",
         .seen = std::to_string(sigma_x.size()) + " and " + std::to_string(sigma_y.size()) + " errors",
         .wanted = std::to_string(year.size()) + " of each",
         .remedy = "give one error of the date and one of the compute per row"});
  }
  for (double sigma : sigma_x) check_sigma(sigma, true, "a date");
  for (double sigma : sigma_y) check_sigma(sigma, false, "a compute value");
  const std::vector<double> x = centred(year);
  for (int iteration = 1; iteration <= kMostIterations; ++iteration) {
    const YorkState state = york_step(x, log10_flop, sigma_x, sigma_y, b);
    const double change = std::abs(state.next_slope - b);
    b = state.next_slope;
    if (change <= 1e-14 * std::max(1.0, std::abs(b))) {
      ErrorsInVariablesReport report = york_step(x, log10_flop, sigma_x, sigma_y, b).report;
      report.iterations = iteration;
      return report;
    }
    if (!std::isfinite(b)) break;
  }
  throw Error(ErrorClass::kData,
              "trends.no_convergence",
              {.what = "the line with errors in both variables did not settle",
               .seen = std::to_string(kMostIterations) + " iterations, last slope " + std::to_string(b),
               .wanted = "a slope that no longer changes",
               .remedy = "check the errors given; the dates may be too uncertain to carry a slope"});
}

}  // namespace tenfold::compute_trends
