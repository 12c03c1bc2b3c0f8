// SPDX-License-Identifier: Apache-2.0
// What differs between two snapshots of the same data: compute and dates revised, systems added or dropped.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "tenfold/systems/compute_trends/names.h"
#include "tenfold/systems/compute_trends/table.h"

namespace tenfold::compute_trends {

struct CompareOptions {
  double tolerance = 0.01;      // relative difference of compute that counts as a difference
  int near_name_days = 120;     // names that are only alike must have dates this near ...
  int same_compute_days = 400;  // ... or this near when their compute agrees within the tolerance
};

// Two rows taken to be the same system.
struct MatchedPair {
  SystemRow a;
  SystemRow b;
  Likeness likeness = Likeness::kSame;
  double ratio = 1.0;  // compute of b / compute of a
  bool compute_differs = false;
  bool is_rounding = false;  // the difference is what rounding one of them to the other's digits gives
  int days = 0;              // date of b - date of a
};

struct TableDifference {
  std::string source_a, source_b;
  std::size_t rows_a = 0, rows_b = 0;
  std::vector<MatchedPair> matched;       // all pairs, by date of a
  std::vector<SystemRow> only_a, only_b;  // by date
  std::size_t same = 0;                   // pairs equal in compute (within the tolerance) and date
  std::size_t compute_differs = 0;        // pairs, rounding included
  std::size_t rounding = 0;
  std::size_t date_differs = 0;
  std::size_t renamed = 0;  // pairs whose names are not the same when squeezed
};

// Matches rows one to one: first equal names (nearest date first), then alike names under the limits of `options`,
// strongest likeness, then nearest compute first.
TableDifference compare_tables(const Table& a, const Table& b, const CompareOptions& options = {});

// Every table against the first.
std::vector<TableDifference> compare_snapshots(std::span<const Table> tables,
                                               const CompareOptions& options = {});

}  // namespace tenfold::compute_trends
