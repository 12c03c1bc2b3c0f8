// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/bootstrap.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <map>
#include <numbers>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/threads.h"
#include "tenfold/kernels/resample.h"
#include "tenfold/systems/compute_trends/bca.h"

namespace tenfold::compute_trends {
namespace {

constexpr std::size_t kChunk = 512;  // resamples between two looks at the stop token
constexpr std::uint32_t kMostDraws = 1000;
// First words of the streams of noise, wild weights and coverage tables: far from the words of the resampling kernel,
// whose second counter word is the attempt number (< kMostDraws).
constexpr std::uint64_t kNoiseIndex = std::uint64_t{1} << 63;
constexpr std::uint64_t kWildIndex = std::uint64_t{1} << 62;
constexpr std::uint64_t kCoverageIndex = std::uint64_t{3} << 61;

Error usage_error(const char* code, std::string what, std::string seen, std::string wanted) {
  return Error(ErrorClass::kUsage,
               code,
               {.what = std::move(what),
                .seen = std::move(seen),
                .wanted = std::move(wanted),
                .remedy = "correct the option"});
}

double sigma_of(const std::vector<double>& sigma, std::size_t row) {
  return sigma.empty() ? 0.0 : sigma[sigma.size() == 1 ? 0 : row];
}

void check_options(std::size_t rows, const BootstrapOptions& options) {
  if (options.resamples < 1 || options.resamples > 100'000'000) {
    throw usage_error("trends.bad_resamples",
                      "the number of bootstrap resamples cannot be used",
                      std::to_string(options.resamples),
                      "1 to 100000000");
  }
  check_confidence(options.confidence);
  const bool wild =
      options.kind == BootstrapKind::kWildRademacher || options.kind == BootstrapKind::kWildMammen;
  if (wild && options.interval == IntervalKind::kBca) {
    throw usage_error("trends.bca_of_wild",
                      "a BCa interval needs rows or organisations that are drawn",
                      std::string(to_string(options.kind)),
                      "the pairs or the cluster bootstrap, or a percentile interval");
  }
  const std::vector<double>& sigma = options.sigma;
  const bool bad_value =
      std::any_of(sigma.begin(), sigma.end(), [](double s) { return !(s >= 0.0) || !std::isfinite(s); });
  if (bad_value || (sigma.size() > 1 && sigma.size() != rows)) {
    throw Error(
        ErrorClass::kData,
        "trends.bad_sigma",
        {.what = "the noise of the compute estimates cannot be used",
         .seen = bad_value ? "a negative or infinite value" : std::to_string(sigma.size()) + " values",
         .wanted = "no value, one value, or " + std::to_string(rows) + " values (one per row), all >= 0",
         .remedy = "give sigma in orders of magnitude, for example 0.15"});
  }
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

// What is drawn: single rows, or all rows of an organisation together.
struct Units {
  std::vector<std::vector<std::size_t>> rows;  // of each unit
};

Units single_rows(std::size_t n) {
  Units units;
  for (std::size_t i = 0; i < n; ++i) units.rows.push_back({i});
  return units;
}

Units organizations(std::size_t n, const std::vector<int>& labels) {
  if (labels.size() != n) {
    throw Error(ErrorClass::kData,
                "trends.lengths_differ",
                {.what = "the cluster bootstrap needs the organisation of every row",
                 .seen = std::to_string(labels.size()) + " labels",
                 .wanted = std::to_string(n) + " labels",
                 .remedy = "use a table with an organisation column, or another bootstrap"});
  }
  std::map<int, std::vector<std::size_t>> by_label;
  for (std::size_t i = 0; i < n; ++i) by_label[labels[i]].push_back(i);
  Units units;
  for (auto& [label, rows] : by_label) units.rows.push_back(std::move(rows));
  if (units.rows.size() < 2) {
    throw Error(ErrorClass::kData,
                "trends.too_few_clusters",
                {.what = "the cluster bootstrap cannot be used",
                 .seen = std::to_string(units.rows.size()) + " organisation",
                 .wanted = "at least 2 organisations",
                 .remedy = "use the pairs bootstrap"});
  }
  return units;
}

// Sums over the drawn rows, with dx and dy deviations from the table's means. Noise enters by its variance: given the drawn
// rows, sum sigma z and sum dx sigma z are jointly normal, so two normal numbers stand for all rows of a resample.
struct Sums {
  double dx, dy, dxdx, dxdy, n, ss, dxss, dxdxss;
};

class PairsBootstrap {
 public:
  PairsBootstrap(std::span<const double> year,
                 std::span<const double> log10_flop,
                 const BootstrapOptions& options,
                 Units units)
      : year_(year),
        log10_flop_(log10_flop),
        options_(options),
        base_(fit_line(year, log10_flop)),
        units_(std::move(units)),
        wide_(options.kind == BootstrapKind::kCluster || !options.sigma.empty()),
        table_(make_table()) {}

  std::uint64_t redrawn() const { return redrawn_.load(); }

  // Lines of resamples [begin, begin + lines.size()).
  void run(std::size_t begin, std::span<Line> lines) {
    std::array<double, kChunk * 8> sums;
    const std::size_t width = table_.width();
    kernels::resample_sums(table_, {options_.seed, 0}, begin, lines.size(), sums);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const Sums drawn = unpack(sums.data() + i * width);
      lines[i] = well_spread(drawn) ? line_of(drawn, begin + i) : careful_line(begin + i);
    }
  }

 private:
  kernels::ResampleTable make_table() {
    for (double year : year_) mean_x_ += year / static_cast<double>(year_.size());
    for (double y : log10_flop_) mean_y_ += y / static_cast<double>(year_.size());
    const std::size_t width = wide_ ? 8 : 4;
    std::vector<double> values(units_.rows.size() * width, 0.0);
    for (std::size_t unit = 0; unit < units_.rows.size(); ++unit) {
      for (std::size_t row : units_.rows[unit]) {
        const double dx = year_[row] - mean_x_;
        const double dy = log10_flop_[row] - mean_y_;
        const double s = sigma_of(options_.sigma, row);
        const std::array<double, 8> terms = {
            dx, dy, dx * dx, dx * dy, 1.0, s * s, dx * s * s, dx * dx * s * s};
        for (std::size_t i = 0; i < width; ++i) values[unit * width + i] += terms[i];
      }
    }
    return kernels::ResampleTable(units_.rows.size(), width, values);
  }

  Sums unpack(const double* s) const {
    if (!wide_) return {s[0], s[1], s[2], s[3], static_cast<double>(year_.size()), 0.0, 0.0, 0.0};
    return {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]};
  }

