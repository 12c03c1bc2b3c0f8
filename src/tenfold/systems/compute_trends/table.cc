// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/unknown_name.h"
#include "tenfold/io/byte_source.h"
#include "tenfold/io/csv.h"
#include "tenfold/systems/compute_trends/chips.h"
#include "tenfold/systems/compute_trends/columns.h"
#include "tenfold/systems/compute_trends/power.h"
#include "tenfold_compute_trends_embedded.h"

namespace tenfold::compute_trends {
namespace {

constexpr std::string_view kEmbeddedName = "embedded systems.csv";
constexpr std::size_t kMaxLicenses = 8;  // of one file

// Passes bytes on and hashes them, so that the file is read once.
class HashingSource final : public io::ByteSource {
 public:
  explicit HashingSource(io::ByteSource& inner) : inner_(inner) {}
  std::size_t read(std::span<char> target) override {
    const std::size_t count = inner_.read(target);
    hash_.update(std::string_view(target.data(), count));
    return count;
  }
  const std::string& name() const override { return inner_.name(); }
  std::string hex_digest() { return hash_.hex_digest(); }

 private:
  io::ByteSource& inner_;
  Sha256 hash_;
};

std::string collapse_spaces(std::string_view text) {
  std::string collapsed;
  bool space = false;
  for (char c : trim(text)) {
    const bool is_space = c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
    if (is_space) {
      space = true;
      continue;
    }
    if (space) collapsed += ' ';
    space = false;
    collapsed += c;
  }
  return collapsed;
}

// Not an error of the file: the row has nothing to fit.
struct NothingToFit {
  std::string reason;
  std::string code;
};

class TableReader {
 public:
  TableReader(io::ByteSource& source, const TableOptions& options)
      : options_(options), hashing_(source), csv_(hashing_, csv_options()) {
    table_.source = source.name();
    columns_ = recognise_columns(csv_.header(), options.columns, table_.source, options.quantity);
    if (options.quantity == Quantity::kPower) chips_ = embedded_chips();
  }

  Table run() {
    io::CsvRow row;
    while (csv_.next(row)) {
      count_row(row);
      guarded(row, [&] { take(row); });
    }
    if (pending_) guarded(*pending_, [&] { throw_field_count(*pending_); });
    return finish();
  }

 private:
  static io::CsvOptions csv_options() {
    io::CsvOptions csv;
    csv.fixed_width =
        false;  // Our World in Data's export of April 2022 has a name broken over two lines, not quoted
    csv.limits.field_bytes = std::size_t{1} << 16;
    csv.limits.row_bytes = std::size_t{1} << 20;
    return csv;
  }

  std::string place(std::uint64_t line) const { return fmt::format("{} line {}", table_.source, line); }

  void count_row(const io::CsvRow& row) {
    if (++row_count_ <= options_.max_rows) return;
    throw Error(ErrorClass::kResource,
                "table.too_large",
                {.what = place(row.line()) + ": the table has too many rows",
                 .seen = fmt::format("more than {} rows", options_.max_rows),
                 .wanted = fmt::format("at most {} rows", options_.max_rows),
                 .remedy = "keep the rows of interest (library: TableOptions::max_rows)"});
  }

  // Runs `body`; an Error about this row is thrown on, or listed when the user asked for that.
  template <typename Body>
  void guarded(const io::CsvRow& row, Body body) {
    const auto line = static_cast<std::int64_t>(row.line());
    try {
      body();
    } catch (const NothingToFit& nothing) {
      table_.skipped.push_back({name_of(row), line, nothing.reason, nothing.code, false});
    } catch (const Error& error) {
      if (!options_.skip_bad) throw;
      std::string reason = error.text().what;
      if (!error.text().seen.empty()) reason += "; seen: " + error.text().seen;
      table_.skipped.push_back({name_of(row), line, reason, error.code(), true});
    }
  }

  std::string_view cell(const io::CsvRow& row, Field field) const {
    const auto column = columns_[field];
    return column && *column < row.size() ? trim(row[*column]) : std::string_view();
  }

