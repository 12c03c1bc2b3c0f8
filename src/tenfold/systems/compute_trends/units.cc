// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/systems/compute_trends/check.h"
#include "tenfold/systems/compute_trends/regression.h"

namespace tenfold::compute_trends {
namespace {

constexpr Date kDeepLearning{2010, 1, 1};
constexpr double kPetaflopOom = 15.0;
constexpr double kPetaflopDayOom = 19.9365;  // log10(8.64e19)
// Between the widest real residuals (-7.8 and +4.1 in 414 systems) and those moved by 15 orders of magnitude.
constexpr double kTooLow = -9.3;
constexpr double kTooHigh = 6.0;
constexpr double kTooHighForFlop = 9.0;  // figures read as FLOP were multiplied by nothing
constexpr double kLowestReal = -8.0;
constexpr double kHighestReal = 5.0;
constexpr double kSixNdAgrees = 3.5;
constexpr double kWholeFileShare = 0.6;
constexpr std::size_t kRowsThatShowATrend = 3;
constexpr double kLeastRun = 1e9;  // FLOP: what one core does in a fraction of a second

// The usual compute of a date by the embedded table, as log10 FLOP.
class ReferenceTrend {
 public:
  ReferenceTrend() {
    const Table table = embedded_table();
    before_ = line_of(select(table, {.period = {.until = kDeepLearning}}).rows);
    after_ = line_of(select(table, {.period = {.from = kDeepLearning}}).rows);
  }

