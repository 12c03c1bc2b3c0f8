// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <functional>
#include <map>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/systems/compute_trends/names.h"
#include "tenfold/systems/compute_trends/regression.h"

namespace tenfold::compute_trends {
namespace {

constexpr Date kDeepLearning{2010, 1, 1};
constexpr Date kFirstComputer{1940, 1, 1};
constexpr double kPetaflopOom = 15.0;
constexpr double kPetaflopDayOom = 19.9365;  // log10(8.64e19)
// Between the widest real residuals (-7.8 and +4.1 in 414 systems) and those moved by 15 orders of magnitude.
constexpr double kTooLow = -9.3;
constexpr double kTooHigh = 6.0;
constexpr double kSixNdAgrees = 3.5;
constexpr std::size_t kLargestFamily = 3000;  // pairs within a family are compared: 4.5 million at most

Date clock_date() {
  const auto days = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
  const std::chrono::year_month_day ymd(days);
  return {static_cast<int>(ymd.year()),
          static_cast<int>(static_cast<unsigned>(ymd.month())),
          static_cast<int>(static_cast<unsigned>(ymd.day()))};
}

// The usual compute of a year by the embedded table.
class ReferenceTrend {
 public:
  ReferenceTrend() {
    const Table table = embedded_table();
    before_ = line_of(select(table, {.period = {.until = kDeepLearning}}).rows);
    after_ = line_of(select(table, {.period = {.from = kDeepLearning}}).rows);
  }

  double residual(const SystemRow& row) const {
    // Beyond 2026 the line is a guess: held there, so that far dates do not turn into unit errors.
    const double year = std::clamp(row.decimal_year, 1952.0, 2026.0);
    return log10_flop(row) - (row.date < kDeepLearning ? before_ : after_).at(year);
  }

 private:
  static Line line_of(const std::vector<SystemRow>& rows) {
    std::vector<double> year, oom;
    for (const SystemRow& row : rows) {
      year.push_back(row.decimal_year);
      oom.push_back(log10_flop(row));
    }
    return fit_line(year, oom).line;
  }

  Line before_, after_;
};

// How many orders of magnitude a row seems moved: -15 for petaFLOP figures read as FLOP.
enum class Shift { kNone, kLow, kHigh };

std::optional<double> six_nd_distance(const SystemRow& row) {
  if (!row.parameters || !row.dataset_size || *row.parameters <= 0 || *row.dataset_size <= 0)
    return std::nullopt;
  const double epochs = row.epochs && *row.epochs > 0 ? *row.epochs : 1.0;
  return log10_flop(row) - std::log10(6.0) - std::log10(*row.parameters) - std::log10(*row.dataset_size) -
         std::log10(epochs);
}

Shift shift_of(const SystemRow& row, double residual) {
  const auto distance = six_nd_distance(row);
  if (distance && std::abs(*distance) <= kSixNdAgrees) return Shift::kNone;
  const bool low_by_count =
      distance && std::abs(*distance + kPetaflopOom) <= kSixNdAgrees && residual < kTooLow / 2;
  const bool high_by_count =
      distance && std::abs(*distance - kPetaflopOom) <= kSixNdAgrees && residual > kTooHigh / 2;
  if (residual < kTooLow || low_by_count) return Shift::kLow;
  if (residual > kTooHigh || high_by_count) return Shift::kHigh;
  return Shift::kNone;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return percentile_of_sorted(values, 50.0);
}

class Checker {
 public:
  Checker(CheckReport& report, const Date& today) : report_(report), today_(today) {}

  void run(const Table& table) {
    report_.sha256 = table.sha256;
    report_.rows = table.rows.size();
    report_.columns = table.columns;
    check_skipped(table);
    for (const std::string& warning : table.warnings)
      add(Severity::kWarning, 0, "check.reading", "", warning, "");
    check_dates(table);
    check_units(table);
    check_same_names(table);
    check_families(table);
  }

 private:
  void add(Severity severity,
           std::int64_t line,
           std::string code,
           std::string system,
           std::string message,
           std::string remedy) {
    report_.findings.push_back(
        {severity, line, std::move(code), std::move(system), std::move(message), std::move(remedy)});
  }

  void check_skipped(const Table& table) {
    for (const LeftOutRow& row : table.skipped) {
      if (!row.bad) ++report_.skipped;
      add(row.bad ? Severity::kError : Severity::kNote,
          row.line,
          row.code,
          row.name,
          row.reason,
          row.bad ? "correct the row" : "");
    }
  }