  static bool well_spread(const Sums& s) { return s.n * s.dxdx - s.dx * s.dx > 1e-6 * s.n * s.dxdx; }

  Line line_of(const Sums& s, std::uint64_t resample) const {
    double dy = s.dy;
    double dxdy = s.dxdy;
    if (s.ss > 0.0) {
      random::Generator noise(options_.seed, resample, kNoiseIndex);
      const double z0 = noise.normal();
      const double z1 = noise.normal();
      const double scale = std::sqrt(s.ss);
      dy += scale * z0;
      dxdy += s.dxss / scale * z0 + std::sqrt(std::max(0.0, s.dxdxss - s.dxss * s.dxss / s.ss)) * z1;
    }
    Line line;
    line.b = (s.n * dxdy - s.dx * dy) / (s.n * s.dxdx - s.dx * s.dx);
    line.a = mean_y_ + dy / s.n - line.b * (mean_x_ + s.dx / s.n - kCentreYear);
    return line;
  }

  // For resamples whose dates are all equal, or nearly: decides by the dates themselves, redraws equal ones and sums the
  // others around their own mean.
  Line careful_line(std::uint64_t resample) {
    std::vector<std::uint32_t> drawn(units_.rows.size());
    for (std::uint32_t attempt = 0; attempt < kMostDraws; ++attempt) {
      kernels::resample_indices(units_.rows.size(), {options_.seed, attempt}, resample, drawn);
      std::vector<std::size_t> rows;
      for (std::uint32_t unit : drawn) {
        rows.insert(rows.end(), units_.rows[unit].begin(), units_.rows[unit].end());
      }
      const double first = year_[rows.front()];
      if (std::any_of(rows.begin(), rows.end(), [&](std::size_t row) { return year_[row] != first; })) {
        return line_of_rows(rows, resample);
      }
      redrawn_.fetch_add(1, std::memory_order_relaxed);
    }
    throw Error(ErrorClass::kData,
                "trends.degenerate_resamples",
                {.what = "bootstrap resample " + std::to_string(resample) + " never had two different dates",
                 .seen = std::to_string(kMostDraws) + " draws",
                 .wanted = "a table whose resamples usually have two different dates",
                 .remedy = "use more rows, or the wild bootstrap"});
  }

