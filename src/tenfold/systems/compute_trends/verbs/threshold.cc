// SPDX-License-Identifier: Apache-2.0
// `tenfold trends threshold`: when was, or will be, a level of training compute crossed?
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/report/gnuplot.h"
#include "tenfold/systems/compute_trends/forecast.h"
#include "tenfold/systems/compute_trends/forecast_figure.h"
#include "tenfold/systems/compute_trends/verbs/rows.h"
#include "tenfold/systems/compute_trends/verbs/verbs.h"

namespace tenfold::compute_trends {
namespace {

struct ThresholdOptions {
  SourceOptions source;
  FilterOptions filter;
  std::vector<double> level = {1e23, 1e24, 1e25, 1e26};
  double tau = 0.9;
  std::int64_t resamples = 1000;
  double confidence = 0.9;
  std::string quantity = "flop";
  std::string file;
  std::vector<double> fan = {2023, 2024, 2025, 2026, 2028, 2030};

  ThresholdOptions() { filter.from = "2010"; }

  void visit_fields(auto&& field) {
    source.visit_fields(field);
    filter.visit_fields(field);
    field("quantity",
          quantity,
          {.help = "what is read forward; power without a column of its own is estimated from the processors",
           .choices = quantity_names()});
    field("level",
          level,
          {.help = "levels to be crossed, in FLOP or the quantity's unit", .min = 1e-30, .max = 1e60});
    field("tau", tau, {.help = "share of systems below the frontier line", .min = 0.01, .max = 0.99});
    field("resamples", resamples, {.help = "bootstrap resamples", .min = 1, .max = 1e5});
    field("confidence", confidence, {.help = "of the intervals", .min = 0.01, .max = 0.9999});
    field("fan",
          fan,
          {.help = "years of the forecast table; empty: none",
           .unit = "decimal year",
           .min = 1900,
           .max = 2200});
    field("file",
          file,
          {.help = "fan chart to draw, .svg or .png; inside --out when that is given",
           .affects_result = false,
           .file = config::FileUse::kWrite});
  }
};

struct Forecasts {
  Forecast typical;
  Forecast frontier;
};

struct FirstSystem {
  const SystemRow* row = nullptr;
  int count = 0;  // systems at or above the level
};

FirstSystem first_above(const std::vector<SystemRow>& rows, double level) {
  FirstSystem first;
  for (const SystemRow& row : rows) {
    if (row.flop < level) continue;
    if (first.row == nullptr) first.row = &row;
    ++first.count;
  }
  return first;
}

std::string date_text(std::optional<double> year) {
  if (!year) return ">";
  if (*year < 1.0 || *year > 9999.0) return fmt::format("{:.0f}", *year);
  return to_string(date_of_decimal_year(*year)).substr(0, 7);
}

nlohmann::json crossing_json(const Crossing& crossing) {
  const auto number = [](std::optional<double> value) {
    return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
  };
  return {{"year", number(crossing.year)},
          {"date", crossing.year ? nlohmann::json(date_text(crossing.year)) : nlohmann::json(nullptr)},
          {"ci", {number(crossing.low), number(crossing.high)}},
          {"share_never", crossing.share_never}};
}

std::string crossing_text(const Crossing& crossing) {
  if (!crossing.year) return "never";
  return fmt::format(
      "{} [{}; {}]", date_text(crossing.year), date_text(crossing.low), date_text(crossing.high));
}

report::Table fan_table(const Forecasts& forecasts,
                        const ThresholdOptions& options,
                        const Table& source,
                        nlohmann::json& list) {
  report::Table table{
      "If the trend went on unchanged",
      {"year", with_unit("typical system", source), "one system, range", with_unit("frontier", source)},
      {},
      {}};
  const std::vector<FanPoint> typical = fan(forecasts.typical, options.fan, options.confidence);
  const std::vector<FanPoint> top = fan(forecasts.frontier, options.fan, options.confidence);
  for (std::size_t i = 0; i < typical.size(); ++i) {
    const auto power = [](double value) { return fmt::format("{:.1e}", std::pow(10.0, value)); };
    table.rows.push_back({fmt::format("{}", typical[i].year),
                          power(typical[i].central),
                          power(typical[i].prediction_low) + " to " + power(typical[i].prediction_high),
                          power(top[i].central)});
    list.push_back({{"year", typical[i].year},
                    {"typical", std::pow(10.0, typical[i].central)},
                    {"one_system",
                     {std::pow(10.0, typical[i].prediction_low), std::pow(10.0, typical[i].prediction_high)}},
                    {"frontier", std::pow(10.0, top[i].central)}});
  }
  return table;
}

Forecasts read_forward(const Columns& columns,
                       const Fit& fit,
                       const ThresholdOptions& options,
                       const systems::Context& context) {
  BootstrapOptions resampling;
  resampling.resamples = static_cast<std::size_t>(options.resamples);
  resampling.seed = context.seed;
  resampling.stop = context.stop;
  Forecasts forecasts;
  forecasts.typical = {
      fit.line, bootstrap(columns.year, columns.log10_flop, resampling).lines, 0.0, fit.residual_sd};
  forecasts.frontier = forecasts.typical;
  forecasts.frontier.offset =
      frontier_offset(residuals(columns.year, columns.log10_flop, fit.line), options.tau);
  return forecasts;
}

report::Table levels_table(const std::vector<SystemRow>& rows,
                           const Forecasts& forecasts,
                           const ThresholdOptions& options,
                           const Table& source,
                           nlohmann::json& list) {
  report::Table text{fmt::format("When a level of {} is crossed", to_lower(title_of(source.quantity))),
                     {with_unit("level", source),
                      "first system above",
                      "on",
                      "systems above",
                      "typical system",
                      fmt::format("frontier (tau {})", options.tau)},
                     {},
                     {}};
  for (double level : options.level) {
    const FirstSystem first = first_above(rows, level);
    const Crossing typical = crossing(forecasts.typical, std::log10(level), options.confidence);
    const Crossing top = crossing(forecasts.frontier, std::log10(level), options.confidence);
    text.rows.push_back({fmt::format("{:g}", level),
                         first.row != nullptr ? first.row->name : "none in this table",
                         first.row != nullptr ? to_string(first.row->date) : "-",
                         std::to_string(first.count),
                         crossing_text(typical),
                         crossing_text(top)});
    nlohmann::json row = {{"level", level},
                          {"systems_above", first.count},
                          {"trend", crossing_json(typical)},
                          {"frontier", crossing_json(top)}};
    row["first_system"] =
        first.row != nullptr
            ? nlohmann::json({{"name", first.row->name}, {"date", to_string(first.row->date)}})
            : nlohmann::json(nullptr);
    list.push_back(std::move(row));
  }
  return text;
}

// Draws the chart when it is asked for and says where it is.
std::optional<Path> draw(const std::vector<SystemRow>& rows,
                         const Forecasts& forecasts,
                         const ThresholdOptions& options,
                         const Table& source,
                         systems::Context& context) {
  if (options.file.empty()) return std::nullopt;
  const Path file = context.out.empty() ? Path(options.file) : context.out / options.file;
  ForecastChart chart{rows, forecasts.typical, forecasts.frontier};
  if (!options.fan.empty()) chart.last_year = *std::max_element(options.fan.begin(), options.fan.end());
  chart.levels = options.level;
  chart.confidence = options.confidence;
  chart.quantity = to_lower(title_of(source.quantity));
  chart.unit = source.unit;
  write_file_atomically(*context.files, file, report::picture(forecast_chart(chart), file));
  return file;
}

void check_levels(const ThresholdOptions& options, Quantity quantity) {
  if (quantity == Quantity::kFlop || options.level != ThresholdOptions().level) return;
  throw Error(ErrorClass::kUsage,
              "threshold.no_level",
              {.what = fmt::format("no level of {} is given", to_lower(title_of(quantity))),
               .seen = "the levels of training compute",
               .wanted = "--level in the unit of the quantity",
               .remedy = "for example --quantity power --level 1e7,1e8"});
}

systems::Outcome threshold(const ThresholdOptions& options, systems::Context& context) {
  const Quantity quantity = to_quantity(options.quantity);
  check_levels(options, quantity);
  if (!options.file.empty()) report::check_picture_name(options.file);
  const Table table = read_table(options.source, quantity);
  const Selection selection = select_rows(table, options.filter);
  const Columns columns = columns_of(selection.rows);
  const Fit fit = fit_line(columns.year, columns.log10_flop);
  const Forecasts forecasts = read_forward(columns, fit, options, context);
  nlohmann::json levels = nlohmann::json::array();
  report::Table text = levels_table(selection.rows, forecasts, options, table, levels);
  text.notes.push_back(
      fmt::format("Fit of {} rows, {:.3f} OOM/year. Intervals are {:.0f} % bootstrap intervals of the line: "
                  "they hold sampling error "
                  "only and assume that the trend goes on unchanged.",
                  fit.n,
                  fit.line.b,
                  100 * options.confidence));
  text.notes.push_back(source_note(table));
  const std::optional<Path> picture = draw(selection.rows, forecasts, options, table, context);
  if (picture) text.notes.push_back("Fan chart: " + picture->string());
  nlohmann::json forecast = nlohmann::json::array();
  std::string extra;
  if (!options.fan.empty())
    extra = "\n" + report::to_terminal(fan_table(forecasts, options, table, forecast));
  nlohmann::json line = fit_json(fit, nullptr);
  rename_for_quantity(line, quantity);
  nlohmann::json object = {{"levels", levels},
                           {"forecast", forecast},
                           {"fit", line},
                           {"quantity", options.quantity},
                           {"tau", options.tau},
                           {"frontier_offset_oom", forecasts.frontier.offset},
                           {"confidence", options.confidence},
                           {"assumption", "the trend goes on unchanged; intervals hold sampling error only"},
                           {"table", table_json(table)}};
  object["file"] = picture ? nlohmann::json(picture->string()) : nlohmann::json(nullptr);
  return systems::make_outcome(std::move(object), report::to_terminal(text) + extra);
}

}  // namespace

systems::Verb make_threshold_verb() {
  return systems::make_verb<ThresholdOptions>(
      "threshold",
      "when was or will a level of training compute, cost or power be crossed?",
      "Lists the first system of the table above each level, and the dates at which the fitted trend and the "
      "frontier "
      "(trend plus the tau-quantile of the residuals) reach it.",
      {"tenfold trends threshold --level 1e25",
       "tenfold trends threshold --level 1e25,1e26 --from 2012 --json",
       "tenfold trends threshold --level 1e25 --file forecast.svg"},
      threshold);
}

}  // namespace tenfold::compute_trends
