// SPDX-License-Identifier: Apache-2.0
// `tenfold trends threshold`: when was, or will be, a level of training compute crossed?
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/systems/compute_trends/forecast.h"
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
  std::vector<double> fan = {2023, 2024, 2025, 2026, 2028, 2030};

  ThresholdOptions() { filter.from = "2010"; }

  void visit_fields(auto&& field) {
    source.visit_fields(field);
    filter.visit_fields(field);
    field("level", level, {.help = "levels of training compute", .unit = "FLOP", .min = 1, .max = 1e60});
    field("tau", tau, {.help = "share of systems below the frontier line", .min = 0.01, .max = 0.99});
    field("resamples", resamples, {.help = "bootstrap resamples", .min = 1, .max = 1e5});
    field("confidence", confidence, {.help = "of the intervals", .min = 0.01, .max = 0.9999});
    field("fan",
          fan,
          {.help = "years of the forecast table; empty: none",
           .unit = "decimal year",
           .min = 1900,
           .max = 2200});
  }
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

report::Table fan_table(const Forecast& trend,
                        const Forecast& frontier,
                        const ThresholdOptions& options,
                        nlohmann::json& list) {
  report::Table table{"If the trend went on unchanged",
                      {"year", "typical system [FLOP]", "one system, range", "frontier [FLOP]"},
                      {},
                      {}};
  const std::vector<FanPoint> typical = fan(trend, options.fan, options.confidence);
  const std::vector<FanPoint> top = fan(frontier, options.fan, options.confidence);
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

systems::Outcome threshold(const ThresholdOptions& options, systems::Context& context) {
  const Table table = read_table(options.source);
  const Selection selection = select_rows(table, options.filter);
  const Columns columns = columns_of(selection.rows);
  const Fit fit = fit_line(columns.year, columns.log10_flop);
  BootstrapOptions resampling;
  resampling.resamples = static_cast<std::size_t>(options.resamples);
  resampling.seed = context.seed;
  resampling.stop = context.stop;
  Forecast trend{
      fit.line, bootstrap(columns.year, columns.log10_flop, resampling).lines, 0.0, fit.residual_sd};
  Forecast frontier = trend;
  frontier.offset = frontier_offset(residuals(columns.year, columns.log10_flop, fit.line), options.tau);
  report::Table text{"When a level of training compute is crossed",
                     {"level [FLOP]",
                      "first system above",
                      "on",
                      "systems above",
                      "typical system",
                      fmt::format("frontier (tau {})", options.tau)},
                     {},
                     {}};
  nlohmann::json levels = nlohmann::json::array();
  for (double level : options.level) {
    const FirstSystem first = first_above(selection.rows, level);
    const Crossing typical = crossing(trend, std::log10(level), options.confidence);
    const Crossing top = crossing(frontier, std::log10(level), options.confidence);
    text.rows.push_back({fmt::format("{:.0e}", level),
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
    levels.push_back(std::move(row));
  }
  text.notes.push_back(
      fmt::format("Fit of {} rows, {:.3f} OOM/year. Intervals are {:.0f} % bootstrap intervals of the line: "
                  "they hold sampling error "
                  "only and assume that the trend goes on unchanged.",
                  fit.n,
                  fit.line.b,
                  100 * options.confidence));
  text.notes.push_back(source_note(table));
  nlohmann::json forecast = nlohmann::json::array();
  std::string extra;
  if (!options.fan.empty()) extra = "\n" + report::to_terminal(fan_table(trend, frontier, options, forecast));
  nlohmann::json object = {{"levels", levels},
                           {"forecast", forecast},
                           {"fit", fit_json(fit, nullptr)},
                           {"tau", options.tau},
                           {"frontier_offset_oom", frontier.offset},
                           {"confidence", options.confidence},
                           {"assumption", "the trend goes on unchanged; intervals hold sampling error only"},
                           {"table", table_json(table)}};
  return systems::make_outcome(std::move(object), report::to_terminal(text) + extra);
}

}  // namespace

systems::Verb make_threshold_verb() {
  return systems::make_verb<ThresholdOptions>(
      "threshold",
      "when was or will a level of training compute be crossed?",
      "Lists the first system of the table above each level, and the dates at which the fitted trend and the "
      "frontier "
      "(trend plus the tau-quantile of the residuals) reach it.",
      {"tenfold trends threshold --level 1e25",
       "tenfold trends threshold --level 1e25,1e26 --from 2012 --json"},
      threshold);
}

}  // namespace tenfold::compute_trends
