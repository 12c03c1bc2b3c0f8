// SPDX-License-Identifier: Apache-2.0
// Inner product of two rows of floats, for walks that meet one row at a time; many rows at once go through kernels/gemm.h.
#pragma once

#include <cstddef>

namespace tenfold::kernels {

// Four sums of vectors that are added in the end, so the rounding depends on the instruction set.
float dot(const float* a, const float* b, std::size_t count);

}  // namespace tenfold::kernels
