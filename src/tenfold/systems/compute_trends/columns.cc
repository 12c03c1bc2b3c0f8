// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/unknown_name.h"

namespace tenfold::compute_trends {
namespace {

// Lower case, letters and digits only: "Training compute (FLOPs)" -> "trainingcomputeflops". Bytes of other alphabets
// stay.
std::string squeeze(std::string_view text) {
  std::string squeezed;
  for (char c : to_lower(text)) {
    const bool keep =
        (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
    if (keep) squeezed += c;
  }
  return squeezed;
}

struct Alias {
  Field field;
  std::string_view squeezed;
};

// Several aliases of one field: the earlier one wins when a file has both.
constexpr Alias kAliases[] = {
    {Field::kName, "name"},
    {Field::kName, "system"},
    {Field::kName, "model"},
    {Field::kName, "entity"},
    {Field::kDate, "publicationdate"},
    {Field::kDate, "date"},
    {Field::kDate, "day"},
    {Field::kDate, "published"},
    {Field::kDate, "year"},
    {Field::kDomain, "domain"},
    {Field::kDomain, "domains"},
    {Field::kOrganization, "organization"},
    {Field::kOrganization, "organizations"},
    {Field::kOrganization, "organisation"},
    {Field::kParameters, "parameters"},
    {Field::kDatasetSize, "trainingdatasetsizedatapoints"},
    {Field::kDatasetSize, "trainingdatasetsizetotal"},
    {Field::kDatasetSize, "trainingdatasetsize"},
    {Field::kDatasetSize, "datasetsize"},
    {Field::kCitations, "citations"},
    {Field::kEpochs, "epochs"},
    {Field::kHardware, "traininghardware"},
    {Field::kHardware, "hardware"},
    {Field::kHardwareQuantity, "hardwarequantity"},
    {Field::kTrainingHours, "trainingtimehours"},
    {Field::kTrainingHours, "traininghours"},
    {Field::kUtilisation, "hardwareutilizationmfu"},
    {Field::kUtilisation, "hardwareutilization"},
    {Field::kUtilisation, "utilisation"},
    {Field::kUtilisation, "utilization"},
    {Field::kUtilisation, "mfu"},
    {Field::kMethod, "trainingcomputeestimationmethod"},
    {Field::kMethod, "method"},
    {Field::kConfidence, "confidence"},
};

// Headers of the compute column without the unit in brackets.
constexpr std::string_view kComputeBases[] = {"trainingcompute",
                                              "computationusedintrainingaisystems",
                                              "trainingcomputation",
                                              "computationusedintraining",
                                              "compute"};

constexpr std::string_view kFieldNames[] = {"name",
                                            "date",
                                            "domain",
                                            "organization",
                                            "flop",
                                            "parameters",
                                            "dataset_size",
                                            "citations",
                                            "epochs",
                                            "hardware",
                                            "hardware_quantity",
                                            "training_hours",
                                            "utilisation",
                                            "method",
                                            "confidence",
                                            "cost",
                                            "power"};
static_assert(std::size(kFieldNames) == kFieldCount);

// Headers of cost and power without the unit in brackets: "Training compute cost (2023 USD)", "Training power draw (W)".
constexpr Alias kMeasures[] = {{Field::kCost, "trainingcomputecost"},
                               {Field::kCost, "trainingcost"},
                               {Field::kCost, "cost"},
                               {Field::kPower, "trainingpowerdraw"},
                               {Field::kPower, "powerdraw"},
                               {Field::kPower, "power"}};

// What stands in the last pair of brackets of a header, and what stands before it.
struct HeaderParts {
  std::string base;
  std::string bracket;
};

HeaderParts split_header(std::string_view header) {
  const std::size_t open = header.find('(');
  const std::size_t close = header.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open)
    return {std::string(header), ""};
  return {std::string(header.substr(0, open)), std::string(header.substr(open + 1, close - open - 1))};
}

struct ComputeMatch {
  ComputeUnit unit = ComputeUnit::kFlop;
  int rank = 0;            // smaller is better
  std::string assumption;  // not empty: the unit is not in the header
};

std::optional<ComputeMatch> match_compute(std::string_view header) {
  // Our World in Data's file of autumn 2023 writes one word and means petaFLOP.
  if (trim(header) == "Trainingcompute") return ComputeMatch{ComputeUnit::kPetaflop, 0, ""};
  if (const auto unit = parse_unit(header))
    return ComputeMatch{*unit, 3, ""};  // the header is a unit: "FLOP"
  const HeaderParts parts = split_header(header);
  for (std::string_view base : kComputeBases) {
    const std::string squeezed = squeeze(parts.base);
    if (!squeezed.starts_with(base)) continue;
    if (squeezed == base && parts.bracket.empty()) {
      return ComputeMatch{
          ComputeUnit::kFlop, 2, fmt::format("column '{}' names no unit: taken as FLOP", header)};
    }
    const auto unit = parse_unit(squeezed == base ? parts.bracket : squeezed.substr(base.size()));
    if (unit) return ComputeMatch{*unit, 1, ""};
  }
  // "training_flop", "log10_flop" and the like of our own table.
  std::string squeezed = squeeze(header);
  if (squeezed.starts_with("training")) squeezed.erase(0, 8);
  if (const auto unit = parse_unit(squeezed)) return ComputeMatch{*unit, 1, ""};
  return std::nullopt;
}

std::optional<double> watts_of(std::string_view unit) {
  const std::string name = squeeze(unit);
  if (name.empty() || name == "w" || name == "watt" || name == "watts") return 1.0;
  if (name == "kw") return 1e3;
  if (name == "mw") return 1e6;
  if (name == "gw") return 1e9;
  return std::nullopt;
}

struct SpecEntry {
  std::string key;
  std::string value;
};

// "name=System,flop=Compute, total": a piece without '=' belongs to the header before it.
std::vector<SpecEntry> parse_spec(std::string_view spec) {
  std::vector<SpecEntry> entries;
  if (trim(spec).empty()) return entries;
  for (const std::string& piece : split(spec, ',')) {
    const std::size_t equal = piece.find('=');
    if (equal == std::string::npos && !entries.empty()) {
      entries.back().value += "," + piece;
      continue;
    }
    if (equal == std::string::npos || trim(piece.substr(0, equal)).empty()) {
      throw Error(
          ErrorClass::kUsage,
          "columns.bad_spec",
          {.what = "--columns cannot be read",
           .seen = "'" + printable(piece) + "'",
           .wanted = "field=header pairs with commas between them",
           .remedy = "for example --columns \"name=System,date=Published,flop=Compute,unit=petaFLOP\""});
    }
    entries.push_back({std::string(trim(piece.substr(0, equal))), piece.substr(equal + 1)});
  }
  return entries;
}

std::string list_headers(std::span<const std::string> header) {
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < header.size() && i < 40; ++i)
    shown.push_back("'" + printable(header[i], 60) + "'");
  if (header.size() > shown.size()) shown.push_back(fmt::format("and {} more", header.size() - shown.size()));
  return join(shown, ", ");
}

std::string did_you_mean(std::string_view wanted, std::span<const std::string> header) {
  const auto nearest = nearest_name(wanted, header);
  return nearest ? fmt::format("did you mean '{}'? ", printable(*nearest)) : std::string();
}

class Recogniser {
 public:
  Recogniser(std::span<const std::string> header, std::string_view source, Quantity quantity)
      : header_(header), source_(source), quantity_(quantity) {}

