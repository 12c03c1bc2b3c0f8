// SPDX-License-Identifier: Apache-2.0
// Small tables for the statistics' tests. Golden numbers in those tests were computed with NumPy 1.24 and SciPy 1.10 from
// the same values.
#pragma once

#include <cmath>
#include <vector>

#include "tenfold/base/random.h"

namespace tenfold::compute_trends {

inline const std::vector<double> kYear = {
    2010.2, 2011.5, 2012.1, 2012.9, 2013.4, 2014.8, 2015.0, 2016.3, 2017.7, 2018.2, 2019.9, 2021.5};
inline const std::vector<double> kLogFlop = {
    15.1, 17.2, 16.0, 18.3, 15.9, 19.4, 18.8, 21.7, 19.2, 22.5, 20.1, 24.4};

struct Rows {
  std::vector<double> year, y;
};

// `n` rows of a trend of 0.63 OOM/year with Gaussian noise, dates uniform in 2010 to 2022.
inline Rows random_rows(std::size_t n, std::uint64_t seed, double noise = 1.5) {
  random::Generator generator(seed, 0);
  Rows rows;
  for (std::size_t i = 0; i < n; ++i) {
    rows.year.push_back(2010.0 + 12.0 * generator.uniform());
    rows.y.push_back(15.0 + 0.63 * (rows.year.back() - 2010.0) + noise * generator.normal());
  }
  return rows;
}

inline double variance(const std::vector<double>& values) {
  double mean = 0.0;
  for (double value : values) mean += value / static_cast<double>(values.size());
  double sum = 0.0;
  for (double value : values) sum += (value - mean) * (value - mean);
  return sum / static_cast<double>(values.size());
}

}  // namespace tenfold::compute_trends
