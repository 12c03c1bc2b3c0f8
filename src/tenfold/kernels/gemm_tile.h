// SPDX-License-Identifier: Apache-2.0
// The tile of kernels/gemm.h: a few rows times one or two vectors of columns, summed in registers. Internal to gemm*.cc.
#pragma once

#include <cstddef>

namespace tenfold::kernels::gemm_detail {

// One term as the tile sees it, at its first row and column. Pairs of bfloat16 are read as 32-bit lanes.
struct TileTerm {
  const float* a;
  std::ptrdiff_t row_stride, step_stride, segment_stride;
  const float* b;
  std::ptrdiff_t b_step, b_segment;
  std::size_t steps, segments;
  bool bf16;
};

struct TileOutput {
  float* c;
  std::ptrdiff_t row_stride;
  bool add;
  float alpha;
};

using Tile = void (*)(const TileTerm* terms, std::size_t count, const TileOutput& output);

// Tiles of one instruction set: one[r - 1] has r rows and one vector, two[r - 1] r rows and two vectors.
struct TileTable {
  std::size_t lanes;  // floats in a vector
  std::size_t max_rows;
  const Tile* one;
  const Tile* two;
  const char* name;
};

// Row addresses within a tile of up to 14 rows: two bases, seven rows apart, and offsets that x86 can form without a register
// of its own for each row.
struct RowOffsets {
  std::ptrdiff_t one, three, five;
};
template <std::size_t kRow>
constexpr std::ptrdiff_t row_offset(const RowOffsets& offsets) {
  switch (kRow % 7) {
    case 0:
      return 0;
    case 1:
      return offsets.one;
    case 2:
      return 2 * offsets.one;
    case 3:
      return offsets.three;
    case 4:
      return 4 * offsets.one;
    case 5:
      return offsets.five;
    default:
      return 2 * offsets.three;
  }
}

// Stops the compiler from giving every row a pointer of its own, which would spill them all.
#define TENFOLD_OPAQUE(VARIABLE) __asm__ volatile("" : "+r"(VARIABLE))

const TileTable& simd_tiles();         // Highway, bfloat16 emulated
const TileTable* native_bf16_tiles();  // AVX512_BF16; nullptr where the processor has none

}  // namespace tenfold::kernels::gemm_detail