  ColumnMap run(std::string_view spec) {
    apply_spec(spec);
    recognise_compute();
    recognise_names();
    recognise_measures();
    require_commas();
    map_.layout = layout();
    map_.unit_stated = given_unit_.has_value();
    const auto license = std::find_if(header_.begin(), header_.end(), [](const std::string& name) {
      return squeeze(name) == "license" || squeeze(name) == "licence";
    });
    if (license != header_.end()) map_.license = static_cast<std::size_t>(license - header_.begin());
    require(Field::kName, "System, Model, Entity or name");
    require(Field::kDate, "Publication date, Day or date");
    require_quantity();
    note_uses();
    return std::move(map_);
  }

 private:
  std::optional<std::size_t>& slot(Field field) { return map_.index[static_cast<std::size_t>(field)]; }

  bool taken(std::size_t column) const {
    return std::find(map_.index.begin(), map_.index.end(), std::optional(column)) != map_.index.end();
  }

  void apply_spec(std::string_view spec) {
    for (const SpecEntry& entry : parse_spec(spec)) {
      if (entry.key == "unit") {
        const auto unit = parse_unit(entry.value);
        if (!unit) throw_bad_unit(entry.value);
        given_unit_ = *unit;
        continue;
      }
      const auto* known = std::find(std::begin(kFieldNames), std::end(kFieldNames), entry.key);
      if (known == std::end(kFieldNames)) throw_bad_field(entry.key);
      const auto column = std::find_if(header_.begin(), header_.end(), [&](const std::string& name) {
        return trim(name) == trim(entry.value);
      });
      if (column == header_.end()) throw_unknown_header(entry);
      slot(static_cast<Field>(known - std::begin(kFieldNames))) =
          static_cast<std::size_t>(column - header_.begin());
    }
  }