  void check_dates(const Table& table) {
    for (const SystemRow& row : table.rows) {
      const std::string date = to_string(row.date);
      if (row.date > today_) {
        add(Severity::kError,
            row.line,
            "check.date_future",
            row.name,
            fmt::format("published {}, after today ({})", date, to_string(today_)),
            "correct the date");
      } else if (row.date < kFirstComputer) {
        add(Severity::kWarning,
            row.line,
            "check.date_early",
            row.name,
            fmt::format("published {}, before the first computers", date),
            "check the date");
      }
    }
  }

  void check_units(const Table& table) {
    const ReferenceTrend trend;
    std::vector<double> residuals;
    std::vector<Shift> shifts;
    std::array<std::size_t, 3> counts{};
    for (const SystemRow& row : table.rows) {
      residuals.push_back(trend.residual(row));
      shifts.push_back(shift_of(row, residuals.back()));
      ++counts[static_cast<std::size_t>(shifts.back())];
    }
    const auto most = std::max_element(counts.begin(), counts.end()) - counts.begin();
    const auto usual = static_cast<Shift>(most);
    // Too few rows to know what is usual: what is off the trend is reported row by row.
    const bool whole_file = usual != Shift::kNone && table.rows.size() >= 5;
    if (whole_file) add_whole_file(table, residuals, usual, counts[static_cast<std::size_t>(most)]);
    const Shift expected = whole_file ? usual : Shift::kNone;
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
      if (shifts[i] != expected) add_row(table.rows[i], residuals[i], shifts[i], expected);
    }
  }

  void add_whole_file(const Table& table,
                      const std::vector<double>& residuals,
                      Shift usual,
                      std::size_t count) {
    const bool looks_log =
        usual == Shift::kLow && std::all_of(table.rows.begin(), table.rows.end(), [](const auto& row) {
          return row.flop > 0.5 && row.flop < 40.0;
        });
    const double middle = median(residuals);
    const bool days =
        std::abs(std::abs(middle) - kPetaflopDayOom) < std::abs(std::abs(middle) - kPetaflopOom);
    const std::string unit = looks_log               ? "log10 FLOP"
                             : usual == Shift::kHigh ? "FLOP"
                             : days                  ? "petaflop/s-day"
                                                     : "petaFLOP";
    std::string read_as = "FLOP";
    for (const ColumnUse& column : table.columns) {
      if (column.meaning == "flop") read_as = column.unit;
    }
    add(Severity::kError,
        0,
        "check.unit_file",
        "",
        fmt::format("{} of {} rows lie {:.1f} orders of magnitude {} the compute of their year: the column "
                    "was read as {} "
                    "and looks like {}",
                    count,
                    table.rows.size(),
                    std::abs(middle),
                    middle < 0 ? "below" : "above",
                    read_as,
                    unit),
        fmt::format("give the unit: --columns \"flop=HEADER,unit={}\"", unit));
  }

  void add_row(const SystemRow& row, double residual, Shift shift, Shift expected) {
    const double relative = residual + (expected == Shift::kLow    ? kPetaflopOom
                                        : expected == Shift::kHigh ? -kPetaflopOom
                                                                   : 0);
    const bool low = shift == Shift::kLow || (shift == Shift::kNone && expected == Shift::kHigh);
    std::string message =
        fmt::format("compute {:.3g} FLOP is {:.1f} orders of magnitude {} the rest of its year: {}",
                    row.flop,
                    std::abs(relative),
                    low ? "below" : "above",
                    low ? "it looks like petaFLOP among FLOP" : "it looks like FLOP among petaFLOP");
    if (const auto distance = six_nd_distance(row)) {
      message +=
          fmt::format("; 6 N D is {:.1f} orders {}", std::abs(*distance), *distance < 0 ? "higher" : "lower");
    }
    add(Severity::kError,
        row.line,
        "check.unit_row",
        row.name,
        message,
        low ? "multiply by 1e15 if the figure is in petaFLOP" : "divide by 1e15 if the figure is in FLOP");
  }

  void check_same_names(const Table& table) {
    std::unordered_map<std::string, const SystemRow*> first;
    for (const SystemRow& row : table.rows) {
      const auto [known, is_new] = first.emplace(squeezed_name(row.name), &row);
      if (is_new || known->first.empty()) continue;
      const SystemRow& other = *known->second;
      const bool same_figures = other.date == row.date || std::abs(row.flop / other.flop - 1.0) <= 0.01;
      add(same_figures ? Severity::kError : Severity::kWarning,
          row.line,
          "check.duplicate_name",
          row.name,
          fmt::format(
              "line {} has a system of the same name: {} with {:.3g} FLOP here, {} with {:.3g} FLOP there",
              other.line,
              to_string(row.date),
              row.flop,
              to_string(other.date),
              other.flop),
          "keep the row of the final system, or give the versions different names");
    }
  }

