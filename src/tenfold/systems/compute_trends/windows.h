// SPDX-License-Identifier: Apache-2.0
// Windows of time around each row, found once and used for many sets of compute values (eras and null study).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tenfold/systems/compute_trends/eras.h"

namespace tenfold::compute_trends {

class TimeWindows {
 public:
  // Throws Error(kUsage, "trends.bad_window") unless window >= 0 and finite.
  TimeWindows(std::span<const double> year, double window, WindowMode mode);

  // z-scores of these values, one per row in the rows' order: see window_z_scores. `z` as long as `values`.
  void z_scores(std::span<const double> values, std::span<double> z);

 private:
  std::vector<std::size_t> order_;        // rows by date
  std::vector<std::size_t> begin_, end_;  // window of the i-th row in that order
  std::vector<double> sum_, square_;      // running sums of the current values
  std::vector<std::size_t> equal_until_;  // end of the run of equal values that starts here
};

}  // namespace tenfold::compute_trends
