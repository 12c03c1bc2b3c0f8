// SPDX-License-Identifier: Apache-2.0
// Peak arithmetic rates of processors, for estimates by chip-time (specification section 2.6 and appendix C).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/systems/compute_trends/date.h"

namespace tenfold::compute_trends {

// One processor at one number format. Dense arithmetic, without sparsity.
struct Chip {
  std::string name;    // "Tesla V100 SXM"
  int year = 0;        // of release
  std::string format;  // "fp32", "fp16", "bf16"
  double flop_per_second = 0.0;
  double low =
      0.0;  // range of the rate: clock and board versions; equal to flop_per_second where it is one figure
  double high = 0.0;
  std::optional<double> watts;      // power of the board at full load
  bool common_data_centre = false;  // the usual data-centre processor of its year, at this format
  std::string confidence;           // "approximate": recalled, to be checked with the vendor
  std::string note;
  std::vector<std::string> aliases;
};

// The embedded list (data/compute_trends/chips.csv). All rates are approximate: verify with the vendor.
std::vector<Chip> embedded_chips();

// Reads a list with the embedded file's columns: name, year, format, flop_per_second, and if present low, high,
// watts, common_data_centre, confidence, note, aliases (';' between them). Throws Error(kData, "chips.missing_column" or
// "chips.bad_row") with the line.
std::vector<Chip> parse_chips(std::string_view csv, std::string_view source);

// The chip of a name or alias ("V100", "NVIDIA Tesla V100"; case and punctuation do not matter) at a format. Empty format:
// the format marked common_data_centre, else the fastest. Throws Error(kUsage, "chips.unknown" or "chips.no_format")
// with the names or formats there are.
const Chip& find_chip(std::span<const Chip> chips, std::string_view name, std::string_view format = "");

// The first of these chips with this name or alias; nullptr when there is none.
const Chip* chip_named(std::span<const Chip> chips, std::string_view name);

// Stand-in for a chip the paper does not name: the common data-centre processor of the year before publication, else of
// the last year before that. Throws Error(kData, "chips.none_before") when the list has none that old.
const Chip& usual_chip_before(std::span<const Chip> chips, const Date& publication);

}  // namespace tenfold::compute_trends
