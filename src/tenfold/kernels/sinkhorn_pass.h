// SPDX-License-Identifier: Apache-2.0
// One round of Sinkhorn's scaling over a matrix that is read once: rows are scaled, and the column sums for the next round taken,
// while a row is still in the cache.
#pragma once

#include <cstddef>
#include <span>

namespace tenfold::kernels {

// a: [rows, columns], both at least 1. u[i] = mass / sum_k a[i, k] v[k]; then column_sums[k] = sum_i a[i, k] u[i]. A row whose sum is 0
// gets u = infinity, as the formula says. One thread. Fastest with `a` and both vectors aligned to 64 bytes.
void sinkhorn_pass(std::span<const double> a,
                   std::span<const double> v,
                   double mass,
                   std::span<double> u,
                   std::span<double> column_sums);

// values[i] = exp(scale x (costs[i] - least)), for arguments in [-708, 0]; below that 0. Relative error under 1e-13.
void exp_of_costs(std::span<const float> costs, double least, double scale, std::span<double> values);

struct CostRange {
  float least = 0;
  float largest = 0;
  bool finite = true;  // otherwise the other two mean nothing
};
// At least one cost.
CostRange range_of_costs(std::span<const float> costs);

// Place of the least number, the first of several. All finite, at least one.
std::size_t first_least(std::span<const float> costs);

// Place of the largest a[k] v[k], the first of several; 0 when all are 0. No number is negative.
std::size_t first_largest_product(std::span<const double> a, std::span<const double> v);

// sums[k] += scale x values[k].
void add_scaled(std::span<const double> values, double scale, std::span<double> sums);

}  // namespace tenfold::kernels
