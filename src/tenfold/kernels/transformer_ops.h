// SPDX-License-Identifier: Apache-2.0
// What stands between the matrix products of a transformer that generates: normalisation, gated activation, softmax, and attention to
// the positions of one hypothesis. One row depends on nothing but itself, so batches of any size give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tenfold/kernels/activation.h"

namespace tenfold::kernels {

// out = weight x row / sqrt(mean of squares + epsilon) (RMSNorm; Zhang and Sennrich 2019). `size` numbers a row count; all arrays
// have room for size rounded up to 16, where x and weight are zero.
struct RmsNorm {
  const float* weight = nullptr;
  std::size_t size = 0;
  float epsilon = 1e-6F;
};
void rms_norm(ConstRows x, std::size_t rows, const RmsNorm& norm, FloatRows out);

// x[j] = gelu(x[j]) x[columns + j] for j < columns: rows of two halves, the result in the first; gelu in its tanh form (Hendrycks and
// Gimpel 2016). Columns are a multiple of 16.
void gated_gelu(FloatRows x, Extent extent);

// scores = softmax(scores + bias) over the first `columns` numbers of a row, zeros up to the next multiple of 16. bias may be null,
// and has no room beyond `columns`.
void softmax_rows(FloatRows scores, Extent extent, ConstRows bias = {});

// log of the sum of exponentials, at least one number; -infinity counts as nothing.
float log_sum_exp(const float* x, std::size_t count);

// Self-attention of one new position to the earlier ones of its hypothesis, which lie at any rows of the cache: hypotheses that share a
// beginning share its rows, and none is ever copied.
struct PathAttention {
  const float* keys = nullptr;    // [slots, heads x width], rows `stride` apart
  const float* values = nullptr;  // the same
  std::ptrdiff_t stride = 0;
  std::size_t heads = 0;
  std::size_t width = 0;                // of a head, a multiple of 16
  const std::uint32_t* path = nullptr;  // [positions] slots
  std::size_t positions = 0;            // at least 1
  const float* bias = nullptr;          // [heads, positions], rows `bias_stride` apart
  std::ptrdiff_t bias_stride = 0;
};
// out[h, :] = sum over p of softmax_p(query[h] . keys[path[p], h] + bias[h, p]) values[path[p], h]. `scores`: room for heads x
// positions, positions rounded up to 16.
void attend_path(const float* query, const PathAttention& attention, float* scores, float* out);

// The same in plain C++ with sums in double: the oracles of the tests.
namespace plain {
void rms_norm(ConstRows x, std::size_t rows, const RmsNorm& norm, FloatRows out);
void gated_gelu(FloatRows x, Extent extent);
void softmax_rows(FloatRows scores, Extent extent, ConstRows bias = {});
float log_sum_exp(const float* x, std::size_t count);
void attend_path(const float* query, const PathAttention& attention, float* scores, float* out);
}  // namespace plain

}  // namespace tenfold::kernels
