// SPDX-License-Identifier: Apache-2.0
// Sums of products over packed panels: the one loop under fully connected layers, convolutions and their gradients.
//
// C[i, j] = sum over terms, segments s and steps k of A(s, i, k) B(s, k, j). A is read through strides, one number at a time,
// and needs no packing: the rows of a 3x3 convolution are pixels of an image in NHWC order with a border, its segments the three
// image rows. B is read 16 or 32 columns at a time. A term may hold pairs of bfloat16 in place of floats; sums are in float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace tenfold::kernels {

// Columns are padded to a multiple of 16 and cut into panels of 32; the last one is 16 wide when no more remain.
inline constexpr std::size_t kPanelColumns = 32;

constexpr std::size_t padded_columns(std::size_t columns) {
  return (columns + 15) / 16 * 16;
}
constexpr std::size_t panel_count(std::size_t columns) {
  return (padded_columns(columns) + kPanelColumns - 1) / kPanelColumns;
}
constexpr std::size_t panel_width(std::size_t columns, std::size_t panel) {
  const std::size_t left = padded_columns(columns) - panel * kPanelColumns;
  return left < kPanelColumns ? left : kPanelColumns;
}

// All strides count elements: floats, or pairs of bfloat16 (uint32, the first number in the low half).
struct GemmTerm {
  const void* a = nullptr;  // A(s, i, k) = a[s * segment_stride + i * row_stride + k * step_stride]
  std::ptrdiff_t row_stride = 0;
  std::ptrdiff_t step_stride = 1;
  std::ptrdiff_t segment_stride = 0;
  const void* b = nullptr;
  std::size_t steps = 0;  // k runs over [0, steps)
  std::size_t segments = 1;
  // B(s, k, j). Packed (b_step = 0): panels of [segments, steps, width], one after the other, or b_panel apart. Otherwise
  // b[s * b_segment + k * b_step + j].
  std::ptrdiff_t b_step = 0;
  std::ptrdiff_t b_segment = 0;
  std::ptrdiff_t b_panel = 0;
  bool bf16 = false;
};

struct GemmOutput {
  float* c = nullptr;
  std::ptrdiff_t row_stride = 0;  // 0: packed panels of [rows, width], or panel_stride apart
  std::ptrdiff_t panel_stride = 0;
  bool add = false;    // C += alpha x sum instead of C = sum
  float alpha = 1.0f;  // only with add
};

// At most two terms, added in their order. `columns` is a multiple of 16; no rows or no steps are allowed. One thread; an element of
// C is the same whatever other rows and columns are computed with it. Run-time dispatch (Highway; AVX512_BF16 where the
// processor has it).
void gemm(std::span<const GemmTerm> terms, std::size_t rows, std::size_t columns, const GemmOutput& output);

// The same in plain C++ with sums in double: the oracle of the tests.
void gemm_plain(std::span<const GemmTerm> terms,
                std::size_t rows,
                std::size_t columns,
                const GemmOutput& output);

// The instruction sets chosen at run time: "AVX3", "AVX2", ...; for bfloat16 "AVX512_BF16" or the emulation's.
std::string gemm_target();
std::string gemm_bf16_target();
bool has_fast_bf16();

// Peak rate of the inner loop in FLOP/s: multiply-adds on operands in the first-level cache. Measures for about 20 ms by CPU time.
double gemm_peak(bool bf16);

}  // namespace tenfold::kernels