  void recognise_compute() {
    std::optional<ComputeMatch> best;
    std::optional<std::size_t> best_column = slot(Field::kFlop);
    if (best_column) {
      best = match_compute(header_[*best_column]);
      if (!best) best = ComputeMatch{ComputeUnit::kFlop, 0, "--columns names no unit: compute taken as FLOP"};
    } else {
      for (std::size_t i = 0; i < header_.size(); ++i) {
        const auto match = match_compute(header_[i]);
        if (!match || taken(i) || (best && best->rank <= match->rank)) continue;
        best = match;
        best_column = i;
      }
    }
    if (!best) return;
    slot(Field::kFlop) = best_column;
    map_.unit = given_unit_.value_or(best->unit);
    if (!given_unit_ && !best->assumption.empty()) map_.warnings.push_back(best->assumption);
  }

  void recognise_names() {
    for (const Alias& alias : kAliases) {
      if (slot(alias.field)) continue;
      for (std::size_t i = 0; i < header_.size(); ++i) {
        // "Parameters" and "Number of parameters" differ; "Day (of publication)" does not occur: whole names only.
        if (taken(i) || squeeze(header_[i]) != alias.squeezed) continue;
        slot(alias.field) = i;
        break;
      }
    }
  }

  void recognise_measures() {
    for (const Alias& alias : kMeasures) {
      if (slot(alias.field)) continue;
      for (std::size_t i = 0; i < header_.size(); ++i) {
        if (taken(i) || squeeze(split_header(header_[i]).base) != alias.squeezed) continue;
        if (alias.field == Field::kPower && !watts_of(split_header(header_[i]).bracket)) continue;
        slot(alias.field) = i;
        break;
      }
    }
    if (const auto power = slot(Field::kPower))
      map_.watts = watts_of(split_header(header_[*power]).bracket).value_or(1.0);
    if (const auto cost = slot(Field::kCost)) map_.currency = split_header(header_[*cost]).bracket;
  }

  bool has(std::string_view name) const {
    return std::any_of(
        header_.begin(), header_.end(), [&](const std::string& header) { return trim(header) == name; });
  }

  Layout layout() const {
    if (has("training_flop") && has("name")) return Layout::kTenfold;
    // Two columns are easily alike by chance; what credits a source takes more.
    if (has("Entity") && has("Code") && has("Day")) return Layout::kOurWorldInData;
    if (has("System") && has("Training compute (FLOPs)") && has("Author(s)") && has("Organization(s)"))
      return Layout::kPaper;
    if (has("Model") && has("Training compute (FLOP)") && has("Confidence") && has("Notability criteria"))
      return Layout::kEpoch;
    return Layout::kOther;
  }