  Line line_of_rows(std::span<const std::size_t> rows, std::uint64_t resample) const {
    double centre = 0.0;
    for (std::size_t row : rows) centre += year_[row] / static_cast<double>(rows.size());
    Sums s{};
    for (std::size_t row : rows) {
      const double dx = year_[row] - centre;
      const double dy = log10_flop_[row] - mean_y_;
      const double variance = std::pow(sigma_of(options_.sigma, row), 2);
      s = {s.dx + dx,
           s.dy + dy,
           s.dxdx + dx * dx,
           s.dxdy + dx * dy,
           s.n + 1.0,
           s.ss + variance,
           s.dxss + dx * variance,
           s.dxdxss + dx * dx * variance};
    }
    Line line = line_of(s, resample);
    line.a += line.b * (mean_x_ - centre);  // line_of measures dx from the table's mean
    return line;
  }

  std::span<const double> year_;
  std::span<const double> log10_flop_;
  const BootstrapOptions& options_;
  Fit base_;  // throws when the rows define no line
  Units units_;
  bool wide_;
  double mean_x_ = 0.0;
  double mean_y_ = 0.0;
  kernels::ResampleTable table_;
  std::atomic<std::uint64_t> redrawn_{0};
};

// Wild bootstrap (Wu 1986; Mammen 1993): y* = line + residual * v with E v = 0, E v^2 = 1, dates fixed.
class WildBootstrap {
 public:
  WildBootstrap(std::span<const double> year,
                std::span<const double> log10_flop,
                const BootstrapOptions& options)
      : options_(options), fit_(fit_line(year, log10_flop)), n_(static_cast<double>(year.size())) {
    for (double x : year) mean_x_ += x / n_;
    residual_ = residuals(year, log10_flop, fit_.line);
    for (std::size_t i = 0; i < year.size(); ++i) {
      const double dx = year[i] - mean_x_;
      const double variance = std::pow(sigma_of(options.sigma, i), 2);
      dx_.push_back(dx);
      dxdx_ += dx * dx;
      noise_ += variance;
      dx_noise_ += dx * variance;
      dxdx_noise_ += dx * dx * variance;
    }
  }

  void run(std::size_t begin, std::span<Line> lines) const {
    for (std::size_t i = 0; i < lines.size(); ++i) lines[i] = line_of(begin + i);
  }

 private:
  double weight(random::Generator& generator) const {
    const std::uint32_t word = generator.next_u32();
    if (options_.kind == BootstrapKind::kWildRademacher) return (word & 1u) != 0 ? 1.0 : -1.0;
    const double root5 = std::sqrt(5.0);
    const double share_of_low = (root5 + 1.0) / (2.0 * root5);
    return static_cast<double>(word) * 0x1.0p-32 < share_of_low ? -(root5 - 1.0) / 2.0 : (root5 + 1.0) / 2.0;
  }

