// SPDX-License-Identifier: Apache-2.0
// What follows the products of a layer, for values and tangents together: bias, ReLU and its mask, 2x2 max-pooling, rounding of
// tangents to bfloat16. All arrays have the channels innermost; channel counts are multiples of 16.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenfold::kernels {

// How a number becomes bfloat16. Stochastic: rounded up with the probability that makes the expectation exact, from a hash of
// (key, index of the element). The rounded number is then unbiased, and so is everything linear in it.
struct Rounding {
  bool stochastic = false;
  std::uint32_t key = 0;
};

// [rows, columns] with rows `stride` apart.
struct FloatRows {
  float* data = nullptr;
  std::ptrdiff_t stride = 0;
};
struct ConstRows {
  const float* data = nullptr;  // may be null where said
  std::ptrdiff_t stride = 0;
};
// Where tangents go: floats, or bfloat16 when `bf16` is set. `index` numbers the first element for the rounding, its row r
// starts at index + r x stride.
struct TangentRows {
  float* data = nullptr;
  std::uint16_t* bf16 = nullptr;
  std::ptrdiff_t stride = 0;
  Rounding rounding;
  std::uint32_t index = 0;
};

struct Extent {
  std::size_t rows = 0;
  std::size_t columns = 0;  // multiple of 16
};

// values = values + bias (one a column; may be null), then max(., 0) when `relu`. In place.
void finish_values(FloatRows values, Extent extent, const float* bias, bool relu);

// out = tangent + bias (one a column; may be null) where value > 0, else 0; without `values` everywhere. `out` may be `tangents`
// itself. Without a bias this is also the backward pass of ReLU.
void finish_tangents(
    ConstRows tangents, const float* bias, ConstRows values, Extent extent, const TangentRows& out);

// Two image rows, bottom below top, of 2 x pixels pixels.
struct RowPair {
  const float* top = nullptr;
  const float* bottom = nullptr;
};

// 2x2 max-pooling of (row pair + bias), then ReLU: values [pixels, channels] and which of the four won: 0 1 over 2 3, the first
// among equals; a NaN wins.
void pool_values(
    RowPair rows, Extent pixels, const float* bias, bool relu, float* values, std::uint8_t* winner);

// The tangents of the winners plus bias (may be null), zero where the mask `values` (may be null: no ReLU) is not above zero.
struct PoolTangents {
  RowPair rows;
  const float* bias = nullptr;
  const std::uint8_t* winner = nullptr;
  const float* values = nullptr;
};
void pool_tangents(const PoolTangents& tangents, Extent pixels, const TangentRows& out);

// Backward pass of both: the gradient goes to the winner, zeros to the other three.
struct PoolGradient {
  const float* gradient = nullptr;  // [pixels, channels] of the pooled row
  const std::uint8_t* winner = nullptr;
  const float* values = nullptr;  // pooled values; null: no ReLU
};
void unpool(const PoolGradient& pooled, Extent pixels, float* top, float* bottom);

// out[column] += sum over rows, in float32 over at most `rows` numbers.
void add_column_sums(ConstRows values, Extent extent, float* out);

// count numbers to bfloat16; element i is numbered index + i.
void round_bf16(
    const float* numbers, std::size_t count, Rounding rounding, std::uint32_t index, std::uint16_t* out);

// [steps, width] floats to pairs of consecutive steps [ceil(steps / 2), width], the first in the low half; a missing last step
// is zero. Width is a multiple of 16.
void round_pairs_bf16(
    const float* panel, Extent extent, Rounding rounding, std::uint32_t index, std::uint32_t* out);

// to[j, i] = from[i, j], zero where `mask` (may be null), shaped like `to`, is not above zero. Any extent.
void transpose(ConstRows from, Extent extent, FloatRows to, ConstRows mask = {});

// The same in plain C++: the oracles of the tests.
namespace plain {
void finish_values(FloatRows values, Extent extent, const float* bias, bool relu);
void finish_tangents(
    ConstRows tangents, const float* bias, ConstRows values, Extent extent, const TangentRows& out);
void pool_values(
    RowPair rows, Extent pixels, const float* bias, bool relu, float* values, std::uint8_t* winner);
void pool_tangents(const PoolTangents& tangents, Extent pixels, const TangentRows& out);
void unpool(const PoolGradient& pooled, Extent pixels, float* top, float* bottom);
void add_column_sums(ConstRows values, Extent extent, float* out);
std::uint16_t round_bf16(float number, Rounding rounding, std::uint32_t index);
void round_bf16(
    const float* numbers, std::size_t count, Rounding rounding, std::uint32_t index, std::uint16_t* out);
void round_pairs_bf16(
    const float* panel, Extent extent, Rounding rounding, std::uint32_t index, std::uint32_t* out);
void transpose(ConstRows from, Extent extent, FloatRows to, ConstRows mask = {});
}  // namespace plain

}  // namespace tenfold::kernels
