// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/bca.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <numbers>

namespace tenfold::compute_trends {
namespace {

double normal_share(double z) {
  return 0.5 * std::erfc(-z / std::numbers::sqrt2);
}

// a = sum d^3 / (6 (sum d^2)^1.5), d = mean of the jackknife values minus each.
double acceleration(std::span<const double> jackknife) {
  double mean = 0.0;
  for (double value : jackknife) mean += value / static_cast<double>(jackknife.size());
  double squares = 0.0, cubes = 0.0;
  for (double value : jackknife) {
    squares += (mean - value) * (mean - value);
    cubes += (mean - value) * (mean - value) * (mean - value);
  }
  return squares > 0.0 ? cubes / (6.0 * std::pow(squares, 1.5)) : 0.0;
}

// Share of the replicates below the estimate, ties by half; kept off 0 and 1, where the correction would be infinite.
double share_below(std::span<const double> sorted, double estimate) {
  const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), estimate);
  const auto n = static_cast<double>(sorted.size());
  const double below = static_cast<double>(first - sorted.begin()) + 0.5 * static_cast<double>(last - first);
  return std::clamp(below / n, 0.5 / n, 1.0 - 0.5 / n);
}

struct Sums {
  double n = 0.0, x = 0.0, y = 0.0, xx = 0.0, xy = 0.0;

  void add(double dx, double dy) { n += 1.0, x += dx, y += dy, xx += dx * dx, xy += dx * dy; }
  Sums without(const Sums& part) const {
    return {n - part.n, x - part.x, y - part.y, xx - part.xx, xy - part.xy};
  }
  double spread() const { return n * xx - x * x; }
  double slope() const { return (n * xy - x * y) / spread(); }
};

}  // namespace

double normal_quantile(double share) {
  double low = -40.0, high = 40.0;
  for (int step = 0; step < 100; ++step) {
    const double middle = 0.5 * (low + high);
    (normal_share(middle) < share ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

SlopeInterval bca_interval(std::vector<double> slopes,
                           double estimate,
                           std::span<const double> jackknife,
                           double confidence) {
  std::sort(slopes.begin(), slopes.end());
  const double bias = normal_quantile(share_below(slopes, estimate));
  const double a = acceleration(jackknife);
  const auto end = [&](double share) {
    const double z = bias + normal_quantile(share);
    // Beyond 1 / a the transformation folds back: the end is then the last replicate on that side.
    const double scale = 1.0 - a * z;
    const double moved = scale > 0.0 ? normal_share(bias + z / scale) : (z > 0.0 ? 1.0 : 0.0);
    return percentile_of_sorted(slopes, 100.0 * moved);
  };
  return {end(0.5 * (1.0 - confidence)), percentile_of_sorted(slopes, 50.0), end(0.5 * (1.0 + confidence))};
}

std::vector<double> jackknife_slopes(std::span<const double> year,
                                     std::span<const double> log10_flop,
                                     std::span<const int> organization) {
  double mean_x = 0.0, mean_y = 0.0;
  for (std::size_t i = 0; i < year.size(); ++i) {
    mean_x += year[i] / static_cast<double>(year.size());
    mean_y += log10_flop[i] / static_cast<double>(year.size());
  }
  Sums all;
  std::map<long, Sums> units;
  for (std::size_t i = 0; i < year.size(); ++i) {
    const long unit = organization.empty() ? static_cast<long>(i) : organization[i];
    units[unit].add(year[i] - mean_x, log10_flop[i] - mean_y);
    all.add(year[i] - mean_x, log10_flop[i] - mean_y);
  }
  std::vector<double> slopes;
  for (const auto& [unit, part] : units) {
    const Sums rest = all.without(part);
    if (rest.n >= 2.0 && rest.spread() > 1e-9 * all.spread()) slopes.push_back(rest.slope());
  }
  return slopes;
}

}  // namespace tenfold::compute_trends
