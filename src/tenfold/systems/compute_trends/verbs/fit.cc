// SPDX-License-Identifier: Apache-2.0
// `tenfold trends fit`: one line through one period, with its doubling time and interval.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/base/strings.h"
#include "tenfold/systems/compute_trends/eras.h"
#include "tenfold/systems/compute_trends/frontier.h"
#include "tenfold/systems/compute_trends/robust.h"
#include "tenfold/systems/compute_trends/verbs/rows.h"
#include "tenfold/systems/compute_trends/verbs/verbs.h"

namespace tenfold::compute_trends {
namespace {

struct FitOptions {
  SourceOptions source;
  FilterOptions filter;
  std::string outliers = "none";
  double outlier_sd = 2.0;
  std::string method = "ols";
  double tau = 0.9;
  double sigma_year = 0.25;
  double sigma_flop = 0.3;
  std::string bootstrap = "pairs";
  std::int64_t resamples = 1000;
  double noise = 0.0;
  double confidence = 0.95;
  std::string frontier = "none";
  std::int64_t top = 10;

  void visit_fields(auto&& field) {
    source.visit_fields(field);
    filter.visit_fields(field);
    field("outliers",
          outliers,
          {.help = "rows to drop by their residual to a first fit", .choices = {"none", "low", "both"}});
    field(
        "outlier_sd", outlier_sd, {.help = "how far off an outlier is", .unit = "sd", .min = 0.1, .max = 10});
    field("method",
          method,
          {.help = "how the line is fitted",
           .choices = {"ols", "theil-sen", "errors-in-variables", "quantile"}});
    field(
        "tau", tau, {.help = "quantile of method quantile: 0.9 is the frontier", .min = 0.001, .max = 0.999});
    field("sigma_year",
          sigma_year,
          {.help = "sd of the dates, method errors-in-variables", .unit = "years", .min = 1e-6, .max = 100});
    field("sigma_flop",
          sigma_flop,
          {.help = "sd of the compute, method errors-in-variables", .unit = "OOM", .min = 1e-6, .max = 100});
    field("bootstrap",
          bootstrap,
          {.help = "what is resampled", .choices = {"pairs", "wild-rademacher", "wild-mammen", "cluster"}});
    field("resamples", resamples, {.help = "bootstrap resamples", .min = 1, .max = 1e8});
    field("noise",
          noise,
          {.help = "sd of the noise of every estimate, added in each resample",
           .unit = "OOM",
           .min = 0,
           .max = 5});
    field("confidence", confidence, {.help = "of the interval", .min = 0.01, .max = 0.9999});
    field("frontier",
          frontier,
          {.help = "fit only the systems at the frontier of their day",
           .choices = {"none", "running-top", "window-percentile", "residual"}});
    field(
        "top", top, {.help = "systems at the frontier on any day, rule running-top", .min = 1, .max = 1000});
  }
};

BootstrapKind to_kind(const std::string& name) {
  for (BootstrapKind kind :
       {BootstrapKind::kWildRademacher, BootstrapKind::kWildMammen, BootstrapKind::kCluster}) {
    if (to_string(kind) == name) return kind;
  }
  return BootstrapKind::kPairs;
}

// Moves outliers of the first fit from the selection's rows to its excluded ones.
void drop_outliers(Selection& selection, const FitOptions& options) {
  if (options.outliers == "none") return;
  const Columns columns = columns_of(selection.rows);
  const Fit first = fit_line(columns.year, columns.log10_flop);
  const std::vector<double> distance = residuals(columns.year, columns.log10_flop, first.line);
  const double limit = options.outlier_sd * first.residual_sd;
  std::vector<SystemRow> kept;
  for (std::size_t i = 0; i < selection.rows.size(); ++i) {
    const bool low = distance[i] < -limit;
    const bool high = options.outliers == "both" && distance[i] > limit;
    if (low || high) {
      selection.excluded.push_back({selection.rows[i].name,
                                    selection.rows[i].line,
                                    fmt::format("{} outlier: {:.2f} OOM from the fit, limit {:.2f}",
                                                low ? "low" : "high",
                                                distance[i],
                                                limit)});
    } else {
      kept.push_back(selection.rows[i]);
    }
  }
  selection.rows = std::move(kept);
}

// Keeps the systems at the frontier; the others compete for it and are listed as excluded.
void keep_frontier(Selection& selection, const FitOptions& options) {
  if (options.frontier == "none") return;
  FrontierOptions frontier;
  frontier.top = static_cast<std::size_t>(options.top);
  for (FrontierRule rule :
       {FrontierRule::kRunningTop, FrontierRule::kWindowPercentile, FrontierRule::kResidual}) {
    if (to_string(rule) == options.frontier) frontier.rule = rule;
  }
  const Columns columns = columns_of(selection.rows);
  const std::vector<std::size_t> kept = select_frontier(columns.year, columns.log10_flop, frontier);
  std::vector<SystemRow> rows;
  std::size_t next = 0;
  for (std::size_t i = 0; i < selection.rows.size(); ++i) {
    if (next < kept.size() && kept[next] == i) {
      rows.push_back(selection.rows[i]);
      ++next;
    } else {
      selection.excluded.push_back({selection.rows[i].name, selection.rows[i].line, "below the frontier"});
    }
  }
  selection.rows = std::move(rows);
}

nlohmann::json frontier_json(const Columns& columns) {
  nlohmann::json list = nlohmann::json::array();
  for (const FrontierRow& row : frontier_sensitivity(columns.year, columns.log10_flop, -1e9)) {
    list.push_back({{"rule", row.label},
                    {"n", row.rows.size()},
                    {"doubling_months",
                     row.fit && row.fit->doubling_months ? nlohmann::json(*row.fit->doubling_months)
                                                         : nlohmann::json(nullptr)}});
  }
  return list;
}

// A line that is not least squares, in words and JSON; the interval comes from its own bootstrap.
struct OtherLine {
  nlohmann::json json;
  std::string note;
};

template <typename Report>
OtherLine describe(const Report& report, const std::string& method) {
  OtherLine other;
  other.json = {
      {"slope_oom_per_year", report.line.b},
      {"log10_flop_at_2000", report.line.a},
      {"doubling_months", report.doubling_months ? nlohmann::json(*report.doubling_months) : nullptr}};
  other.note = fmt::format(
      "{}: {:.3f} OOM/year, doubling {} months", method, report.line.b, months_text(report.doubling_months));
  if constexpr (requires { report.doubling; }) {
    if (report.slope_interval) {
      const auto end = [](std::optional<double> value) { return value ? nlohmann::json(*value) : nullptr; };
      other.json["doubling_months_ci"] = {end(report.doubling.low), end(report.doubling.high)};
      other.note += " " + interval_text(report.doubling);
    }
  } else {
    other.json["slope_standard_error"] = report.slope_standard_error;
    other.note += fmt::format(", standard error of the slope {:.3f}", report.slope_standard_error);
  }
  return other;
}

std::optional<OtherLine> other_line(const FitOptions& options, const Columns& columns, std::uint64_t seed) {
  const ResampleOptions resample{
      static_cast<std::size_t>(std::min<std::int64_t>(options.resamples, 1000)), seed, options.confidence};
  if (options.method == "theil-sen")
    return describe(theil_sen(columns.year, columns.log10_flop, resample), "Theil-Sen");
  if (options.method == "quantile") {
    return describe(quantile_line(columns.year, columns.log10_flop, options.tau, resample),
                    fmt::format("quantile {}", options.tau));
  }
  if (options.method == "errors-in-variables") {
    return describe(deming_line(columns.year, columns.log10_flop, options.sigma_year, options.sigma_flop),
                    "errors in variables");
  }
  return std::nullopt;
}

systems::Outcome fit(const FitOptions& options, systems::Context& context) {
  const Table table = read_table(options.source);
  Selection selection = select_rows(table, options.filter);
  const Columns all = columns_of(selection.rows);
  drop_outliers(selection, options);
  keep_frontier(selection, options);
  const Columns columns = columns_of(selection.rows);
  const Fit line = fit_line(columns.year, columns.log10_flop);
  BootstrapOptions resampling;
  resampling.kind = to_kind(options.bootstrap);
  resampling.resamples = static_cast<std::size_t>(options.resamples);
  resampling.seed = context.seed;
  resampling.confidence = options.confidence;
  resampling.stop = context.stop;
  resampling.organization = columns.organization;
  if (options.noise > 0.0) resampling.sigma = {options.noise};
  const BootstrapReport interval = bootstrap(columns.year, columns.log10_flop, resampling);

  const std::string period =
      to_string(parse_period(options.filter.from, options.filter.until, options.filter.to));
  nlohmann::json object = fit_json(line, &interval);
  object["method"] = options.method;
  object["period"] = period;
  object["outliers"] = options.outliers;
  object["included"] = columns.name;
  object["excluded"] = left_out_json(selection.excluded);
  object["table"] = table_json(table);
  if (options.frontier != "none") object["frontier_sensitivity"] = frontier_json(all);
  report::Table text{"Training compute over time", fit_columns(), {fit_cells(period, line, &interval)}, {}};
  if (!line.doubling_months)
    text.notes.push_back("The slope is not positive: training compute does not double.");
  if (const auto other = other_line(options, columns, context.seed)) {
    // The asked-for line takes the main keys; least squares stays beside it for comparison.
    object["ols"] = {{"slope_oom_per_year", line.line.b}, {"doubling_months", object["doubling_months"]}};
    object.update(other->json);
    text.notes.push_back(other->note);
  }
  text.notes.push_back(fmt::format("Bootstrap: {}, {} resamples, seed {}. {} of {} rows used.",
                                   options.bootstrap,
                                   options.resamples,
                                   context.seed,
                                   selection.rows.size(),
                                   table.rows.size() + table.skipped.size()));
  text.notes.push_back("Data: " + table.source + ". " + table.license);
  return systems::make_outcome(std::move(object), report::to_terminal(text));
}

}  // namespace

systems::Verb make_fit_verb() {
  return systems::make_verb<FitOptions>("fit",
                                        "fit one exponential trend: doubling time, interval, growth, R2",
                                        "Least squares of log10 FLOP on the date, with a bootstrap interval. "
                                        "The interval of the doubling time is the "
                                        "interval of the slope with its ends exchanged; an end where the "
                                        "slope is not positive is printed as >.",
                                        {"tenfold trends fit --until 2010",
                                         "tenfold trends fit --from 2010 --outliers low --json",
                                         "tenfold trends fit --from 2010 --method quantile --tau 0.9",
                                         "tenfold trends fit --from 2012 --frontier running-top --top 5"},
                                        fit);
}

}  // namespace tenfold::compute_trends
