// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/verbs/rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/log.h"
#include "tenfold/base/strings.h"
#include "tenfold/systems/compute_trends/check.h"

namespace tenfold::compute_trends {
namespace {

nlohmann::json optional_json(std::optional<double> value) {
  return value ? nlohmann::json(*value) : nlohmann::json(nullptr);
}

std::string power_text(double log10_value) {
  double exponent = std::floor(log10_value);
  double digit = std::round(std::pow(10.0, log10_value - exponent));
  if (digit >= 10.0) {
    digit = 1.0;
    exponent += 1.0;
  }
  return fmt::format("{:.0f}e{:.0f}", digit, exponent);
}

}  // namespace

namespace {

constexpr std::size_t kMostWarnings = 10;

// What the reader assumed or left out must not be found in the JSON only.
void warn(const Table& table) {
  std::vector<std::string> lines = table.warnings;
  for (const LeftOutRow& row : table.skipped) {
    if (row.bad) lines.push_back(fmt::format("line {}: left out: {}", row.line, row.reason));
  }
  for (std::size_t i = 0; i < std::min(lines.size(), kMostWarnings); ++i)
    log::warning("{}: {}", table.source, printable(lines[i], 400));
  if (lines.size() > kMostWarnings)
    log::warning("{}: {} more such lines: tenfold trends check lists them",
                 table.source,
                 lines.size() - kMostWarnings);
}

}  // namespace

Table read_table(const SourceOptions& options, Quantity quantity) {
  TableOptions reading;
  reading.quantity = quantity;
  reading.columns = options.columns;
  reading.skip_bad = options.skip_bad;
  Table table = load_or_embedded(options.csv, reading);
  if (options.csv.empty()) return table;
  // A unit that is mixed up moves a fit by orders of magnitude, so it is an error here, not only in `check`.
  if (quantity == Quantity::kFlop && options.skip_bad) {
    skip_wrong_units(table);
  } else if (quantity == Quantity::kFlop) {
    check_units(table);
  }
  warn(table);
  return table;
}

Selection select_rows(const Table& table, const FilterOptions& options) {
  RowFilter filter;
  filter.period = parse_period(options.from, options.until, options.to);
  filter.domains = options.domain;
  filter.organizations = options.organization;
  filter.name = options.name;
  return select(table, filter);
}

Columns columns_of(const std::vector<SystemRow>& rows) {
  Columns columns;
  std::map<std::string, int> numbers;
  int next = 0;
  for (const SystemRow& row : rows) {
    columns.year.push_back(row.decimal_year);
    columns.log10_flop.push_back(log10_flop(row));
    columns.name.push_back(row.name);
    if (row.organization.empty()) {
      columns.organization.push_back(next++);
      continue;
    }
    const auto [entry, inserted] = numbers.try_emplace(row.organization, next);
    if (inserted) ++next;
    columns.organization.push_back(entry->second);
  }
  return columns;
}

std::vector<std::string> pick(const std::vector<std::string>& values, const std::vector<std::size_t>& rows) {
  std::vector<std::string> picked;
  for (std::size_t row : rows) picked.push_back(values.at(row));
  return picked;
}

nlohmann::json fit_json(const Fit& fit, const BootstrapReport* bootstrap) {
  nlohmann::json object = {{"n", fit.n},
                           {"doubling_months", optional_json(fit.doubling_months)},
                           {"slope_oom_per_year", fit.line.b},
                           {"log10_flop_at_2000", fit.line.a},
                           {"growth_per_year", fit.growth_per_year},
                           {"r2", fit.r2},
                           {"residual_sd_oom", fit.residual_sd},
                           {"slope_standard_error", fit.slope_standard_error},
                           {"first_year", fit.first_year},
                           {"last_year", fit.last_year},
                           {"start_flop", std::pow(10.0, fit.start_log10)},
                           {"end_flop", std::pow(10.0, fit.end_log10)}};
  if (bootstrap == nullptr) return object;
  const DoublingInterval& doubling = bootstrap->doubling;
  object["doubling_months_ci"] = {optional_json(doubling.low), optional_json(doubling.high)};
  object["doubling_months_median"] = optional_json(doubling.median);
  object["slope_oom_per_year_ci"] = {bootstrap->slope.low, bootstrap->slope.high};
  object["bootstrap"] = {{"kind", to_string(bootstrap->kind)},
                         {"interval", to_string(bootstrap->interval)},
                         {"resamples", bootstrap->resamples},
                         {"seed", bootstrap->seed},
                         {"confidence", bootstrap->confidence},
                         {"redrawn", bootstrap->redrawn}};
  return object;
}

void rename_for_quantity(nlohmann::json& fit, Quantity quantity) {
  if (quantity == Quantity::kFlop) return;
  for (const auto& [key, other] : {std::pair{"start_flop", "start"},
                                   std::pair{"end_flop", "end"},
                                   std::pair{"log10_flop_at_2000", "log10_at_2000"}}) {
    fit[other] = fit[key];
    fit.erase(key);
  }
}

std::string with_unit(std::string_view name, const Table& table) {
  return table.unit.empty() ? std::string(name) : fmt::format("{} [{}]", name, table.unit);
}

nlohmann::json table_json(const Table& table) {
  return {{"source", table.source},
          {"unit", table.unit},
          {"sha256", table.sha256},
          {"rows", table.rows.size()},
          {"skipped", left_out_json(table.skipped)},
          {"warnings", table.warnings},
          {"license", table.license}};
}

nlohmann::json left_out_json(const std::vector<LeftOutRow>& rows) {
  nlohmann::json list = nlohmann::json::array();
  for (const LeftOutRow& row : rows) {
    list.push_back({{"name", row.name}, {"line", row.line}, {"reason", row.reason}});
  }
  return list;
}

std::string source_note(const Table& table) {
  return "Table: " + table.source + (table.license.empty() ? "" : ". " + table.license);
}

std::vector<std::string> fit_columns(double confidence) {
  return {"period",
          "n",
          "OOM/year",
          "doubling [months]",
          fmt::format("{:g} % interval", 100 * confidence),
          "R2",
          "scale"};
}

std::vector<std::string> fit_cells(const std::string& name,
                                   const Fit& fit,
                                   const BootstrapReport* bootstrap) {
  return {name,
          std::to_string(fit.n),
          fmt::format("{:.3f}", fit.line.b),
          months_text(fit.doubling_months),
          bootstrap == nullptr ? "-" : interval_text(bootstrap->doubling),
          fmt::format("{:.2f}", fit.r2),
          scale_text(fit.start_log10, fit.end_log10)};
}

std::string months_text(std::optional<double> months) {
  return months ? fmt::format("{:.1f}", *months) : "no doubling";
}

std::string scale_text(double start_log10, double end_log10) {
  return power_text(start_log10) + " -> " + power_text(end_log10);
}

}  // namespace tenfold::compute_trends