  // A header of one column with another separator in it: the whole file is cut in the wrong places.
  void require_commas() {
    if (header_.size() != 1 || map_.index != decltype(map_.index){}) return;
    const std::size_t at = header_[0].find_first_of(";\t|");
    if (at == std::string::npos) return;
    const std::string separator = header_[0][at] == '\t' ? "tab" : std::string(1, header_[0][at]);
    throw Error(ErrorClass::kData,
                "columns.separator",
                {.what = fmt::format("{} line 1: the fields are not separated by commas", source_),
                 .seen = "'" + printable(header_[0]) + "'",
                 .wanted = "comma-separated values (RFC 4180), a point in decimal numbers",
                 .remedy = fmt::format("save the table with commas instead of '{}'", separator)});
  }

  void require_quantity() {
    const bool processors = slot(Field::kHardware) && slot(Field::kHardwareQuantity);
    switch (quantity_) {
      case Quantity::kFlop:
        return require(Field::kFlop,
                       "Training compute (FLOP), Training compute (FLOPs) or one with petaFLOP");
      case Quantity::kParameters:
        return require(Field::kParameters, "Parameters");
      case Quantity::kData:
        return require(Field::kDatasetSize, "Training dataset size (datapoints)");
      case Quantity::kCost:
        return require(Field::kCost, "Training compute cost (2023 USD)");
      case Quantity::kPower:
        if (!processors)
          require(Field::kPower, "Training power draw (W), or Training hardware and Hardware quantity");
    }
  }

  // `usual` begins with the header that a misspelt one is compared with.
  void require(Field field, std::string_view usual) {
    if (slot(field)) return;
    const std::string flag(to_string(field));
    throw Error(ErrorClass::kData,
                "columns.missing",
                {.what = fmt::format("{} line 1: no column gives the {} of a system",
                                     source_,
                                     field == Field::kFlop ? "training compute" : flag),
                 .seen = list_headers(header_),
                 .wanted = fmt::format("a column such as {}", usual),
                 .remedy = fmt::format("{}name the column with --columns \"{}=HEADER\"",
                                       did_you_mean(usual.substr(0, usual.find(',')), header_),
                                       flag)});
  }

  void note_uses() {
    for (std::size_t column = 0; column < header_.size(); ++column) {
      const auto used = std::find(map_.index.begin(), map_.index.end(), std::optional(column));
      if (used == map_.index.end()) continue;
      const auto field = static_cast<Field>(used - map_.index.begin());
      const std::string_view unit = field == Field::kFlop            ? to_string(map_.unit)
                                    : field == Field::kTrainingHours ? std::string_view("h")
                                    : field == Field::kCost          ? std::string_view(map_.currency)
                                    : field == Field::kPower         ? std::string_view("W")
                                                                     : std::string_view();
      map_.uses.push_back({header_[column], std::string(to_string(field)), std::string(unit)});
    }
  }

  [[noreturn]] void throw_bad_unit(std::string_view text) const {
    throw Error(ErrorClass::kUsage,
                "columns.bad_spec",
                {.what = "--columns: unknown unit of compute",
                 .seen = "'" + printable(text) + "'",
                 .wanted = "FLOP, petaFLOP, exaFLOP, petaflop/s-day or log10 FLOP",
                 .remedy = "for example unit=petaFLOP"});
  }

  [[noreturn]] void throw_bad_field(std::string_view key) const {
    std::vector<std::string> names(std::begin(kFieldNames), std::end(kFieldNames));
    names.emplace_back("unit");
    throw unknown_name(
        {.code = "columns.bad_spec",
         .what = "--columns: unknown field",
         .name = key,
         .known = names,
         .remedy = "write --columns \"name=System,date=Published,flop=Compute,unit=petaFLOP\""});
  }

