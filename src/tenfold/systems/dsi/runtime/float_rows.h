// SPDX-License-Identifier: Apache-2.0
// Small helpers of encoder and decoder: padded rows of floats and buffers that only grow.
#pragma once

#include <algorithm>
#include <cstddef>

#include "tenfold/base/aligned_vector.h"
#include "tenfold/kernels/activation.h"
#include "tenfold/systems/dsi/runtime/t5_weights.h"

namespace tenfold::dsi {

inline std::ptrdiff_t signed_of(std::size_t value) {
  return static_cast<std::ptrdiff_t>(value);
}

inline std::size_t padded_to_16(std::size_t count) {
  return (count + 15) / 16 * 16;
}

inline void grow(AlignedVector<float>& buffer, std::size_t size) {
  if (buffer.size() < size) buffer.resize(size);
}

inline kernels::ConstRows read_only(kernels::FloatRows rows) {
  return {rows.data, rows.stride};
}

// [rows, columns] with rows `padded` apart, zeros behind their end.
inline AlignedVector<float> padded_rows(const WeightFile::Matrix& from, std::size_t padded) {
  AlignedVector<float> out(from.rows * padded);
  for (std::size_t row = 0; row < from.rows; ++row)
    std::copy_n(from.values.begin() + signed_of(row * from.columns),
                from.columns,
                out.begin() + signed_of(row * padded));
  return out;
}

}  // namespace tenfold::dsi