  Line line_of(std::uint64_t resample) const {
    random::Generator generator(options_.seed, resample, kWildIndex);
    double sum = 0.0;
    double dx_sum = 0.0;
    for (std::size_t i = 0; i < dx_.size(); ++i) {
      const double error = residual_[i] * weight(generator);
      sum += error;
      dx_sum += dx_[i] * error;
    }
    if (noise_ > 0.0) {
      random::Generator normal(options_.seed, resample, kNoiseIndex);
      const double z0 = normal.normal();
      const double z1 = normal.normal();
      sum += std::sqrt(noise_) * z0;
      dx_sum += dx_noise_ / std::sqrt(noise_) * z0 +
                std::sqrt(std::max(0.0, dxdx_noise_ - dx_noise_ * dx_noise_ / noise_)) * z1;
    }
    Line line;
    line.b = fit_.line.b + dx_sum / dxdx_;
    line.a = fit_.line.at(mean_x_) + sum / n_ - line.b * (mean_x_ - kCentreYear);
    return line;
  }

  const BootstrapOptions& options_;
  Fit fit_;
  double n_;
  double mean_x_ = 0.0;
  std::vector<double> dx_, residual_;
  double dxdx_ = 0.0, noise_ = 0.0, dx_noise_ = 0.0, dxdx_noise_ = 0.0;
};

// Like percentile_of_sorted for unsorted values, by selection.
std::vector<double> percentiles(std::vector<double> values, std::span<const double> ascending_percents) {
  std::vector<double> result;
  auto done = values.begin();
  for (double percent : ascending_percents) {
    const double position = percent / 100.0 * static_cast<double>(values.size() - 1);
    const auto below = values.begin() + static_cast<std::ptrdiff_t>(position);
    std::nth_element(done, below, values.end());
    const auto next = below + 1 == values.end() ? below : std::min_element(below + 1, values.end());
    result.push_back(*below + (position - std::floor(position)) * (*next - *below));
    done = below;
  }
  return result;
}

SlopeInterval percentile_interval(std::vector<double> slopes, double confidence) {
  const std::array<double, 3> percents = {50.0 * (1.0 - confidence), 50.0, 50.0 * (1.0 + confidence)};
  const std::vector<double> ends = percentiles(std::move(slopes), percents);
  return {ends[0], ends[1], ends[2]};
}

}  // namespace

std::string_view to_string(BootstrapKind kind) {
  switch (kind) {
    case BootstrapKind::kPairs:
      return "pairs";
    case BootstrapKind::kWildRademacher:
      return "wild-rademacher";
    case BootstrapKind::kWildMammen:
      return "wild-mammen";
    case BootstrapKind::kCluster:
      return "cluster";
  }
  return "pairs";
}

std::string_view to_string(IntervalKind kind) {
  return kind == IntervalKind::kBca ? "bca" : "percentile";
}

DoublingInterval doubling_interval(const SlopeInterval& slope) {
  return {doubling_months(slope.high), doubling_months(slope.median), doubling_months(slope.low)};
}

std::string interval_text(const DoublingInterval& interval, int decimals) {
  if (!interval.low) return "no doubling";
  const auto text = [&](const std::optional<double>& months) {
    return months ? fmt::format("{:.{}f}", *months, decimals) : std::string(">");
  };
  return "[" + text(interval.low) + "; " + text(interval.median) + "; " + text(interval.high) + "]";
}

