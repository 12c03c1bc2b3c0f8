// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/null_study.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/threads.h"
#include "tenfold/systems/compute_trends/windows.h"

namespace tenfold::compute_trends {
namespace {

constexpr std::size_t kChunk = 64;
constexpr std::size_t kLeastLarge = 3;  // a line through two selected systems says nothing
constexpr std::uint64_t kNullIndex = std::uint64_t{5} << 60;
constexpr std::uint64_t kPowerIndex = std::uint64_t{7} << 60;

// Running sums of one line, x centred at 2000 and y at the study's mean.
struct LineSums {
  double n = 0.0, x = 0.0, y = 0.0, xx = 0.0, xy = 0.0;
  void add(double dx, double value) {
    n += 1.0;
    x += dx;
    y += value;
    xx += dx * dx;
    xy += dx * value;
  }
  std::optional<Line> line() const {
    const double spread = n * xx - x * x;
    if (!(spread > 1e-9 * n * xx)) return std::nullopt;
    const double b = (n * xy - x * y) / spread;
    return Line{(y - b * x) / n, b};
  }
};

// The split of section 2.4 on fixed dates and changing compute values. Not shared between threads.
class SplitRun {
 public:
  SplitRun(std::span<const double> year, const LargeScaleRule& rule, double gap_year)
      : year_(year),
        rule_(rule),
        gap_year_(gap_year),
        windows_(year, rule.window, rule.mode),
        z_(year.size()) {}

  std::optional<SplitFigures> run(std::span<const double> y) {
    windows_.z_scores(y, z_);
    LineSums large, regular;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const bool is_large = year_[i] >= rule_.start && z_[i] > rule_.z;
      (is_large ? large : regular).add(year_[i] - kCentreYear, y[i]);
    }
    SplitFigures figures;
    figures.n_large = static_cast<std::size_t>(large.n);
    if (figures.n_large < kLeastLarge) return std::nullopt;
    const auto large_line = large.line();
    const auto regular_line = regular.line();
    if (!large_line || !regular_line) return std::nullopt;
    figures.slope_large = large_line->b;
    figures.slope_regular = regular_line->b;
    figures.slope_difference = large_line->b - regular_line->b;
    figures.gap = large_line->at(gap_year_) - regular_line->at(gap_year_);
    return figures;
  }

  bool is_large(std::size_t row) const { return year_[row] >= rule_.start && z_[row] > rule_.z; }

 private:
  std::span<const double> year_;
  LargeScaleRule rule_;
  double gap_year_;
  TimeWindows windows_;
  std::vector<double> z_;
};

void check_options(const NullStudyOptions& options) {
  if (options.simulations >= 1 && options.simulations <= 100'000'000) return;
  throw Error(ErrorClass::kUsage,
              "trends.bad_simulations",
              {.what = "the number of simulations cannot be used",
               .seen = std::to_string(options.simulations),
               .wanted = "1 to 100000000",
               .remedy = "use 10000"});
}

SplitFigures observed_split(SplitRun& run, std::span<const double> log10_flop) {
  const auto figures = run.run(log10_flop);
  if (figures) return *figures;
  throw Error(
      ErrorClass::kData,
      "trends.no_split",
      {.what = "the large-scale split finds no second line in these rows",
       .seen = "fewer than " + std::to_string(kLeastLarge) + " large-scale systems with different dates",
       .wanted = "rows in which the rule finds two groups",
       .remedy = "lower the z threshold or widen the period"});
}

// What is simulated: a mean per row, and noise.
struct Simulation {
  std::vector<double> mean;       // [n], OOM
  std::vector<double> residuals;  // drawn with replacement; empty: Gaussian of sd `noise_sd`
  double noise_sd = 0.0;
  std::uint64_t index = 0;  // first word of the streams
};

// One entry per simulation, in order: nullopt where the split found no two lines.
std::vector<std::optional<SplitFigures>> simulate(std::span<const double> year,
                                                  const Simulation& simulation,
                                                  const NullStudyOptions& options) {
  std::vector<std::optional<SplitFigures>> results(options.simulations);
  parallel_for(results.size(), kChunk, [&](std::size_t begin, std::size_t end) {
    if (options.stop != nullptr && options.stop->requested()) {
      throw Error(ErrorClass::kResource,
                  "trends.stopped",
                  {.what = "the null study was stopped before its end",
                   .seen = "a stop request",
                   .wanted = "all simulations",
                   .remedy = "run it again, perhaps with fewer simulations"});
    }
    SplitRun run(year, options.large, options.gap_year);
    std::vector<double> y(year.size());
    const auto residuals = static_cast<std::uint32_t>(simulation.residuals.size());
    for (std::size_t k = begin; k < end; ++k) {
      random::Generator generator(options.seed, k, simulation.index);
      for (std::size_t i = 0; i < y.size(); ++i) {
        const double noise = residuals > 0 ? simulation.residuals[generator.below(residuals)]
                                           : simulation.noise_sd * generator.normal();
        y[i] = simulation.mean[i] + noise;
      }
      results[k] = run.run(y);
    }
  });
  return results;
}

NullDistribution distribution(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  return {percentile_of_sorted(values, 2.5),
          percentile_of_sorted(values, 50.0),
          percentile_of_sorted(values, 97.5)};
}

Simulation one_trend(std::span<const double> year,
                     std::span<const double> log10_flop,
                     const Fit& line,
                     NullNoise noise) {
  Simulation simulation;
  for (double x : year) simulation.mean.push_back(line.line.at(x));
  simulation.noise_sd = line.residual_sd_unbiased;
  if (noise == NullNoise::kResampledResiduals) {
    simulation.residuals = residuals(year, log10_flop, line.line);
    simulation.noise_sd = line.residual_sd;
  }
  simulation.index = kNullIndex;
  return simulation;
}

}  // namespace