  std::string name_of(const io::CsvRow& row) const { return collapse_spaces(cell(row, Field::kName)); }

  void take(const io::CsvRow& row) {
    if (pending_) {
      const io::CsvRow first = std::move(*pending_);
      pending_.reset();
      const bool joins = row.size() == csv_.width() && (row[0].starts_with(' ') || row[0].starts_with('\t'));
      if (joins) {
        table_.warnings.push_back(fmt::format(
            "lines {} and {}: a line break inside a name is not quoted; both lines were read as one row",
            first.line(),
            row.line()));
        add(row, collapse_spaces(std::string(first[0]) + " " + std::string(row[0])));
        return;
      }
      guarded(first, [&] { throw_field_count(first); });
    }
    if (row.size() == 1 && csv_.width() > 1 && columns_[Field::kName] == std::size_t{0}) {
      pending_ = row;
      return;
    }
    if (row.size() != csv_.width()) throw_field_count(row);
    add(row, name_of(row));
  }

  [[noreturn]] void throw_field_count(const io::CsvRow& row) const {
    throw Error(
        ErrorClass::kData,
        "table.field_count",
        {.what = place(row.line()) + ": the row does not fit the header",
         .seen = fmt::format("{} field{}", row.size(), row.size() == 1 ? "" : "s"),
         .wanted = fmt::format("{} fields", csv_.width()),
         .remedy = "put fields that hold a comma or a line break in double quotes; the file may be cut off"});
  }

  void add(const io::CsvRow& row, std::string name) {
    SystemRow system;
    system.line = static_cast<std::int64_t>(row.line());
    system.name = std::move(name);
    const bool compute_wanted = options_.quantity == Quantity::kFlop;
    if (compute_wanted && cell(row, Field::kFlop).empty())
      throw NothingToFit{"no training compute", "table.no_compute"};
    if (cell(row, Field::kDate).empty()) throw NothingToFit{"no date", "table.no_date"};
    if (compute_wanted) system.flop = compute(row);
    system.date = parse_date(cell(row, Field::kDate), place(row.line()));
    note_swappable_date(row);
    system.decimal_year = decimal_year(system.date);
    system.domain = cell(row, Field::kDomain);
    system.organization = cell(row, Field::kOrganization);
    system.hardware = cell(row, Field::kHardware);
    system.method = cell(row, Field::kMethod);
    system.confidence = cell(row, Field::kConfidence);
    system.parameters = number(row, Field::kParameters);
    system.dataset_size = number(row, Field::kDatasetSize);
    system.citations = number(row, Field::kCitations);
    system.epochs = number(row, Field::kEpochs);
    system.hardware_quantity = number(row, Field::kHardwareQuantity);
    system.training_hours = number(row, Field::kTrainingHours);
    system.utilisation = number(row, Field::kUtilisation);
    system.cost = number(row, Field::kCost);
    system.power = number(row, Field::kPower);
    if (system.power) *system.power *= columns_.watts;
    if (!compute_wanted) system.flop = other_quantity(system);
    if (system.name.empty()) {
      system.name = fmt::format("(no name, line {})", system.line);
      table_.warnings.push_back(fmt::format("line {}: the system has no name", system.line));
    }
    refuse_duplicate(system);
    note_license(row);
    table_.rows.push_back(std::move(system));
  }

  // The figure that is fitted in place of compute.
  double other_quantity(const SystemRow& system) {
    std::optional<double> value = options_.quantity == Quantity::kParameters ? system.parameters
                                  : options_.quantity == Quantity::kData     ? system.dataset_size
                                  : options_.quantity == Quantity::kCost     ? system.cost
                                                                             : system.power;
    if (!value && options_.quantity == Quantity::kPower) {
      value = estimated_power(system, chips_);
      if (value) ++estimated_powers_;
    }
    if (value && *value > 0.0) return *value;
    const std::string name(to_string(options_.quantity));
    throw NothingToFit{"no " + name, "table.no_" + name};
  }

