// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/chips.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/csv.h"
#include "tenfold/systems/compute_trends/names.h"
#include "tenfold_compute_trends_embedded.h"

namespace tenfold::compute_trends {
namespace {

class ChipReader {
 public:
  ChipReader(std::string_view csv, std::string_view source)
      : source_(source), table_(io::parse_csv(csv, std::string(source))) {}

  std::vector<Chip> run() {
    for (const char* name : {"name", "year", "format", "flop_per_second"}) {
      if (!table_.column(name)) {
        throw Error(ErrorClass::kData,
                    "chips.missing_column",
                    {.what = fmt::format("{} line 1: the list of chips lacks a column", source_),
                     .seen = join(table_.header, ", "),
                     .wanted = fmt::format("a column '{}'", name),
                     .remedy = "add the column: name,year,format,flop_per_second"});
      }
    }
    std::vector<Chip> chips;
    for (const io::CsvRow& row : table_.rows) chips.push_back(read(row));
    return chips;
  }

 private:
  std::string text(const io::CsvRow& row, std::string_view column) const {
    const auto index = table_.column(column);
    return index ? std::string(trim(row[*index])) : std::string();
  }

  // A rate above 0; `fallback` for an empty cell.
  double rate(const io::CsvRow& row, std::string_view column, std::optional<double> fallback) const {
    const std::string cell = text(row, column);
    if (cell.empty() && fallback) return *fallback;
    const auto value = parse_double(cell);
    if (!value || !std::isfinite(*value) || *value <= 0) throw_bad(row, column, cell, "a number above 0");
    return *value;
  }

  Chip read(const io::CsvRow& row) const {
    Chip chip;
    chip.name = text(row, "name");
    if (chip.name.empty()) throw_bad(row, "name", "", "a name");
    const auto year = parse_integer(text(row, "year"));
    if (!year || *year < 1940 || *year > 2100)
      throw_bad(row, "year", text(row, "year"), "a year from 1940 to 2100");
    chip.year = static_cast<int>(*year);
    chip.format = to_lower(text(row, "format"));
    if (chip.format.empty()) throw_bad(row, "format", "", "fp32, fp16, bf16, ...");
    chip.flop_per_second = rate(row, "flop_per_second", std::nullopt);
    chip.low = rate(row, "low", chip.flop_per_second);
    chip.high = rate(row, "high", chip.flop_per_second);
    if (chip.low > chip.flop_per_second || chip.flop_per_second > chip.high) {
      throw_bad(row, "low", fmt::format("{} to {}", chip.low, chip.high), "low <= flop_per_second <= high");
    }
    if (!text(row, "watts").empty()) chip.watts = rate(row, "watts", std::nullopt);
    chip.common_data_centre = text(row, "common_data_centre") == "1";
    chip.confidence = text(row, "confidence");
    chip.note = text(row, "note");
    for (const std::string& alias : split(text(row, "aliases"), ';')) {
      if (!trim(alias).empty()) chip.aliases.emplace_back(trim(alias));
    }
    return chip;
  }

  [[noreturn]] void throw_bad(const io::CsvRow& row,
                              std::string_view column,
                              std::string_view seen,
                              std::string_view wanted) const {
    throw Error(ErrorClass::kData,
                "chips.bad_row",
                {.what = fmt::format("{} line {}: column '{}' cannot be used", source_, row.line(), column),
                 .seen = "'" + printable(seen) + "'",
                 .wanted = std::string(wanted),
                 .remedy = "correct the cell"});
  }

  std::string source_;
  io::CsvTable table_;
};

// The maker's name says nothing: "NVIDIA Tesla V100" and "Tesla V100" are one.
std::string chip_key(std::string_view name) {
  std::string key = squeezed_name(name);
  for (std::string_view maker : {"nvidia", "google"}) {
    if (key.starts_with(maker)) key.erase(0, maker.size());
  }
  return key;
}

bool has_name(const Chip& chip, const std::string& key) {
  const auto same = [&](const std::string& name) { return chip_key(name) == key; };
  return same(chip.name) || std::any_of(chip.aliases.begin(), chip.aliases.end(), same);
}

[[noreturn]] void throw_unknown(std::span<const Chip> chips, std::string_view name) {
  std::set<std::string> listed;
  std::vector<std::string> all;
  for (const Chip& chip : chips) {
    listed.insert(chip.name);
    all.push_back(chip.name);
    all.insert(all.end(), chip.aliases.begin(), chip.aliases.end());
  }
  const auto nearest = nearest_name(name, all);
  const std::vector<std::string> shown(listed.begin(), listed.end());
  throw Error(ErrorClass::kUsage,
              "chips.unknown",
              {.what = "no such chip in the list",
               .seen = "'" + printable(name) + "'",
               .wanted = join(shown, ", "),
               .remedy = (nearest ? fmt::format("did you mean '{}'? ", *nearest) : std::string()) +
                         "or give the peak rate itself in FLOP/s"});
}

}  // namespace

std::vector<Chip> embedded_chips() {
  return parse_chips(embedded::chips_csv(), "embedded chips.csv");
}

std::vector<Chip> parse_chips(std::string_view csv, std::string_view source) {
  return ChipReader(csv, source).run();
}

const Chip& find_chip(std::span<const Chip> chips, std::string_view name, std::string_view format) {
  const std::string key = chip_key(name);
  const Chip* best = nullptr;
  std::vector<std::string> formats;
  for (const Chip& chip : chips) {
    if (key.empty() || !has_name(chip, key)) continue;
    formats.push_back(chip.format);
    if (!format.empty() && chip.format != to_lower(format)) continue;
    const bool better =
        best == nullptr || (chip.common_data_centre && !best->common_data_centre) ||
        (chip.common_data_centre == best->common_data_centre && chip.flop_per_second > best->flop_per_second);
    if (better) best = &chip;
  }
  if (best != nullptr) return *best;
  if (formats.empty()) throw_unknown(chips, name);
  throw Error(ErrorClass::kUsage,
              "chips.no_format",
              {.what = fmt::format("the list has no rate of {} at this number format", printable(name)),
               .seen = "'" + printable(format) + "'",
               .wanted = join(formats, ", "),
               .remedy = "choose a format of the list, or give the peak rate itself in FLOP/s"});
}

const Chip* chip_named(std::span<const Chip> chips, std::string_view name) {
  const std::string key = chip_key(name);
  if (key.empty()) return nullptr;
  const auto found =
      std::find_if(chips.begin(), chips.end(), [&](const Chip& chip) { return has_name(chip, key); });
  return found == chips.end() ? nullptr : &*found;
}

const Chip& usual_chip_before(std::span<const Chip> chips, const Date& publication) {
  const Chip* best = nullptr;
  for (const Chip& chip : chips) {
    if (!chip.common_data_centre || chip.year > publication.year - 1) continue;
    if (best == nullptr || chip.year > best->year) best = &chip;
  }
  if (best != nullptr) return *best;
  throw Error(ErrorClass::kData,
              "chips.none_before",
              {.what = "no usual data-centre chip is known for the year before publication",
               .seen = fmt::format("publication in {}", publication.year),
               .wanted = "a publication after the first chip of the list",
               .remedy = "name the chip, or give the peak rate itself in FLOP/s"});
}

}  // namespace tenfold::compute_trends
