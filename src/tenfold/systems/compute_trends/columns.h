// SPDX-License-Identifier: Apache-2.0
// Which column of a CSV file means what, and in which unit it gives the training compute: files of Epoch AI, Our World
// in Data and the paper are recognised by their column names, others are described by the user.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/systems/compute_trends/table.h"

namespace tenfold::compute_trends {

enum class ComputeUnit { kFlop, kPetaflop, kPetaflopPerSecondDay, kExaflop, kLog10Flop };

std::string_view to_string(
    ComputeUnit unit);  // "FLOP", "petaFLOP", "petaflop/s-day", "exaFLOP", "log10 FLOP"

// The names above and common spellings ("PFLOP", "petaFLOPs", "pfs-days", "log10(FLOP)"), in any case. nullopt else.
std::optional<ComputeUnit> parse_unit(std::string_view text);

// The value in FLOP. Factors: petaFLOP 1e15, exaFLOP 1e18, petaflop/s-day 8.64e19, log10 FLOP 10^value.
double to_flop(double value, ComputeUnit unit);

// Meanings a column may have; the order is that of SystemRow.
enum class Field {
  kName,
  kDate,
  kDomain,
  kOrganization,
  kFlop,
  kParameters,
  kDatasetSize,
  kCitations,
  kEpochs,
  kHardware,
  kHardwareQuantity,
  kTrainingHours,
  kUtilisation,
  kMethod,
  kConfidence,
  kCost,
  kPower,
};
inline constexpr std::size_t kFieldCount = 17;
std::string_view to_string(Field field);  // as written in --columns: "name", "date", "flop", ...

enum class Layout { kTenfold, kPaper, kEpoch, kOurWorldInData, kOther };

struct ColumnMap {
  std::array<std::optional<std::size_t>, kFieldCount> index;  // by Field: position in the header
  ComputeUnit unit = ComputeUnit::kFlop;
  bool unit_stated = false;  // by `spec`
  double watts = 1.0;        // value of one unit of the power column: 1e3 for "(kW)"
  std::string currency;      // what the header of the cost column has in brackets: "2023 USD"
  Layout layout = Layout::kOther;
  std::optional<std::size_t> license;  // position of a column "license", as our exports have
  std::vector<ColumnUse> uses;
  std::vector<std::string> warnings;

  std::optional<std::size_t> operator[](Field field) const { return index[static_cast<std::size_t>(field)]; }
};

// `spec` ("name=System,date=Publication date,flop=Compute,unit=petaFLOP"; empty: none) comes before recognition by name.
// `quantity` is the one that must have a column; power may have those of the processors instead.
// Throws Error(kUsage, "columns.bad_spec" or "columns.unknown_header") for a wrong spec, Error(kData, "columns.missing")
// with the headers seen and the nearest one when there is no column for name, date or compute, "columns.separator" when
// the whole header is one field with semicolons, tabs or bars in it.
ColumnMap recognise_columns(std::span<const std::string> header,
                            std::string_view spec,
                            std::string_view source,
                            Quantity quantity = Quantity::kFlop);

// The column a quantity stands in.
Field field_of(Quantity quantity);

// The credit line a table of this layout carries; empty for kTenfold, which any table may have, and for kOther.
std::string_view credit_line(Layout layout);

}  // namespace tenfold::compute_trends