std::string_view to_string(NullNoise noise) {
  return noise == NullNoise::kGaussian ? "gaussian" : "resampled-residuals";
}

NullStudyReport run_null_study(std::span<const double> year,
                               std::span<const double> log10_flop,
                               const NullStudyOptions& options) {
  check_options(options);
  NullStudyReport report;
  report.line = fit_line(year, log10_flop);
  report.n = report.line.n;
  report.simulations = options.simulations;
  SplitRun run(year, options.large, options.gap_year);
  report.observed = observed_split(run, log10_flop);
  const Simulation simulation = one_trend(year, log10_flop, report.line, options.noise);
  report.noise_sd = simulation.noise_sd;

  std::vector<double> found;
  std::size_t slower = 0, extreme_slope = 0, extreme_gap = 0, extreme_both = 0;
  for (const auto& figures : simulate(year, simulation, options)) {
    if (!figures) {
      ++report.without_split;
      continue;
    }
    const bool slope = figures->slope_difference <= report.observed.slope_difference;
    const bool gap = figures->gap >= report.observed.gap;
    extreme_slope += slope;
    extreme_gap += gap;
    extreme_both += slope && gap;
    slower += figures->slope_difference < 0.0;
    found.push_back(static_cast<double>(figures->n_large));
    report.slope_differences.push_back(figures->slope_difference);
    report.gaps.push_back(figures->gap);
  }
  const auto all = static_cast<double>(options.simulations);
  const auto p_value = [&](std::size_t extreme) {
    return (1.0 + static_cast<double>(extreme)) / (1.0 + all);
  };
  report.p_slope_difference = p_value(extreme_slope);
  report.p_gap = p_value(extreme_gap);
  report.p_both = p_value(extreme_both);
  report.share_slower = static_cast<double>(slower) / all;
  report.n_large = distribution(std::move(found));
  report.slope_difference = distribution(report.slope_differences);
  report.gap = distribution(report.gaps);
  return report;
}

PowerReport run_power_study(std::span<const double> year,
                            std::span<const double> log10_flop,
                            const NullStudyOptions& options) {
  std::vector<double> null_differences = run_null_study(year, log10_flop, options).slope_differences;
  PowerReport report;
  report.simulations = options.simulations;
  if (null_differences.empty()) return report;
  std::sort(null_differences.begin(), null_differences.end());
  report.critical_difference = percentile_of_sorted(null_differences, 5.0);

  // Two trends: every row keeps the group it was observed in.
  SplitRun run(year, options.large, options.gap_year);
  static_cast<void>(observed_split(run, log10_flop));
  std::array<std::vector<std::size_t>, 2> groups;
  for (std::size_t i = 0; i < year.size(); ++i) groups[run.is_large(i) ? 1 : 0].push_back(i);
  Simulation simulation;
  simulation.mean.resize(year.size());
  double sse = 0.0;
  for (const auto& rows : groups) {
    const Fit fit = fit_line(pick(year, rows), pick(log10_flop, rows));
    sse += fit.sse;
    for (std::size_t row : rows) simulation.mean[row] = fit.line.at(year[row]);
  }
  const auto degrees = static_cast<double>(std::max<std::size_t>(5, year.size()) - 4);  // two lines
  simulation.noise_sd = std::sqrt(sse / degrees);
  if (options.noise == NullNoise::kResampledResiduals) {
    for (std::size_t i = 0; i < year.size(); ++i) {
      simulation.residuals.push_back(log10_flop[i] - simulation.mean[i]);
    }
  }
  simulation.index = kPowerIndex;
  std::vector<double> differences, gaps;
  std::size_t detected = 0;
  for (const auto& figures : simulate(year, simulation, options)) {
    if (!figures) continue;
    detected += figures->slope_difference <= report.critical_difference;
    differences.push_back(figures->slope_difference);
    gaps.push_back(figures->gap);
  }
  report.power = static_cast<double>(detected) / static_cast<double>(options.simulations);
  report.slope_difference = distribution(std::move(differences));
  report.gap = distribution(std::move(gaps));
  return report;
}

}  // namespace tenfold::compute_trends