  double compute(const io::CsvRow& row) const {
    const std::string_view text = cell(row, Field::kFlop);
    const auto value = parse_double(text);
    const double flop = value ? to_flop(*value, columns_.unit) : 0.0;
    if (value && std::isfinite(flop) && flop > 0) return flop;
    throw Error(ErrorClass::kData,
                "table.bad_compute",
                {.what = fmt::format("{}: training compute is not a positive number", place(row.line())),
                 .seen = "'" + printable(text) + "'",
                 .wanted = fmt::format("a finite number above 0 in {}, for example {}",
                                       to_string(columns_.unit),
                                       columns_.unit == ComputeUnit::kLog10Flop ? "23.5" : "3.14e23"),
                 .remedy = "correct or empty the cell, or have such rows listed and skipped (--skip-bad)"});
  }

  // A figure that is only context: a cell that is not a number is left empty, counted and reported once a column.
  std::optional<double> number(const io::CsvRow& row, Field field) {
    std::string_view text = cell(row, field);
    if (text.empty()) return std::nullopt;
    const bool percent = field == Field::kUtilisation && text.ends_with('%');
    if (percent) text.remove_suffix(1);
    const auto value = parse_double(trim(text));
    if (value && std::isfinite(*value)) return percent ? *value / 100.0 : *value;
    NotedCells& unread = unread_[field];
    if (unread.count++ == 0) unread.first = fmt::format("line {}: '{}'", row.line(), printable(text, 40));
    return std::nullopt;
  }

  void refuse_duplicate(const SystemRow& system) {
    const std::string key =
        fmt::format("{}|{}|{}", to_lower(system.name), to_string(system.date), system.flop);
    const auto [known, is_new] = seen_.emplace(key, system.line);
    if (is_new) return note_same_day(system);
    throw Error(
        ErrorClass::kData,
        "table.duplicate_system",
        {.what = fmt::format("{}: the system stands in the table twice", place(system.line)),
         .seen = fmt::format(
             "'{}' of {}, also on line {}", printable(system.name), to_string(system.date), known->second),
         .wanted = "one row a system",
         .remedy = "remove one of the rows, or have such rows listed and skipped (--skip-bad)"});
  }

  // Two versions of one system count twice in a fit; the paper's own table has such a pair, so they are no error.
  void note_same_day(const SystemRow& system) {
    const auto [other, is_new] =
        same_day_.emplace(fmt::format("{}|{}", to_lower(system.name), to_string(system.date)), system.line);
    if (is_new) return;
    table_.warnings.push_back(
        fmt::format("lines {} and {}: '{}' of {} stands in the table with different compute",
                    other->second,
                    system.line,
                    printable(system.name),
                    to_string(system.date)));
  }

  void note_swappable_date(const io::CsvRow& row) {
    const std::string_view text = cell(row, Field::kDate);
    if (!day_and_month_may_swap(text)) return;
    if (swappable_dates_.count++ == 0)
      swappable_dates_.first = fmt::format("line {}: '{}'", row.line(), printable(text, 40));
  }

  // Rows of several sources may stand in one file: each credit line once.
  void note_license(const io::CsvRow& row) {
    if (!columns_.license || *columns_.license >= row.size()) return;
    const std::string text = collapse_spaces(row[*columns_.license]);
    if (text.empty() || licenses_.size() >= kMaxLicenses) return;
    if (std::find(licenses_.begin(), licenses_.end(), text) == licenses_.end()) licenses_.push_back(text);
  }

