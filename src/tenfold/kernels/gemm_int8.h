// SPDX-License-Identifier: Apache-2.0
// Products with weights of 8 bits and one scale an output: C[i, j] = scale[j] x sum over k of A[i, k] B[k, j], sums in float32. A quarter
// of the bytes of kernels/gemm.h, which is what a generator with few rows waits for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tenfold/kernels/activation.h"
#include "tenfold/kernels/gemm.h"

namespace tenfold::kernels {

// Panels as in kernels/gemm.h: [steps, panel_width], one after the other, columns beyond the last one zero.
struct Int8Panels {
  const std::int8_t* data = nullptr;
  const float* scales = nullptr;  // [padded columns]
  std::size_t steps = 0;
  std::size_t columns = 0;  // padded: a multiple of 16
};

// Panels [first, first + count) of C; `out` is column 0 of the whole C. add: C += instead of C =. An element is the same whatever
// else is computed with it.
struct Int8Product {
  std::size_t first_panel = 0;
  std::size_t panels = 0;
  bool add = false;
};
void gemm_int8(ConstRows a, std::size_t rows, const Int8Panels& b, const Int8Product& product, FloatRows out);

namespace plain {
void gemm_int8(ConstRows a, std::size_t rows, const Int8Panels& b, const Int8Product& product, FloatRows out);
}

}  // namespace tenfold::kernels
