// SPDX-License-Identifier: Apache-2.0
// Plain versions of kernels/activation.h.
#include "tenfold/kernels/activation.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tenfold::kernels::plain {
namespace {

void store_tangent(const TangentRows& out, std::size_t row, std::size_t column, float tangent) {
  const std::ptrdiff_t at =
      static_cast<std::ptrdiff_t>(row) * out.stride + static_cast<std::ptrdiff_t>(column);
  if (out.bf16 == nullptr) {
    out.data[at] = tangent;
  } else {
    out.bf16[at] = round_bf16(tangent, out.rounding, out.index + static_cast<std::uint32_t>(at));
  }
}

template <typename Rows>
auto& at(const Rows& rows, std::size_t row, std::size_t column) {
  return rows.data[static_cast<std::ptrdiff_t>(row) * rows.stride + static_cast<std::ptrdiff_t>(column)];
}

}  // namespace

void finish_values(FloatRows values, Extent extent, const float* bias, bool relu) {
  for (std::size_t i = 0; i < extent.rows; ++i) {
    for (std::size_t j = 0; j < extent.columns; ++j) {
      float& value = at(values, i, j);
      if (bias != nullptr) value += bias[j];
      if (relu) value = std::max(value, 0.0f);
    }
  }
}

void finish_tangents(
    ConstRows tangents, const float* bias, ConstRows values, Extent extent, const TangentRows& out) {
  for (std::size_t i = 0; i < extent.rows; ++i) {
    for (std::size_t j = 0; j < extent.columns; ++j) {
      const bool passes = values.data == nullptr || at(values, i, j) > 0.0f;
      const float tangent = at(tangents, i, j) + (bias != nullptr ? bias[j] : 0.0f);
      store_tangent(out, i, j, passes ? tangent : 0.0f);
    }
  }
}

void pool_values(
    RowPair rows, Extent pixels, const float* bias, bool relu, float* values, std::uint8_t* winner) {
  const std::size_t channels = pixels.columns;
  for (std::size_t i = 0; i < pixels.rows; ++i) {
    for (std::size_t c = 0; c < channels; ++c) {
      const std::size_t left = 2 * i * channels + c;
      const float four[] = {
          rows.top[left], rows.top[left + channels], rows.bottom[left], rows.bottom[left + channels]};
      std::size_t best = 0;
      for (std::size_t k = 1; k < 4; ++k) {
        if (four[k] > four[best] || std::isnan(four[k])) best = k;
      }
      const float value = four[best] + (bias != nullptr ? bias[c] : 0.0f);
      values[i * channels + c] = relu ? std::max(value, 0.0f) : value;
      winner[i * channels + c] = static_cast<std::uint8_t>(best);
    }
  }
}

void pool_tangents(const PoolTangents& tangents, Extent pixels, const TangentRows& out) {
  const std::size_t channels = pixels.columns;
  for (std::size_t i = 0; i < pixels.rows; ++i) {
    for (std::size_t c = 0; c < channels; ++c) {
      const std::size_t pooled = i * channels + c;
      const std::uint8_t winner = tangents.winner[pooled];
      const float* row = winner < 2 ? tangents.rows.top : tangents.rows.bottom;
      const bool passes = tangents.values == nullptr || tangents.values[pooled] > 0.0f;
      const float tangent =
          row[(2 * i + winner % 2) * channels + c] + (tangents.bias != nullptr ? tangents.bias[c] : 0.0f);
      store_tangent(out, i, c, passes ? tangent : 0.0f);
    }
  }
}

void unpool(const PoolGradient& pooled, Extent pixels, float* top, float* bottom) {
  const std::size_t channels = pixels.columns;
  for (std::size_t i = 0; i < pixels.rows; ++i) {
    for (std::size_t c = 0; c < channels; ++c) {
      const std::size_t from = i * channels + c;
      const bool passes = pooled.values == nullptr || pooled.values[from] > 0.0f;
      for (std::size_t k = 0; k < 4; ++k) {
        float* const row = k < 2 ? top : bottom;
        const bool won = passes && pooled.winner[from] == k;
        row[(2 * i + k % 2) * channels + c] = won ? pooled.gradient[from] : 0.0f;
      }
    }
  }
}

void add_column_sums(ConstRows values, Extent extent, float* out) {
  for (std::size_t j = 0; j < extent.columns; ++j) {
    double sum = 0.0;
    for (std::size_t i = 0; i < extent.rows; ++i) sum += double{at(values, i, j)};
    out[j] = static_cast<float>(double{out[j]} + sum);
  }
}

std::uint16_t round_bf16(float number, Rounding rounding, std::uint32_t index) {
  const auto bits = std::bit_cast<std::uint32_t>(number);
  std::uint32_t added = 0x7FFFu + ((bits >> 16) & 1u);  // to nearest, ties to even
  if (rounding.stochastic) {
    std::uint32_t hash = index * 0x9E3779B1u + rounding.key;
    hash = (hash ^ (hash >> 16)) * 0x85EBCA6Bu;
    hash = (hash ^ (hash >> 13)) * 0xC2B2AE35u;
    added = hash >> 16;
  }
  return static_cast<std::uint16_t>((bits + added) >> 16);
}

void round_bf16(
    const float* numbers, std::size_t count, Rounding rounding, std::uint32_t index, std::uint16_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = round_bf16(numbers[i], rounding, index + static_cast<std::uint32_t>(i));
  }
}

void round_pairs_bf16(
    const float* panel, Extent extent, Rounding rounding, std::uint32_t index, std::uint32_t* out) {
  for (std::size_t i = 0; i < extent.rows; ++i) {
    for (std::size_t j = 0; j < extent.columns; ++j) {
      const std::size_t from = i * extent.columns + j;
      const std::uint32_t rounded =
          round_bf16(panel[from], rounding, index + static_cast<std::uint32_t>(from));
      std::uint32_t& pair = out[i / 2 * extent.columns + j];
      pair = i % 2 == 0 ? rounded : pair | (rounded << 16);
    }
  }
}

void transpose(ConstRows from, Extent extent, FloatRows to, ConstRows mask) {
  for (std::size_t i = 0; i < extent.rows; ++i) {
    for (std::size_t j = 0; j < extent.columns; ++j) {
      at(to, j, i) = mask.data == nullptr || at(mask, j, i) > 0.0f ? at(from, i, j) : 0.0f;
    }
  }
}

}  // namespace tenfold::kernels::plain
