// SPDX-License-Identifier: Apache-2.0
// Sum of squares in double with an order of additions that is written down: the same bits on every run and thread count.
#pragma once

#include <span>

namespace tenfold::kernels {

// Value i is added to partial sum i mod 16 of its block of 65,536 values; the partial sums of a block are added from 0 to 15,
// the blocks in their order. Float squares are exact in double, so floats give the same bits on every instruction set too.
double sum_of_squares(std::span<const float> values);
double sum_of_squares(std::span<const double> values);

// The same in plain C++: the oracle of the tests.
double sum_of_squares_plain(std::span<const float> values);
double sum_of_squares_plain(std::span<const double> values);

}  // namespace tenfold::kernels