std::vector<Line> bootstrap_lines(std::span<const double> year,
                                  std::span<const double> log10_flop,
                                  const BootstrapOptions& options,
                                  std::uint64_t* redrawn) {
  check_rows(year, log10_flop);
  check_options(year.size(), options);
  std::vector<Line> lines(options.resamples);
  const auto run_all = [&](auto& engine) {
    parallel_for(lines.size(), kChunk, [&](std::size_t begin, std::size_t end) {
      poll(options.stop);
      engine.run(begin, std::span(lines).subspan(begin, end - begin));
    });
  };
  if (redrawn != nullptr) *redrawn = 0;
  if (options.kind == BootstrapKind::kWildRademacher || options.kind == BootstrapKind::kWildMammen) {
    const WildBootstrap engine(year, log10_flop, options);
    run_all(engine);
    return lines;
  }
  Units units = options.kind == BootstrapKind::kCluster ? organizations(year.size(), options.organization)
                                                        : single_rows(year.size());
  PairsBootstrap engine(year, log10_flop, options, std::move(units));
  run_all(engine);
  if (redrawn != nullptr) *redrawn = engine.redrawn();
  return lines;
}

BootstrapReport bootstrap(std::span<const double> year,
                          std::span<const double> log10_flop,
                          const BootstrapOptions& options) {
  BootstrapReport report;
  report.kind = options.kind;
  report.interval = options.interval;
  report.n = year.size();
  report.resamples = options.resamples;
  report.seed = options.seed;
  report.confidence = options.confidence;
  report.lines = bootstrap_lines(year, log10_flop, options, &report.redrawn);
  if (options.kind == BootstrapKind::kCluster) {
    report.clusters = organizations(year.size(), options.organization).rows.size();
  }
  std::vector<double> slopes(report.lines.size());
  std::transform(
      report.lines.begin(), report.lines.end(), slopes.begin(), [](const Line& line) { return line.b; });
  if (options.interval == IntervalKind::kBca) {
    const bool clusters = options.kind == BootstrapKind::kCluster;
    const std::vector<double> jackknife =
        jackknife_slopes(year, log10_flop, clusters ? options.organization : std::vector<int>{});
    report.slope =
        bca_interval(std::move(slopes), fit_line(year, log10_flop).line.b, jackknife, options.confidence);
  } else {
    report.slope = percentile_interval(std::move(slopes), options.confidence);
  }
  report.doubling = doubling_interval(report.slope);
  return report;
}

CoverageReport simulate_coverage(const CoverageOptions& options) {
  if (options.tables < 1 || options.rows < 3 || !(options.first_year < options.last_year)) {
    throw usage_error("trends.bad_simulation",
                      "the coverage study cannot be run",
                      std::to_string(options.tables) + " tables of " + std::to_string(options.rows) + " rows",
                      "at least 1 table of at least 3 rows, first year before last year");
  }
  std::vector<double> width(options.tables);
  std::vector<char> covered(options.tables);
  parallel_for(options.tables, 8, [&](std::size_t begin, std::size_t end) {
    std::vector<double> year(options.rows), y(options.rows);
    for (std::size_t table = begin; table < end; ++table) {
      random::Generator generator(options.seed, table, kCoverageIndex);
      for (std::size_t i = 0; i < options.rows; ++i) {
        year[i] = options.first_year + (options.last_year - options.first_year) * generator.uniform();
        y[i] = options.slope * (year[i] - kCentreYear) + options.noise_sd * generator.normal();
      }
      BootstrapOptions inner = options.bootstrap;
      inner.seed = generator.next_u64();
      const SlopeInterval interval = bootstrap(year, y, inner).slope;
      covered[table] = interval.low <= options.slope && options.slope <= interval.high;
      width[table] = interval.high - interval.low;
    }
  });
  CoverageReport report;
  report.tables = options.tables;
  report.covered = static_cast<std::size_t>(std::count(covered.begin(), covered.end(), 1));
  report.coverage = static_cast<double>(report.covered) / static_cast<double>(report.tables);
  report.standard_error =
      std::sqrt(report.coverage * (1.0 - report.coverage) / static_cast<double>(report.tables));
  const std::array<double, 1> half = {50.0};
  report.median_width = percentiles(std::move(width), half).front();
  return report;
}

}  // namespace tenfold::compute_trends