  Table finish() {
    if (table_.rows.empty() && !options_.allow_empty) throw_empty();
    table_.sha256 = hashing_.hex_digest();
    table_.license = !options_.license.empty() ? options_.license
                     : !licenses_.empty()      ? join(licenses_, "; ")
                                               : std::string(credit_line(columns_.layout));
    table_.columns = columns_.uses;
    table_.unit_stated = columns_.unit_stated;
    table_.quantity = options_.quantity;
    table_.unit = options_.quantity == Quantity::kFlop    ? "FLOP"
                  : options_.quantity == Quantity::kCost  ? columns_.currency
                  : options_.quantity == Quantity::kPower ? "W"
                                                          : "";
    if (estimated_powers_ > 0) {
      table_.warnings.push_back(
          fmt::format("power of {} row{} is estimated: {}; board powers are approximate",
                      estimated_powers_,
                      estimated_powers_ == 1 ? "" : "s",
                      kPowerAssumption));
    }
    table_.warnings.insert(table_.warnings.begin(), columns_.warnings.begin(), columns_.warnings.end());
    for (const auto& [field, unread] : unread_) {
      table_.warnings.push_back(fmt::format("column {}: {} cell{} not a number and left out, the first on {}",
                                            to_string(field),
                                            unread.count,
                                            unread.count == 1 ? " is" : "s are",
                                            unread.first));
    }
    if (swappable_dates_.count > 0) {
      table_.warnings.push_back(
          fmt::format("{} date{} read as day/month/year and might be month/day/year, the first on {}",
                      swappable_dates_.count,
                      swappable_dates_.count == 1 ? " is" : "s are",
                      swappable_dates_.first));
    }
    std::stable_sort(table_.rows.begin(), table_.rows.end(), [](const SystemRow& a, const SystemRow& b) {
      return a.date != b.date ? a.date < b.date : a.line < b.line;
    });
    std::stable_sort(table_.skipped.begin(),
                     table_.skipped.end(),
                     [](const LeftOutRow& a, const LeftOutRow& b) { return a.line < b.line; });
    return std::move(table_);
  }

  [[noreturn]] void throw_empty() const {
    std::string seen = fmt::format("{} rows", row_count_);
    if (!table_.skipped.empty()) {
      seen += fmt::format(", all skipped; the first, line {}: {}",
                          table_.skipped.front().line,
                          table_.skipped.front().reason);
    }
    throw Error(ErrorClass::kData,
                "table.empty",
                {.what = fmt::format("{}: no row has a date and a figure of {}",
                                     table_.source,
                                     to_lower(title_of(options_.quantity))),
                 .seen = seen,
                 .wanted = "at least one system",
                 .remedy = "check the columns that were recognised, or name them with --columns"});
  }

  struct NotedCells {  // of which only the first is quoted
    std::size_t count = 0;
    std::string first;
  };