  double at(const SystemRow& row) const {
    // Beyond 2026 the line is a guess: held there, so that far dates do not turn into unit errors.
    const double year = std::clamp(row.decimal_year, 1952.0, 2026.0);
    return (row.date < kDeepLearning ? before_ : after_).at(year);
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

std::optional<double> six_nd_distance(const SystemRow& row) {
  if (!row.parameters || !row.dataset_size || *row.parameters <= 0 || *row.dataset_size <= 0)
    return std::nullopt;
  const double epochs = row.epochs && *row.epochs > 0 ? *row.epochs : 1.0;
  return log10_flop(row) - std::log10(6.0) - std::log10(*row.parameters) - std::log10(*row.dataset_size) -
         std::log10(epochs);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return percentile_of_sorted(values, 50.0);
}

double squares_about_mean(const std::vector<double>& values) {
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  return std::accumulate(values.begin(), values.end(), 0.0, [mean](double sum, double value) {
    return sum + (value - mean) * (value - mean);
  });
}

class UnitJudge {
 public:
  explicit UnitJudge(const Table& table) : table_(table) {
    for (const ColumnUse& column : table.columns) {
      if (column.meaning == "flop" && !column.unit.empty()) verdict_.read_as = column.unit;
    }
    for (const SystemRow& row : table.rows) {
      verdict_.rows.push_back({log10_flop(row) - trend_.at(row), Shift::kNone, false, six_nd_distance(row)});
      place(verdict_.rows.back());
    }
  }

  UnitVerdict run() {
    const std::vector<double> near = residuals_of(Shift::kNone);
    const std::size_t low = residuals_of(Shift::kLow).size(), high = residuals_of(Shift::kHigh).size();
    const double centre = near.empty() ? 0.0 : std::clamp(median(near), kLowestReal, kHighestReal);
    const bool low_is_sure = !near.empty() || high > 0 || low_file_is_wrong();
    for (RowUnit& row : verdict_.rows) {
      if (row.shift == Shift::kLow && (low_is_sure || by_count(row)))
        row.wrong = by_count(row) || row.residual - centre < -kPetaflopOom / 2;
      if (row.shift == Shift::kHigh) row.wrong = by_count(row) || is_too_high(row.residual, centre);
    }
    judge_file(low, high);
    return std::move(verdict_);
  }

 private:
  bool is_too_high(double residual, double centre) const {
    const double limit = verdict_.read_as == "FLOP" ? kTooHighForFlop : kTooHigh;
    return residual > limit && residual - std::max(centre, 0.0) > limit - 1.5;
  }

  // 6 N D is 15 orders of magnitude off.
  static bool by_count(const RowUnit& row) {
    const double moved = row.shift == Shift::kLow ? kPetaflopOom : -kPetaflopOom;
    return row.six_nd && std::abs(*row.six_nd + moved) <= kSixNdAgrees;
  }

  static void place(RowUnit& row) {
    if (row.six_nd && std::abs(*row.six_nd) <= kSixNdAgrees) return;
    const double from = row.six_nd ? *row.six_nd : 0.0;
    const bool low_by_count = std::abs(from + kPetaflopOom) <= kSixNdAgrees && row.residual < kTooLow / 2;
    const bool high_by_count = std::abs(from - kPetaflopOom) <= kSixNdAgrees && row.residual > kTooHigh / 2;
    if (row.residual < kTooLow || low_by_count) {
      row.shift = Shift::kLow;
    } else if (row.residual > kTooHigh || high_by_count) {
      row.shift = Shift::kHigh;
    }
  }

  std::vector<double> residuals_of(Shift shift) const {
    std::vector<double> residuals;
    for (const RowUnit& row : verdict_.rows) {
      if (row.shift == shift) residuals.push_back(row.residual);
    }
    return residuals;
  }

  bool looks_like_log10() const {
    return verdict_.read_as == "FLOP" &&
           std::all_of(table_.rows.begin(), table_.rows.end(), [&](const SystemRow& row) {
             const double moved = row.flop - trend_.at(row);
             return row.flop > 0.5 && row.flop < 40.0 && moved > kTooLow && moved < kTooHigh;
           });
  }

  // All rows are low.
  bool low_file_is_wrong() const {
    std::vector<double> level, residuals;
    for (std::size_t i = 0; i < table_.rows.size(); ++i) {
      if (table_.rows[i].flop < (table_.unit_stated ? 1.0 : kLeastRun)) return true;
      level.push_back(log10_flop(table_.rows[i]));
      residuals.push_back(verdict_.rows[i].residual);
    }
    if (looks_like_log10()) return true;
    if (table_.unit_stated || level.size() < kRowsThatShowATrend) return false;
    const double middle = median(residuals);
    const auto lands_near = [&](double moved) {
      return middle + moved > kLowestReal && middle + moved < kHighestReal;
    };
    // Figures in another unit rise with the trend; small runs of one's own have no reason to.
    return (lands_near(kPetaflopOom) || lands_near(kPetaflopDayOom)) &&
           squares_about_mean(residuals) < squares_about_mean(level);
  }

  void judge_file(std::size_t low, std::size_t high) {
    if (low > 0 && high > 0) return;  // rows contradict each other: no unit makes them all right
    const Shift usual = low > 0 ? Shift::kLow : Shift::kHigh;
    std::vector<double> residuals;
    for (const RowUnit& row : verdict_.rows) {
      if (row.wrong) residuals.push_back(row.residual);
    }
    const double share = static_cast<double>(residuals.size()) / static_cast<double>(table_.rows.size());
    if (residuals.empty() || share < kWholeFileShare) return;
    // Of a few rows the exceptions may as well be the rule.
    if (table_.rows.size() < 5 && residuals.size() < table_.rows.size()) return;
    verdict_.whole_file = usual;
    verdict_.whole_file_rows = residuals.size();
    const double middle = median(std::move(residuals));
    verdict_.whole_file_residual = middle;
    const bool days =
        std::abs(std::abs(middle) - kPetaflopDayOom) < std::abs(std::abs(middle) - kPetaflopOom);
    verdict_.looks_like = usual == Shift::kHigh ? "FLOP"
                          : looks_like_log10()  ? "log10 FLOP"
                          : days                ? "petaflop/s-day"
                                                : "petaFLOP";
  }

  const Table& table_;
  ReferenceTrend trend_;
  UnitVerdict verdict_;
};

std::string expected_range(const SystemRow& row, const RowUnit& unit) {
  const double expected = log10_flop(row) - unit.residual;
  return fmt::format("1e{:.0f} to 1e{:.0f} FLOP for {}",
                     std::floor(expected + kLowestReal),
                     std::ceil(expected + kHighestReal),
                     to_string(row.date));
}

bool is_whole_file(const UnitVerdict& verdict) {
  return verdict.whole_file != Shift::kNone && verdict.whole_file_rows == verdict.rows.size();
}

// Positions in Table::rows of the rows that are wrong, by line.
std::vector<std::size_t> wrong_rows(const Table& table, const UnitVerdict& verdict) {
  std::vector<std::size_t> wrong;
  for (std::size_t i = 0; i < verdict.rows.size(); ++i) {
    if (verdict.rows[i].wrong) wrong.push_back(i);
  }
  std::sort(wrong.begin(), wrong.end(), [&](std::size_t a, std::size_t b) {
    return table.rows[a].line < table.rows[b].line;
  });
  return wrong;
}

std::string unit_guess(const UnitVerdict& verdict, Shift shift) {
  if (!verdict.looks_like.empty()) return verdict.looks_like;
  if (shift == Shift::kHigh) return verdict.read_as == "FLOP" ? "FLOP multiplied by 1e15" : "FLOP";
  return "petaFLOP";
}

std::vector<LeftOutRow> left_out(const Table& table, const UnitVerdict& verdict) {
  const std::string code = is_whole_file(verdict) ? "table.wrong_unit" : "table.mixed_units";
  std::vector<LeftOutRow> rows;
  for (std::size_t i : wrong_rows(table, verdict)) {
    const SystemRow& row = table.rows[i];
    const RowUnit& unit = verdict.rows[i];
    rows.push_back({row.name,
                    row.line,
                    fmt::format("compute {:.3g} FLOP looks like {}; expected: {}",
                                row.flop,
                                unit_guess(verdict, unit.shift),
                                expected_range(row, unit)),
                    code,
                    true});
  }
  return rows;
}

[[noreturn]] void throw_units(const Table& table, const UnitVerdict& verdict) {
  const std::vector<std::size_t> wrong = wrong_rows(table, verdict);
  const std::size_t first = wrong.front();
  const SystemRow& row = table.rows[first];
  const RowUnit& unit = verdict.rows[first];
  const std::string guess = unit_guess(verdict, unit.shift);
  const bool whole = is_whole_file(verdict);
  const std::string place = fmt::format("{} line {}", table.source, row.line);
  const std::string way =
      verdict.looks_like.empty() ? "" : fmt::format("name the unit: --columns \"unit={}\"; or ", guess);
  throw Error(
      ErrorClass::kData,
      whole ? "table.wrong_unit" : "table.mixed_units",
      {.what =
           whole ? fmt::format("{}: training compute was read as {} and looks like {} in every row",
                               place,
                               verdict.read_as,
                               guess)
                 : fmt::format("{}: units of training compute are mixed: read as {}, this row looks like {}",
                               place,
                               verdict.read_as,
                               guess),
       .seen = fmt::format("{:.3g} FLOP for '{}', {:.1f} orders of magnitude {} the trend ({} of {} rows)",
                           row.flop,
                           printable(row.name, 60),
                           std::abs(unit.residual),
                           unit.residual < 0 ? "below" : "above",
                           wrong.size(),
                           table.rows.size()),
       .wanted = expected_range(row, unit),
       .remedy = whole ? fmt::format(
                             "name the unit: --columns \"unit={}\", or \"unit={}\" if the figures are right",
                             guess,
                             verdict.read_as)
                       : way + "correct the row, or have such rows listed and skipped (--skip-bad)"});
}

}  // namespace

UnitVerdict judge_units(const Table& table) {
  if (table.rows.empty()) return {};
  return UnitJudge(table).run();
}

std::vector<LeftOutRow> wrong_unit_rows(const Table& table) {
  return left_out(table, judge_units(table));
}

void check_units(const Table& table) {
  const UnitVerdict verdict = judge_units(table);
  const bool wrong =
      std::any_of(verdict.rows.begin(), verdict.rows.end(), [](const RowUnit& row) { return row.wrong; });
  if (wrong) throw_units(table, verdict);
}

void skip_wrong_units(Table& table) {
  const UnitVerdict verdict = judge_units(table);
  std::vector<LeftOutRow> wrong = left_out(table, verdict);
  if (wrong.empty()) return;
  if (wrong.size() == table.rows.size()) throw_units(table, verdict);
  std::vector<SystemRow> kept;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (!verdict.rows[i].wrong) kept.push_back(std::move(table.rows[i]));
  }
  table.rows = std::move(kept);
  table.skipped.insert(table.skipped.end(), wrong.begin(), wrong.end());
  std::stable_sort(table.skipped.begin(), table.skipped.end(), [](const LeftOutRow& a, const LeftOutRow& b) {
    return a.line < b.line;
  });
}

}  // namespace tenfold::compute_trends
