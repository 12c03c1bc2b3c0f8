// SPDX-License-Identifier: Apache-2.0
// The three passes of Adafactor over a matrix, tile by tile: sums of squares of rows and columns, the size of the update, the
// update. Arithmetic in double; what is stored is rounded once.
#pragma once

#include <cstddef>

namespace tenfold::kernels {

// A part of a row-major matrix, and of the arrays that belong to it.
template <typename T>
struct AdafactorTile {
  const T* gradient = nullptr;
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t stride = 0;  // from row to row
};

// row_sums[i] = sum_j g_ij^2 (partial sum j mod 16, then those from 0 to 15); column_sums[j] = sum_i g_ij^2 (in order).
void adafactor_sums(const AdafactorTile<float>& tile, double* row_sums, double* column_sums);
void adafactor_sums(const AdafactorTile<double>& tile, double* row_sums, double* column_sums);

// sum_ij (g_ij row_factor_i column_factor_j)^2
double adafactor_update_squares(const AdafactorTile<float>& tile,
                                const double* row_factors,
                                const double* column_factors);
double adafactor_update_squares(const AdafactorTile<double>& tile,
                                const double* row_factors,
                                const double* column_factors);

// u_ij = scale g_ij row_factor_i column_factor_j;  with a moment: m <- beta1 m + (1 - beta1) u, u = m;  x <- shrink x - u
template <typename T>
struct AdafactorApply {
  double scale = 1.0;
  double shrink = 1.0;
  double beta1 = 0.0;
  T* value = nullptr;   // laid out as the gradient
  T* moment = nullptr;  // nullptr: none
};
void adafactor_apply(const AdafactorApply<float>& apply,
                     const AdafactorTile<float>& tile,
                     const double* row_factors,
                     const double* column_factors);
void adafactor_apply(const AdafactorApply<double>& apply,
                     const AdafactorTile<double>& tile,
                     const double* row_factors,
                     const double* column_factors);

// The same in plain C++: the oracles of the tests.
template <typename T>
void adafactor_sums_plain(const AdafactorTile<T>& tile, double* row_sums, double* column_sums);
template <typename T>
double adafactor_update_squares_plain(const AdafactorTile<T>& tile,
                                      const double* row_factors,
                                      const double* column_factors);
template <typename T>
void adafactor_apply_plain(const AdafactorApply<T>& apply,
                           const AdafactorTile<T>& tile,
                           const double* row_factors,
                           const double* column_factors);

}  // namespace tenfold::kernels
