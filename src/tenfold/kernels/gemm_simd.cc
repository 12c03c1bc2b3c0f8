// SPDX-License-Identifier: Apache-2.0
// Tiles of kernels/gemm.h, compiled once per instruction set and chosen at run time (Highway).
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "tenfold/kernels/gemm_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/gemm_simd.cc"
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // arrays of vectors
#include <hwy/foreach_target.h>                                                           // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tenfold::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace detail = gemm_detail;

constexpr std::size_t kLanes = HWY_MIN(HWY_LANES(float), 16);
constexpr hn::CappedTag<float, kLanes> kD;
constexpr hn::Rebind<std::uint32_t, decltype(kD)> kU;
using V = hn::Vec<decltype(kD)>;
// Two vectors a row: 28 sums fill the 32 registers of AVX-512, 12 the 16 of the others.
constexpr std::size_t kMaxRows = HWY_MAX_BYTES >= 64 ? 14 : 6;

template <std::size_t kVectors>
struct Float32 {
  V b[kVectors];
  HWY_INLINE void load(const float* HWY_RESTRICT from) {
    for (std::size_t v = 0; v < kVectors; ++v) b[v] = hn::LoadU(kD, from + v * kLanes);
  }
  HWY_INLINE void add(const float* HWY_RESTRICT a, V* HWY_RESTRICT sums) const {
    const V x = hn::Set(kD, *a);
    for (std::size_t v = 0; v < kVectors; ++v) sums[v] = hn::MulAdd(x, b[v], sums[v]);
  }
};

// A pair of bfloat16 in 32 bits: both are floats after a shift or a mask.
template <std::size_t kVectors>
struct Bfloat16 {
  V low[kVectors], high[kVectors];
  static HWY_INLINE V low_of(hn::Vec<decltype(kU)> pairs) {
    return hn::BitCast(kD, hn::ShiftLeft<16>(pairs));
  }
  static HWY_INLINE V high_of(hn::Vec<decltype(kU)> pairs) {
    return hn::BitCast(kD, hn::And(pairs, hn::Set(kU, 0xFFFF0000u)));
  }
  HWY_INLINE void load(const float* HWY_RESTRICT from) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto pairs = hn::BitCast(kU, hn::LoadU(kD, from + v * kLanes));
      low[v] = low_of(pairs);
      high[v] = high_of(pairs);
    }
  }
  HWY_INLINE void add(const float* HWY_RESTRICT a, V* HWY_RESTRICT sums) const {
    const auto pairs = hn::BitCast(kU, hn::Set(kD, *a));
    const V x = low_of(pairs), y = high_of(pairs);
    for (std::size_t v = 0; v < kVectors; ++v) {
      sums[v] = hn::MulAdd(y, high[v], hn::MulAdd(x, low[v], sums[v]));
    }
  }
};

template <std::size_t kRow, typename B, std::size_t kVectors>
HWY_INLINE void add_row(const B& b,
                        const float* HWY_RESTRICT first,
                        const float* HWY_RESTRICT seventh,
                        const detail::RowOffsets& offsets,
                        V (*HWY_RESTRICT sums)[kVectors]) {
  b.add((kRow < 7 ? first : seventh) + detail::row_offset<kRow>(offsets), sums[kRow]);
}

template <template <std::size_t> typename B, std::size_t kVectors, std::size_t... kRow>
HWY_INLINE void add_term(const detail::TileTerm& term,
                         V (*HWY_RESTRICT sums)[kVectors],
                         std::index_sequence<kRow...>) {
  detail::RowOffsets offsets{term.row_stride, 3 * term.row_stride, 5 * term.row_stride};
  TENFOLD_OPAQUE(offsets.one);
  TENFOLD_OPAQUE(offsets.three);
  TENFOLD_OPAQUE(offsets.five);
  for (std::size_t segment = 0; segment < term.segments; ++segment) {
    const auto s = static_cast<std::ptrdiff_t>(segment);
    const float* first = term.a + s * term.segment_stride;
    const float* seventh = first + (sizeof...(kRow) > 7 ? 7 * term.row_stride : 0);
    const float* b = term.b + s * term.b_segment;
    for (std::size_t step = 0; step < term.steps; ++step) {
      TENFOLD_OPAQUE(first);
      TENFOLD_OPAQUE(seventh);
      B<kVectors> columns;
      columns.load(b);
      (add_row<kRow>(columns, first, seventh, offsets, sums), ...);
      first += term.step_stride;
      seventh += term.step_stride;
      b += term.b_step;
    }
  }
}

template <std::size_t kRows, std::size_t kVectors>
void tile(const detail::TileTerm* HWY_RESTRICT terms, std::size_t count, const detail::TileOutput& output) {
  using Rows = std::make_index_sequence<kRows>;
  V sums[kRows][kVectors];
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t v = 0; v < kVectors; ++v) sums[i][v] = hn::Zero(kD);
  }
  for (std::size_t t = 0; t < count; ++t) {
    terms[t].bf16 ? add_term<Bfloat16, kVectors>(terms[t], sums, Rows{})
                  : add_term<Float32, kVectors>(terms[t], sums, Rows{});
  }
  float* HWY_RESTRICT c = output.c;
  const V alpha = hn::Set(kD, output.alpha);
  for (std::size_t i = 0; i < kRows; ++i, c += output.row_stride) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const V sum = output.add ? hn::MulAdd(alpha, sums[i][v], hn::LoadU(kD, c + v * kLanes)) : sums[i][v];
      hn::StoreU(sum, kD, c + v * kLanes);
    }
  }
}

template <std::size_t kVectors, std::size_t... kRow>
constexpr std::array<detail::Tile, sizeof...(kRow)> tiles_of(std::index_sequence<kRow...>) {
  return {tile<kRow + 1, kVectors>...};
}

const detail::TileTable* tile_table() {
  static constexpr auto one = tiles_of<1>(std::make_index_sequence<kMaxRows>{});
  static constexpr auto two = tiles_of<2>(std::make_index_sequence<kMaxRows>{});
  static const detail::TileTable table{kLanes, kMaxRows, one.data(), two.data(), hwy::TargetName(HWY_TARGET)};
  return &table;
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {

HWY_EXPORT(tile_table);

const gemm_detail::TileTable& gemm_detail::simd_tiles() {
  return *HWY_DYNAMIC_DISPATCH(tile_table)();
}

}  // namespace tenfold::kernels
#endif  // HWY_ONCE
