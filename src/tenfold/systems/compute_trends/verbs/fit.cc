// SPDX-License-Identifier: Apache-2.0
// `tenfold trends fit`: one line through one period, with its doubling time and interval.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/report/gnuplot.h"
#include "tenfold/systems/compute_trends/eras.h"
#include "tenfold/systems/compute_trends/forecast.h"
#include "tenfold/systems/compute_trends/frontier.h"
#include "tenfold/systems/compute_trends/robust.h"
#include "tenfold/systems/compute_trends/verbs/rows.h"
#include "tenfold/systems/compute_trends/verbs/verbs.h"

namespace tenfold::compute_trends {
namespace {

constexpr std::int64_t kPicturePoints = 40;  // of the line

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
  std::string interval = "percentile";
  std::int64_t resamples = 1000;
  double noise = 0.0;
  double confidence = 0.95;
  std::string frontier = "none";
  std::string quantity = "flop";
  bool noise_by_method = false;
  std::int64_t top = 10;
  std::int64_t band = 0;
  std::string file;

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
    field("interval",
          interval,
          {.help = "percentiles, or bias-corrected and accelerated", .choices = {"percentile", "bca"}});
    field("resamples", resamples, {.help = "bootstrap resamples", .min = 1, .max = 1e8, .served_max = 1e6});
    field("noise",
          noise,
          {.help = "sd of the noise of every estimate, added in each resample",
           .unit = "OOM",
           .min = 0,
           .max = 5});
    field("noise_by_method",
          noise_by_method,
          {.help = "noise of each row instead: 0.35 OOM for guessed hardware, 0.15 otherwise"});
    field("quantity",
          quantity,
          {.help = "what is fitted; power without a column of its own is estimated from the processors",
           .choices = quantity_names()});
    field("confidence", confidence, {.help = "of the interval", .min = 0.01, .max = 0.9999});
    field("frontier",
          frontier,
          {.help = "fit only the systems at the frontier of their day",
           .choices = {"none", "running-top", "window-percentile", "residual"}});
    field(
        "top", top, {.help = "systems at the frontier on any day, rule running-top", .min = 1, .max = 1000});
    field("band",
          band,
          {.help = "points of the line and its interval in the result, method ols; 0: none",
           .min = 0,
           .max = 1000});
    field("file",
          file,
          {.help = "picture of the systems and the line, .svg or .png; inside --out when that is given",
           .affects_result = false,
           .file = config::FileUse::kWrite});
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

report::Table frontier_table(const Columns& columns) {
  report::Table table{
      "How the answer depends on the frontier rule", {"rule", "n", "doubling [months]"}, {}, {}};
  for (const FrontierRow& row : frontier_sensitivity(columns.year, columns.log10_flop, -1e9)) {
    table.rows.push_back(
        {row.label, std::to_string(row.rows.size()), row.fit ? months_text(row.fit->doubling_months) : "-"});
  }
  return table;
}

// Noise of each estimate by how it was made (specification of the method's authors: a factor of 2 either way for counted
// operations, a factor of 5 for guessed hardware, at 95 %).
double estimate_sigma(const SystemRow& row) {
  constexpr double kCounted = 0.15;
  constexpr double kGuessed = 0.35;
  const std::string text = to_lower(row.method + " " + row.confidence);
  const bool guessed =
      text.find("hardware") != std::string::npos || text.find("speculative") != std::string::npos;
  return guessed ? kGuessed : kCounted;
}

std::vector<double> noise_of(const Selection& selection, const FitOptions& options) {
  if (options.noise_by_method) {
    std::vector<double> sigma;
    for (const SystemRow& row : selection.rows) sigma.push_back(estimate_sigma(row));
    return sigma;
  }
  return options.noise > 0.0 ? std::vector<double>{options.noise} : std::vector<double>{};
}

// A line that is not least squares.
struct OtherLine {
  Line line;
  std::optional<SlopeInterval> interval;
  std::optional<double> standard_error;
};

OtherLine other_line(const FitOptions& options, const Columns& columns, const systems::Context& context) {
  const ResampleOptions resample{
      static_cast<std::size_t>(options.resamples), context.seed, options.confidence, context.stop};
  if (options.method == "theil-sen") {
    const RobustReport report = theil_sen(columns.year, columns.log10_flop, resample);
    return {report.line, report.slope_interval, std::nullopt};
  }
  if (options.method == "quantile") {
    const QuantileReport report = quantile_line(columns.year, columns.log10_flop, options.tau, resample);
    return {report.line, report.slope_interval, std::nullopt};
  }
  const ErrorsInVariablesReport report =
      deming_line(columns.year, columns.log10_flop, options.sigma_year, options.sigma_flop);
  return {report.line, std::nullopt, report.slope_standard_error};
}

// The asked-for line takes the main keys, each of them; least squares stands whole under "ols".
void put_other_line(nlohmann::json& object, report::Table& text, const OtherLine& other, const Fit& ols) {
  const auto number = [](std::optional<double> value) {
    return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
  };
  const std::optional<double> months = doubling_months(other.line.b);
  const double start = other.line.at(ols.first_year);
  const double end = other.line.at(ols.last_year);
  object["slope_oom_per_year"] = other.line.b;
  object["log10_flop_at_2000"] = other.line.a;
  object["doubling_months"] = number(months);
  object["growth_per_year"] = std::pow(10.0, other.line.b);
  object["start_flop"] = std::pow(10.0, start);
  object["end_flop"] = std::pow(10.0, end);
  object["r2"] = nullptr;
  object["slope_standard_error"] = number(other.standard_error);
  object["doubling_months_ci"] = nullptr;
  object["doubling_months_median"] = nullptr;
  object["slope_oom_per_year_ci"] = nullptr;
  std::string interval = "-";
  if (other.interval) {
    const DoublingInterval doubling = doubling_interval(*other.interval);
    object["doubling_months_ci"] = {number(doubling.low), number(doubling.high)};
    object["doubling_months_median"] = number(doubling.median);
    object["slope_oom_per_year_ci"] = {other.interval->low, other.interval->high};
    interval = interval_text(doubling);
  }
  text.rows.push_back(text.rows.front());
  text.rows.back()[0] = "the same by least squares";
  text.rows.front() = {text.rows.front()[0],
                       std::to_string(ols.n),
                       fmt::format("{:.3f}", other.line.b),
                       months_text(months),
                       interval,
                       "-",
                       scale_text(start, end)};
  if (other.standard_error) {
    text.notes.push_back(fmt::format("Standard error of the slope: {:.3f} OOM/year.", *other.standard_error));
  }
}

void check_method(const FitOptions& options) {
  if (options.method == "ols") return;
  const bool plain = options.bootstrap == "pairs" && options.noise == 0.0 && !options.noise_by_method &&
                     options.interval == "percentile";
  if (plain) return;
  throw Error(ErrorClass::kUsage,
              "fit.method_and_bootstrap",
              {.what = "this kind of bootstrap belongs to method ols",
               .seen = fmt::format("--method {} with --bootstrap {}, --interval {} or noise",
                                   options.method,
                                   options.bootstrap,
                                   options.interval),
               .wanted = "--bootstrap pairs with percentiles and without noise, or --method ols",
               .remedy = "leave one of the two out"});
}

BootstrapReport resample(const FitOptions& options,
                         const Selection& selection,
                         const Columns& columns,
                         const systems::Context& context) {
  BootstrapOptions resampling;
  resampling.kind = to_kind(options.bootstrap);
  resampling.interval = options.interval == "bca" ? IntervalKind::kBca : IntervalKind::kPercentile;
  resampling.resamples = static_cast<std::size_t>(options.resamples);
  resampling.seed = context.seed;
  resampling.confidence = options.confidence;
  resampling.stop = context.stop;
  resampling.organization = columns.organization;
  resampling.sigma = noise_of(selection, options);
  return bootstrap(columns.year, columns.log10_flop, resampling);
}

// The line and the interval of its height at evenly spaced dates, in the quantity's unit: for drawing.
report::Series band_of(const Fit& fit, const BootstrapReport& bootstrap, std::int64_t count) {
  std::vector<double> years;
  const auto last = static_cast<double>(std::max<std::int64_t>(1, count - 1));
  for (std::int64_t i = 0; i < count; ++i) {
    years.push_back(std::lerp(fit.first_year, fit.last_year, static_cast<double>(i) / last));
  }
  report::Series series;
  for (const FanPoint& point : fan({fit.line, bootstrap.lines, 0.0, 0.0}, years, bootstrap.confidence)) {
    series.x.push_back(point.year);
    series.y.push_back(std::pow(10.0, point.central));
    series.low.push_back(std::pow(10.0, point.line_low));
    series.high.push_back(std::pow(10.0, point.line_high));
  }
  return series;
}

// A line that is not least squares has no band: two points draw it.
report::Series straight(const nlohmann::json& object, const Fit& ols) {
  report::Series series;
  const double height = object["log10_flop_at_2000"].get<double>();
  for (double year : {ols.first_year, ols.last_year}) {
    series.x.push_back(year);
    series.y.push_back(
        std::pow(10.0, height + object["slope_oom_per_year"].get<double>() * (year - kCentreYear)));
  }
  return series;
}

struct Drawn {
  const Selection& selection;
  const Table& table;
  const Fit& ols;
  const BootstrapReport& bootstrap;
};

report::Chart fit_chart(const FitOptions& options, const Drawn& what, report::Series line) {
  const std::string title(title_of(what.table.quantity));
  report::Chart chart{.id = "trend", .title = title + " over time"};
  chart.x.title = "publication date";
  chart.y.title = with_unit(to_lower(title), what.table);
  chart.y.logarithmic = true;
  report::Series points{.name = "systems", .mark = report::Mark::kPoints};
  for (const SystemRow& row : what.selection.rows) {
    points.x.push_back(row.decimal_year);
    points.y.push_back(row.flop);
    points.labels.push_back(row.name);
  }
  line.name =
      line.low.empty() ? options.method : fmt::format("trend, {:g} % interval", 100 * options.confidence);
  chart.series = {std::move(points), std::move(line)};
  return chart;
}

// The points of the band and the picture, when they are asked for.
void add_drawing(nlohmann::json& object,
                 const FitOptions& options,
                 const Drawn& what,
                 const systems::Context& context) {
  const bool has_band = options.method == "ols";
  if (options.band > 0) {
    const report::Series band = band_of(what.ols, what.bootstrap, options.band);
    object["band"] =
        has_band ? nlohmann::json{{"year", band.x}, {"line", band.y}, {"low", band.low}, {"high", band.high}}
                 : nlohmann::json(nullptr);
  }
  if (options.file.empty()) return;
  const Path file = context.out.empty() ? Path(options.file) : context.out / options.file;
  report::Series line =
      has_band ? band_of(what.ols, what.bootstrap, kPicturePoints) : straight(object, what.ols);
  write_file_atomically(
      *context.files, file, report::picture(fit_chart(options, what, std::move(line)), file));
  object["file"] = file.string();
}

systems::Outcome fit(const FitOptions& options, systems::Context& context) {
  check_method(options);
  if (!options.file.empty()) report::check_picture_name(options.file);
  const Quantity quantity = to_quantity(options.quantity);
  const Table table = read_table(options.source, quantity);
  Selection selection = select_rows(table, options.filter);
  const Columns all = columns_of(selection.rows);
  drop_outliers(selection, options);
  keep_frontier(selection, options);
  const Columns columns = columns_of(selection.rows);
  const Fit line = fit_line(columns.year, columns.log10_flop);
  const BootstrapReport interval = resample(options, selection, columns, context);
  const std::string period =
      to_string(parse_period(options.filter.from, options.filter.until, options.filter.to));
  nlohmann::json object = fit_json(line, &interval);
  report::Table text{with_unit(fmt::format("{} over time", title_of(quantity)), table),
                     fit_columns(options.confidence),
                     {fit_cells(period, line, &interval)},
                     {}};
  if (options.method != "ols") {
    nlohmann::json ols = object;
    put_other_line(object, text, other_line(options, columns, context), line);
    rename_for_quantity(ols, quantity);
    object["ols"] = std::move(ols);
  }
  add_drawing(object, options, {selection, table, line, interval}, context);
  rename_for_quantity(object, quantity);
  if (object["slope_oom_per_year"].get<double>() <= 0.0) {
    text.notes.push_back("The slope is not positive: it does not double.");
  }
  object["method"] = options.method;
  object["quantity"] = options.quantity;
  object["period"] = period;
  object["outliers"] = options.outliers;
  object["included"] = columns.name;
  object["excluded"] = left_out_json(selection.excluded);
  object["table"] = table_json(table);
  text.notes.push_back(fmt::format("Bootstrap: {}{}, {} resamples, seed {}. {} of {} rows used.",
                                   options.bootstrap,
                                   options.interval == "bca" ? ", BCa interval" : "",
                                   options.resamples,
                                   context.seed,
                                   selection.rows.size(),
                                   table.rows.size() + table.skipped.size()));
  text.notes.push_back(source_note(table));
  std::string extra;
  if (options.frontier != "none") {
    object["frontier_sensitivity"] = frontier_json(all);
    extra = "\n" + report::to_terminal(frontier_table(all));
  }
  return systems::make_outcome(std::move(object), report::to_terminal(text) + extra);
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
