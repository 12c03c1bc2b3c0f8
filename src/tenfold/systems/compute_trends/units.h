// SPDX-License-Identifier: Apache-2.0
// Which unit the training compute of a table is really in: rows and whole files whose figures another unit than the one
// they were read in explains best.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "tenfold/systems/compute_trends/table.h"

namespace tenfold::compute_trends {

// Where a row lies: kLow as petaFLOP figures read as FLOP do (15 orders of magnitude and more), kHigh the other way.
enum class Shift { kNone, kLow, kHigh };

struct RowUnit {
  double residual = 0.0;         // log10 of compute over what the embedded trend expects of the date
  Shift shift = Shift::kNone;    // not kNone: far from the trend
  bool wrong = false;            // and another unit explains it best
  std::optional<double> six_nd;  // log10 of compute over 6 N D, where the row gives N and D
};

struct UnitVerdict {
  std::vector<RowUnit> rows;         // as Table::rows
  Shift whole_file = Shift::kNone;   // the column as a whole is in another unit
  std::size_t whole_file_rows = 0;   // rows that say so; the others are exceptions
  double whole_file_residual = 0.0;  // their median
  std::string read_as = "FLOP";      // unit the column was read in
  std::string looks_like;            // unit that fits the whole file; empty without such a verdict
};

// Residuals are taken to the trend lines of the embedded table (least squares before and after 2010, held from 2026 on).
// A row is wrong when it lies below -9.3 orders of magnitude, or above 9 (6 when the column was not read as FLOP), and
// moving it by 15 orders brings it nearer to the median of the rows that do not; 6 N D within 3.5 orders of the compute
// clears a row, 6 N D that is 15 orders off condemns it.
//
// When no row is near the trend, small runs of one's own are possible. Low rows then are wrong when one is below
// 1e9 FLOP (1 FLOP when the user named the unit), when all are readable as log10 FLOP, or when three or more follow the
// trend, 15 or 20 orders below it, rather than staying level; the last rule is off when the user named the unit.
UnitVerdict judge_units(const Table& table);

}  // namespace tenfold::compute_trends
