// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "tenfold/systems/compute_trends/regression.h"

namespace tenfold::compute_trends {
namespace {

constexpr int kLargeScaleColor = 6;  // black, which no domain has
constexpr int kBandPoints = 25;
constexpr std::size_t kMostDomains = 5;  // the rest share one mark: more colours cannot be told apart

// The systems that readers look for; those of them in the table get their name in the picture.
const std::set<std::string>& famous_names() {
  static const std::set<std::string> names = {"Theseus",
                                              "Perceptron Mark I",
                                              "NetTalk",
                                              "LeNet-5",
                                              "AlexNet",
                                              "AlphaGo Zero",
                                              "GPT-3 175B",
                                              "GPT-3 175B (davinci)",
                                              "Transformer",
                                              "Megatron-Turing NLG 530B",
                                              "Back-propagation",
                                              "NPLM",
                                              "DQN",
                                              "Neocognitron",
                                              "Pandemonium (morse)"};
  return names;
}

double flop(double log10_value) {
  return std::pow(10.0, log10_value);
}

report::Series era_line(const std::string& name, const EraFit& era, bool dashed, int color) {
  report::Series series;
  series.name = name;
  series.mark = report::Mark::kLine;
  series.dashed = dashed;
  series.color = color;
  const Fit& fit = *era.fit;
  const double step = (fit.last_year - fit.first_year) / (kBandPoints - 1);
  for (int i = 0; i < kBandPoints; ++i) {
    const double year = fit.first_year + step * i;
    series.x.push_back(year);
    series.y.push_back(flop(fit.line.at(year)));
    if (!era.bootstrap || era.bootstrap->lines.empty()) continue;
    std::vector<double> values;
    values.reserve(era.bootstrap->lines.size());
    for (const Line& line : era.bootstrap->lines) values.push_back(line.at(year));
    std::sort(values.begin(), values.end());
    series.low.push_back(flop(percentile_of_sorted(values, 2.5)));
    series.high.push_back(flop(percentile_of_sorted(values, 97.5)));
  }
  return series;
}

// The most frequent domains, most frequent first; every other row is "other domains".
std::vector<std::string> main_domains(std::span<const SystemRow> rows) {
  std::map<std::string, int> counts;
  for (const SystemRow& row : rows) ++counts[row.domain];
  std::vector<std::pair<std::string, int>> sorted(counts.begin(), counts.end());
  std::stable_sort(
      sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> names;
  for (const auto& [name, count] : sorted) {
    if (names.size() < kMostDomains && !name.empty() && name != "Other") names.push_back(name);
  }
  return names;
}

void add_domains(report::Chart& chart, std::span<const SystemRow> rows) {
  const std::vector<std::string> names = main_domains(rows);
  std::vector<report::Series> series(names.size() + 1);
  for (std::size_t i = 0; i < series.size(); ++i) {
    series[i].name = i < names.size() ? names[i] : "other domains";
    series[i].mark = report::Mark::kPoints;
    series[i].color = static_cast<int>(i);
  }
  for (const SystemRow& row : rows) {
    const auto found = std::find(names.begin(), names.end(), row.domain);
    report::Series& target = series[static_cast<std::size_t>(found - names.begin())];
    target.x.push_back(row.decimal_year);
    target.y.push_back(row.flop);
    target.labels.push_back(row.name);
    target.annotate.push_back(famous_names().contains(row.name));
  }
  for (report::Series& one : series) {
    if (!one.x.empty()) chart.series.push_back(std::move(one));
  }
}

void add_rings(report::Chart& chart, std::span<const SystemRow> rows, const EraFit& large) {
  if (large.rows.empty()) return;
  report::Series rings;
  rings.name = "large-scale (z above the threshold)";
  rings.mark = report::Mark::kRings;
  rings.color = kLargeScaleColor;
  for (std::size_t row : large.rows) {
    rings.x.push_back(rows[row].decimal_year);
    rings.y.push_back(rows[row].flop);
    rings.labels.push_back(rows[row].name);
  }
  chart.series.push_back(std::move(rings));
}

void add_runs(report::Chart& chart, std::span<const OwnRun> runs) {
  if (runs.empty()) return;
  report::Series stars;
  stars.name = "your runs";
  stars.mark = report::Mark::kStars;
  stars.color = kLargeScaleColor;
  for (const OwnRun& run : runs) {
    stars.x.push_back(run.decimal_year);
    stars.y.push_back(run.flop);
    stars.labels.push_back(run.name);
    stars.annotate.push_back(true);
  }
  chart.series.push_back(std::move(stars));
}

// The paper's three eras; the border and the start are those of the report's own fits.
void add_spans(report::Chart& chart, const ErasReport& eras) {
  if (!eras.before.fit || !eras.all.fit) return;
  const double end = eras.all.fit->last_year;
  const double border = eras.border;
  chart.spans.push_back({eras.before.fit->first_year, border, "before deep learning"});
  chart.spans.push_back({border, end, "deep learning"});
}

}  // namespace

report::Chart era_chart(std::span<const SystemRow> rows,
                        const ErasReport& eras,
                        std::span<const OwnRun> runs) {
  report::Chart chart;
  chart.id = "compute-trends";
  chart.title = "Training compute of milestone machine-learning systems";
  chart.caption =
      "Each point is the final training run of one system. Lines are least-squares fits of log10 FLOP with "
      "95 % bootstrap "
      "bands; whether the ringed systems form a trend of their own is doubtful, see the null study.";
  chart.x.title = "publication date";
  chart.y.title = "training compute [FLOP]";
  chart.y.logarithmic = true;
  add_spans(chart, eras);
  add_domains(chart, rows);
  if (eras.before.fit)
    chart.series.push_back(era_line(fmt::format("before {:g}", eras.border), eras.before, false, 0));
  if (eras.regular.fit)
    chart.series.push_back(
        era_line(fmt::format("{:g} on, regular scale", eras.border), eras.regular, false, 1));
  if (eras.large.fit) chart.series.push_back(era_line("large-scale", eras.large, true, kLargeScaleColor));
  add_rings(chart, rows, eras.large);
  add_runs(chart, runs);
  return chart;
}

report::Chart zoom(report::Chart chart, double first_year) {
  chart.id += "-zoom";
  chart.title += fmt::format(", {:.0f} on", std::ceil(first_year));
  chart.caption.clear();
  std::vector<report::Series> kept;
  for (report::Series& series : chart.series) {
    report::Series part = series;
    part.x.clear(), part.y.clear(), part.low.clear(), part.high.clear(), part.labels.clear(),
        part.annotate.clear();
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (series.x[i] < first_year) continue;
      part.x.push_back(series.x[i]);
      part.y.push_back(series.y[i]);
      if (!series.low.empty()) part.low.push_back(series.low[i]), part.high.push_back(series.high[i]);
      if (!series.labels.empty()) part.labels.push_back(series.labels[i]);
      if (!series.annotate.empty()) part.annotate.push_back(series.annotate[i]);
    }
    if (part.x.size() > (part.mark == report::Mark::kLine ? 1u : 0u)) kept.push_back(std::move(part));
  }
  chart.series = std::move(kept);
  chart.spans.clear();
  return chart;
}

report::Chart null_chart(const NullStudyReport& study) {
  report::Chart chart;
  chart.id = "null-study";
  chart.title = "Slope difference the split finds where there is one trend only";
  chart.caption =
      "The split selects by the outcome, so differences appear without a second trend. The observed "
      "difference is the "
      "dashed line; the share of simulations left of it is the p-value.";
  chart.x.title = "slope of large-scale minus regular systems [OOM/year]";
  chart.y.title = "simulations";
  if (study.slope_differences.empty()) return chart;
  const auto [low, high] =
      std::minmax_element(study.slope_differences.begin(), study.slope_differences.end());
  constexpr int kBins = 40;
  const double left = std::min(*low, study.observed.slope_difference);
  const double width = (std::max(*high, study.observed.slope_difference) - left) / kBins;
  if (width <= 0.0) return chart;
  std::vector<double> counts(kBins, 0.0);
  for (double value : study.slope_differences) {
    ++counts[static_cast<std::size_t>(std::clamp(static_cast<int>((value - left) / width), 0, kBins - 1))];
  }
  report::Series histogram;
  histogram.name = "simulated";
  // A step line: a bar chart would want a category per bin.
  for (int bin = 0; bin < kBins; ++bin) {
    for (double edge : {left + bin * width, left + (bin + 1) * width}) {
      histogram.x.push_back(edge);
      histogram.y.push_back(counts[static_cast<std::size_t>(bin)]);
    }
  }
  report::Series observed;
  observed.name = "observed";
  observed.dashed = true;
  observed.x = {study.observed.slope_difference, study.observed.slope_difference};
  observed.y = {0.0, *std::max_element(counts.begin(), counts.end())};
  chart.series = {histogram, observed};
  return chart;
}

}  // namespace tenfold::compute_trends