  [[noreturn]] void throw_unknown_header(const SpecEntry& entry) const {
    throw Error(ErrorClass::kUsage,
                "columns.unknown_header",
                {.what = fmt::format("{}: --columns {} names a column that is not there", source_, entry.key),
                 .seen = "'" + printable(entry.value) + "'",
                 .wanted = "one of " + list_headers(header_),
                 .remedy = did_you_mean(entry.value, header_) + "check the first line of the file"});
  }

  std::span<const std::string> header_;
  std::string_view source_;
  Quantity quantity_;
  ColumnMap map_;
  std::optional<ComputeUnit> given_unit_;
};

}  // namespace

std::string_view to_string(ComputeUnit unit) {
  switch (unit) {
    case ComputeUnit::kFlop:
      return "FLOP";
    case ComputeUnit::kPetaflop:
      return "petaFLOP";
    case ComputeUnit::kPetaflopPerSecondDay:
      return "petaflop/s-day";
    case ComputeUnit::kExaflop:
      return "exaFLOP";
    case ComputeUnit::kLog10Flop:
      return "log10 FLOP";
  }
  return "FLOP";
}

std::optional<ComputeUnit> parse_unit(std::string_view text) {
  const std::string unit = squeeze(text);
  const auto is = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), unit) != names.end();
  };
  if (is({"flop", "flops"})) return ComputeUnit::kFlop;
  if (is({"petaflop", "petaflops", "pflop", "pflops"})) return ComputeUnit::kPetaflop;
  if (is({"exaflop", "exaflops", "eflop", "eflops"})) return ComputeUnit::kExaflop;
  if (is({"log10flop", "log10flops", "logflop", "log10compute"})) return ComputeUnit::kLog10Flop;
  if (is({"petaflopsday",
          "petaflopsdays",
          "petaflopday",
          "petaflopdays",
          "petaflopssday",
          "petaflopssdays",
          "pfsday",
          "pfsdays",
          "pfssday",
          "pflopsday",
          "pflopsdays",
          "pfday",
          "pfdays"})) {
    return ComputeUnit::kPetaflopPerSecondDay;
  }
  return std::nullopt;
}

double to_flop(double value, ComputeUnit unit) {
  switch (unit) {
    case ComputeUnit::kFlop:
      return value;
    case ComputeUnit::kPetaflop:
      return value * 1e15;
    case ComputeUnit::kPetaflopPerSecondDay:
      return value * 8.64e19;
    case ComputeUnit::kExaflop:
      return value * 1e18;
    case ComputeUnit::kLog10Flop:
      return std::pow(10.0, value);
  }
  return value;
}

std::string_view to_string(Field field) {
  return kFieldNames[static_cast<std::size_t>(field)];
}

ColumnMap recognise_columns(std::span<const std::string> header,
                            std::string_view spec,
                            std::string_view source,
                            Quantity quantity) {
  return Recogniser(header, source, quantity).run(spec);
}

Field field_of(Quantity quantity) {
  switch (quantity) {
    case Quantity::kFlop:
      return Field::kFlop;
    case Quantity::kParameters:
      return Field::kParameters;
    case Quantity::kData:
      return Field::kDatasetSize;
    case Quantity::kCost:
      return Field::kCost;
    case Quantity::kPower:
      return Field::kPower;
  }
  return Field::kFlop;
}

std::string_view credit_line(Layout layout) {
  switch (layout) {
    case Layout::kPaper:
      return "Data: Sevilla, Heim, Ho, Besiroglu, Hobbhahn, Villalobos 2022 (arXiv 2202.05924); Epoch AI, CC "
             "BY 4.0";
    case Layout::kEpoch:
      return "Data: Epoch AI, Data on AI Models (epoch.ai/data/ai-models), CC BY 4.0";
    case Layout::kOurWorldInData:
      return "Data: Our World in Data, based on Epoch AI, CC BY 4.0";
    case Layout::kTenfold:
    case Layout::kOther:
      return "";
  }
  return "";
}

}  // namespace tenfold::compute_trends
