// SPDX-License-Identifier: Apache-2.0
// Fully connected layers with few outputs (a classifier's last layer): weights stay in [outputs, inputs] order, vectors run along
// the inputs.
#pragma once

#include <cstddef>

#include "tenfold/kernels/activation.h"

namespace tenfold::kernels {

// [outputs, inputs], rows `stride` apart. The stride is a multiple of 16; numbers beyond `inputs` are zero.
struct NarrowWeights {
  float* data = nullptr;
  std::ptrdiff_t stride = 0;
  std::size_t outputs = 0;
  std::size_t inputs = 0;
};

// out[m, n] = sum over k of x[m, k] W[n, k]. Writes outputs rounded up to a multiple of 4 numbers a row. A direction v stored as one
// more row of W gives x v in the same pass.
void narrow_forward(ConstRows x, std::size_t rows, const NarrowWeights& weights, FloatRows out);

// out[m, k] = sum over n of g[m, n] W[n, k] where mask[m, k] > 0 (null: everywhere), else 0. Rows of `out` and `mask` have room
// for inputs rounded up to a multiple of 16.
void narrow_backward(
    ConstRows g, std::size_t rows, const NarrowWeights& weights, ConstRows mask, FloatRows out);

// W[n, k] += alpha x sum over m of g[m, n] x[m, k]: the gradient is never stored.
void narrow_update(ConstRows g, ConstRows x, std::size_t rows, float alpha, const NarrowWeights& weights);

// W[n, k] += a[n] b[k]. b has `stride` numbers, zeros beyond `inputs`.
void narrow_rank1(const float* a, const float* b, const NarrowWeights& weights);

// Rows of a [rows, segments, steps] operand that may overlap, as in kernels/gemm.h.
struct SegmentedRows {
  const float* data = nullptr;
  std::ptrdiff_t row_stride = 0;
  std::ptrdiff_t segment_stride = 0;
  std::size_t segments = 1;
  std::size_t steps = 0;
};

// out[i] = offset + sum over s, k of x[i, s, k] v[s * steps + k].
void row_dots(const SegmentedRows& x, std::size_t rows, const float* v, float offset, float* out);

// The same in plain C++ with sums in double: the oracles of the tests.
namespace plain {
void narrow_forward(ConstRows x, std::size_t rows, const NarrowWeights& weights, FloatRows out);
void narrow_backward(
    ConstRows g, std::size_t rows, const NarrowWeights& weights, ConstRows mask, FloatRows out);
void narrow_update(ConstRows g, ConstRows x, std::size_t rows, float alpha, const NarrowWeights& weights);
void narrow_rank1(const float* a, const float* b, const NarrowWeights& weights);
void row_dots(const SegmentedRows& x, std::size_t rows, const float* v, float offset, float* out);
}  // namespace plain

}  // namespace tenfold::kernels
