// SPDX-License-Identifier: Apache-2.0
// How well 6 N D predicts the listed training compute, by domain (specification appendix D): near 1 for language models,
// far off where weights are shared over positions (convolutions) or data is generated (games).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tenfold/systems/compute_trends/table.h"

namespace tenfold::compute_trends {

struct SixNdOptions {
  bool use_epochs = true;      // D = data size x epochs where the table lists epochs, else data size
  std::size_t least_rows = 3;  // domains with fewer rows are put into "(fewer than 3 systems)"
};

struct SixNdRow {
  std::string name;
  std::int64_t line = 0;
  std::string domain;  // the first of the cell
  double ratio = 0.0;  // 6 N D / listed compute
};

struct SixNdGroup {
  std::string domain;  // "all" for the last group
  std::size_t n = 0;
  double lower_quartile = 0.0, median = 0.0, upper_quartile = 0.0;  // of the ratio
  double within_factor_2 = 0.0;                                     // share of rows with 0.5 <= ratio <= 2
};

struct SixNdStudy {
  std::vector<SixNdGroup> groups;  // by number of rows, "all" last
  std::vector<SixNdRow> rows;      // in order of the table
  std::size_t without_inputs = 0;  // rows without parameters or data size
  std::size_t with_epochs = 0;     // rows whose D used a number of epochs
};

// Throws Error(kData, "six_nd.no_rows") when no row lists parameters and data size.
SixNdStudy six_nd_study(const Table& table, const SixNdOptions& options = {});

}  // namespace tenfold::compute_trends