  // Rows of one family: the same first word ("GPT-2", "GPT-3 175B"), so that few pairs are compared.
  void check_families(const Table& table) {
    std::map<std::string, std::vector<const SystemRow*>> families;
    for (const SystemRow& row : table.rows) {
      const std::vector<std::string> words = name_words(row.name);
      if (!words.empty()) families[words.front().substr(0, 3)].push_back(&row);
    }
    for (const auto& [word, rows] : families) {
      if (rows.size() > kLargestFamily) {
        add(Severity::kNote,
            0,
            "check.family_too_large",
            "",
            fmt::format("{} names begin with '{}': near-identical names were not searched there",
                        rows.size(),
                        printable(word)),
            "");
        continue;
      }
      for (std::size_t i = 0; i < rows.size(); ++i) {
        for (std::size_t j = i + 1; j < rows.size(); ++j) compare_in_family(*rows[i], *rows[j]);
      }
    }
  }

  void compare_in_family(const SystemRow& a, const SystemRow& b) {
    if (std::abs(days_between(a.date, b.date)) > 730) return;
    const Likeness likeness = name_likeness(a.name, b.name);
    if (likeness == Likeness::kSame) return;  // reported by check_same_names
    const bool same_compute = std::abs(b.flop / a.flop - 1.0) <= 0.01;
    const bool same_day = a.date == b.date;
    if (likeness == Likeness::kSpelling || (likeness == Likeness::kPrefix && same_compute)) {
      add(Severity::kWarning,
          b.line,
          "check.near_duplicate",
          b.name,
          fmt::format("nearly the name of '{}' on line {} ({}, {:.3g} FLOP here, {:.3g} there)",
                      printable(a.name),
                      a.line,
                      to_string(a.date),
                      b.flop,
                      a.flop),
          "remove one of them if they are the same system");
    } else if (same_compute && same_day) {
      add(Severity::kNote,
          b.line,
          "check.same_figures",
          b.name,
          fmt::format("same date and compute as '{}' on line {}: versions of one system count twice in a fit",
                      printable(a.name),
                      a.line),
          "keep the most influential version");
    }
  }

  CheckReport& report_;
  Date today_;
};

// "f.csv line 12: ..." -> 12; 0 without a line.
std::int64_t line_in(const std::string& text) {
  const std::size_t at = text.find(" line ");
  if (at == std::string::npos) return 0;
  const std::size_t begin = at + 6;
  const auto line = parse_integer(
      std::string_view(text).substr(begin, text.find_first_not_of("0123456789", begin) - begin));
  return line ? *line : 0;
}

CheckReport check_with(const std::function<Table(const TableOptions&)>& read, const CheckOptions& options) {
  CheckReport report;
  TableOptions reading = options.table;
  reading.skip_bad = true;
  try {
    const Table table = read(reading);
    report.source = table.source;
    Checker(report, options.today.value_or(clock_date())).run(table);
  } catch (const Error& error) {
    // A table without columns or rows, or broken CSV, is a finding; a file that cannot be opened is not.
    if (error.error_class() != ErrorClass::kData) throw;
    report.findings.push_back(
        {Severity::kError,
         line_in(error.text().what),
         error.code(),
         "",
         error.text().what + (error.text().seen.empty() ? "" : "; seen: " + error.text().seen),
         error.text().remedy});
  }
  std::stable_sort(report.findings.begin(), report.findings.end(), [](const Finding& a, const Finding& b) {
    return std::tuple(-static_cast<int>(a.severity), a.line) <
           std::tuple(-static_cast<int>(b.severity), b.line);
  });
  for (const Finding& finding : report.findings) {
    ++(finding.severity == Severity::kError     ? report.errors
       : finding.severity == Severity::kWarning ? report.warnings
                                                : report.notes);
  }
  return report;
}

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::kNote:
      return "note";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "error";
}

CheckReport check_file(const std::string& path, const CheckOptions& options) {
  CheckReport report =
      check_with([&](const TableOptions& reading) { return load_or_embedded(path, reading); }, options);
  if (report.source.empty()) report.source = Path(path).filename().string();
  return report;
}

CheckReport check_text(std::string_view csv, std::string_view source, const CheckOptions& options) {
  CheckReport report =
      check_with([&](const TableOptions& reading) { return parse_table(csv, source, reading); }, options);
  report.source = source;
  return report;
}

}  // namespace tenfold::compute_trends