  const TableOptions& options_;
  HashingSource hashing_;
  io::CsvReader csv_;
  ColumnMap columns_;
  Table table_;
  std::int64_t row_count_ = 0;
  std::optional<io::CsvRow> pending_;  // a line with one field: the first half of a broken name, or an error
  std::map<Field, NotedCells> unread_;
  NotedCells swappable_dates_;
  std::vector<Chip> chips_;  // for power only
  std::size_t estimated_powers_ = 0;
  std::unordered_map<std::string, std::int64_t> seen_;      // by name, date and compute: the line
  std::unordered_map<std::string, std::int64_t> same_day_;  // by name and date: the first line
  std::vector<std::string> licenses_;
};

[[noreturn]] void throw_too_large(std::string_view source, std::uint64_t limit, std::string seen) {
  throw Error(ErrorClass::kResource,
              "table.too_large",
              {.what = fmt::format("{}: the file is too large for a table of systems", source),
               .seen = std::move(seen),
               .wanted = fmt::format("at most {} MiB", limit >> 20),
               .remedy = "keep the columns and rows of interest (library: TableOptions::max_bytes)"});
}

bool contains_ignoring_case(std::string_view text, std::string_view part) {
  return to_lower(text).find(to_lower(part)) != std::string::npos;
}

std::vector<std::string> split_cell(std::string_view cell, std::string_view separators) {
  std::string unified(cell);
  for (char& c : unified) {
    if (separators.find(c) != std::string_view::npos) c = separators.front();
  }
  std::vector<std::string> parts;
  for (const std::string& part : split(unified, separators.front())) {
    if (!trim(part).empty()) parts.emplace_back(trim(part));
  }
  return parts;
}

bool has_domain(const SystemRow& row, std::span<const std::string> wanted) {
  for (const std::string& domain : split_cell(row.domain, ",;")) {
    for (const std::string& one : wanted) {
      if (to_lower(domain) == to_lower(trim(one))) return true;
    }
  }
  return false;
}

void check_domains(const Table& table, std::span<const std::string> wanted) {
  const std::vector<std::string> known = domains(table);
  for (const std::string& one : wanted) {
    const bool found = std::any_of(known.begin(), known.end(), [&](const std::string& domain) {
      return to_lower(domain) == to_lower(trim(one));
    });
    if (found) continue;
    throw unknown_name({.code = "filter.unknown_domain",
                        .what = "no system of the table has this domain",
                        .name = one,
                        .known = known,
                        .none_known = "a table with a domain column",
                        .remedy = "leave --domain out, or name a domain of the table"});
  }
}

// The reason and code why the row is left out; empty code when it is not.
LeftOutRow judge(const SystemRow& row, const RowFilter& filter) {
  if (!filter.period.contains(row.date)) {
    return {row.name, row.line, "outside " + to_string(filter.period), "filter.period"};
  }
  if (!filter.domains.empty() && !has_domain(row, filter.domains)) {
    return {row.name,
            row.line,
            fmt::format("domain {}", row.domain.empty() ? "not given" : row.domain),
            "filter.domain"};
  }
  const auto matches = [&](const std::string& one) {
    return contains_ignoring_case(row.organization, trim(one));
  };
  if (!filter.organizations.empty() &&
      std::none_of(filter.organizations.begin(), filter.organizations.end(), matches)) {
    return {row.name,
            row.line,
            fmt::format("organisation {}", row.organization.empty() ? "not given" : row.organization),
            "filter.organization"};
  }
  if (!filter.name.empty() && !contains_ignoring_case(row.name, filter.name)) {
    return {row.name, row.line, fmt::format("name without '{}'", printable(filter.name)), "filter.name"};
  }
  return {};
}

Table read_embedded(Quantity quantity) {
  TableOptions options;
  options.quantity = quantity;
  options.license = credit_line(Layout::kPaper);
  return parse_table(embedded::systems_csv(), kEmbeddedName, options);
}

}  // namespace

double log10_flop(const SystemRow& row) {
  return std::log10(row.flop);
}

Table embedded_table() {
  return read_embedded(Quantity::kFlop);
}

Table load_table(const Path& path, const TableOptions& options) {
  try {
    io::FileSource source(path, options.max_bytes);
    Table table = TableReader(source, options).run();
    table.source = path.filename().string();
    return table;
  } catch (const Error& error) {
    if (error.code() != "file.too_large") throw;
    throw_too_large(path.filename().string(), options.max_bytes, error.text().seen);
  }
}

Table parse_table(std::string_view csv, std::string_view source, const TableOptions& options) {
  if (csv.size() > options.max_bytes)
    throw_too_large(source, options.max_bytes, fmt::format("{} bytes", csv.size()));
  io::MemorySource memory(csv, std::string(source));
  return TableReader(memory, options).run();
}

Table load_or_embedded(const std::string& path, const TableOptions& options) {
  if (!path.empty()) return load_table(path, options);
  return options.quantity == Quantity::kFlop ? embedded_table() : read_embedded(options.quantity);
}

Selection select(const Table& table, const RowFilter& filter) {
  check_domains(table, filter.domains);
  Selection selection;
  for (const SystemRow& row : table.rows) {
    LeftOutRow left_out = judge(row, filter);
    if (left_out.code.empty()) {
      selection.rows.push_back(row);
    } else {
      selection.excluded.push_back(std::move(left_out));
    }
  }
  return selection;
}

std::vector<std::string> organizations(const SystemRow& row) {
  return split_cell(row.organization, ",;");
}

std::vector<std::string> domains(const Table& table) {
  std::set<std::string> names;
  for (const SystemRow& row : table.rows) {
    for (std::string& domain : split_cell(row.domain, ",;")) names.insert(std::move(domain));
  }
  return {names.begin(), names.end()};
}

}  // namespace tenfold::compute_trends
