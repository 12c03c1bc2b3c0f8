// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/check.h"

#include <fmt/format.h>

#include <algorithm>
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
#include "tenfold/systems/compute_trends/units.h"

namespace tenfold::compute_trends {
namespace {

constexpr Date kFirstComputer{1940, 1, 1};
constexpr double kPetaflopOom = 15.0;
constexpr std::size_t kLargestFamily = 3000;  // pairs within a family are compared: 4.5 million at most

Date clock_date() {
  const auto days = std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now());
  const std::chrono::year_month_day ymd(days);
  return {static_cast<int>(ymd.year()),
          static_cast<int>(static_cast<unsigned>(ymd.month())),
          static_cast<int>(static_cast<unsigned>(ymd.day()))};
}

// Cuts "f.csv line 12: " off the front and gives 12; 0 without a line.
std::int64_t take_line(std::string& text) {
  const std::size_t at = text.find(" line ");
  if (at == std::string::npos) return 0;
  const std::size_t begin = at + 6;
  const std::size_t end = text.find_first_not_of("0123456789", begin);
  if (end == std::string::npos || end == begin || text[end] != ':') return 0;
  const auto line = parse_integer(std::string_view(text).substr(begin, end - begin));
  if (!line) return 0;
  text.erase(0, std::min(text.size(), end + 2));
  return *line;
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

  // The line stands beside the finding and the file above it.
  static std::string without_place(const std::string& reason, const std::string& source) {
    std::string text = reason;
    if (text.starts_with(source + " line ")) take_line(text);
    return text;
  }

  void check_skipped(const Table& table) {
    if (table.rows.empty()) {
      add(Severity::kError,
          0,
          "table.empty",
          "",
          fmt::format("no row has a usable date and training compute; {} skipped", table.skipped.size()),
          "correct the rows below, or name the columns with --columns");
    }
    for (const LeftOutRow& row : table.skipped) {
      if (!row.bad) ++report_.skipped;
      add(row.bad ? Severity::kError : Severity::kNote,
          row.line,
          row.code,
          row.name,
          without_place(row.reason, table.source),
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
    const UnitVerdict verdict = judge_units(table);
    const bool whole_file = verdict.whole_file != Shift::kNone && table.rows.size() > 1;
    if (whole_file) add_whole_file(verdict);
    for (std::size_t i = 0; i < table.rows.size(); ++i) {
      const RowUnit& unit = verdict.rows[i];
      if (!whole_file) {
        if (unit.shift != Shift::kNone) add_far_row(table.rows[i], unit, verdict);
      } else if (!unit.wrong) {
        add_exception(table.rows[i], unit, verdict.whole_file);
      }
    }
  }

  void add_whole_file(const UnitVerdict& verdict) {
    add(Severity::kError,
        0,
        "check.unit_file",
        "",
        fmt::format(
            "{} of {} rows lie {:.1f} orders of magnitude {} what the embedded trend expects of their "
            "dates: the column was read as {} and looks like {}",
            verdict.whole_file_rows,
            verdict.rows.size(),
            std::abs(verdict.whole_file_residual),
            verdict.whole_file_residual < 0 ? "below" : "above",
            verdict.read_as,
            verdict.looks_like),
        fmt::format("give the unit: --columns \"unit={}\"", verdict.looks_like));
  }

  static std::string six_nd_text(const RowUnit& unit) {
    if (!unit.six_nd) return "";
    return fmt::format(
        "; 6 N D is {:.1f} orders {}", std::abs(*unit.six_nd), *unit.six_nd < 0 ? "higher" : "lower");
  }

  // A row far from the trend in a file that has no unit verdict as a whole.
  void add_far_row(const SystemRow& row, const RowUnit& unit, const UnitVerdict& verdict) {
    const bool low = unit.shift == Shift::kLow;
    std::string message = fmt::format(
        "compute {:.3g} FLOP is {:.1f} orders of magnitude {} what the embedded trend expects for {}",
        row.flop,
        std::abs(unit.residual),
        low ? "below" : "above",
        to_string(row.date));
    if (!unit.wrong) {
      add(Severity::kWarning,
          row.line,
          "check.far_from_trend",
          row.name,
          message + six_nd_text(unit),
          "check the figure, its unit and the date");
      return;
    }
    message += low                         ? ": it looks like petaFLOP"
               : verdict.read_as == "FLOP" ? ": it looks like FLOP multiplied by 1e15"
                                           : ": it looks like FLOP";
    add(Severity::kError,
        row.line,
        "check.unit_row",
        row.name,
        message + six_nd_text(unit),
        low ? "multiply by 1e15 if the figure is in petaFLOP" : "divide by 1e15 if the figure is in FLOP");
  }

  // A row that does not share the wrong unit of the rest.
  void add_exception(const SystemRow& row, const RowUnit& unit, Shift usual) {
    const bool low = usual == Shift::kHigh;
    const double moved = unit.residual + (low ? -kPetaflopOom : kPetaflopOom);
    add(Severity::kError,
        row.line,
        "check.unit_row",
        row.name,
        fmt::format("compute {:.3g} FLOP is {:.1f} orders of magnitude {} the rest of the file: {}",
                    row.flop,
                    std::abs(moved),
                    low ? "below" : "above",
                    low ? "it looks like petaFLOP among FLOP" : "it looks like FLOP among petaFLOP") +
            six_nd_text(unit),
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

CheckReport check_with(const std::function<Table(const TableOptions&)>& read, const CheckOptions& options) {
  CheckReport report;
  TableOptions reading = options.table;
  reading.skip_bad = true;
  reading.allow_empty = true;  // the rows that were skipped say more than that none is left
  try {
    const Table table = read(reading);
    report.source = table.source;
    Checker(report, options.today.value_or(clock_date())).run(table);
  } catch (const Error& error) {
    // A table without columns or rows, or broken CSV, is a finding; a file that cannot be opened is not.
    if (error.error_class() != ErrorClass::kData) throw;
    std::string message = error.text().what;
    const std::int64_t line = take_line(message);
    if (!error.text().seen.empty()) message += "; seen: " + error.text().seen;
    report.findings.push_back(
        {Severity::kError, line, error.code(), "", std::move(message), error.text().remedy});
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
