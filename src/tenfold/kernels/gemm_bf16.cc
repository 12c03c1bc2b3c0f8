// SPDX-License-Identifier: Apache-2.0
// Tiles of kernels/gemm.h for processors with AVX512_BF16: a dot product of two pairs a lane, twice the multiply-adds of float32.
// Highway 1.0.3 has no operation for that instruction.
#include "tenfold/base/cpu.h"
#include "tenfold/kernels/gemm_tile.h"

#if defined(__x86_64__)
#include <hwy/highway.h>
#include <immintrin.h>

#include <array>
#include <utility>

HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,fma,avx2")
namespace tenfold::kernels::gemm_detail {
namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kMaxRows = 14;

template <bool kPairs, std::size_t kVectors>
HWY_INLINE void add_products(const float* a, const __m512 (&b)[kVectors], __m512 (&sums)[kVectors]) {
  const __m512 x = _mm512_set1_ps(*a);
  for (std::size_t v = 0; v < kVectors; ++v) {
    if constexpr (kPairs) {
      sums[v] = _mm512_dpbf16_ps(sums[v], reinterpret_cast<__m512bh>(b[v]), reinterpret_cast<__m512bh>(x));
    } else {
      sums[v] = _mm512_fmadd_ps(x, b[v], sums[v]);
    }
  }
}

template <bool kPairs, std::size_t kVectors, std::size_t... kRow>
HWY_INLINE void add_term(const TileTerm& term,
                         __m512 (&sums)[sizeof...(kRow)][kVectors],
                         std::index_sequence<kRow...>) {
  RowOffsets offsets{term.row_stride, 3 * term.row_stride, 5 * term.row_stride};
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
      __m512 columns[kVectors];
      for (std::size_t v = 0; v < kVectors; ++v) columns[v] = _mm512_loadu_ps(b + v * kLanes);
      (add_products<kPairs>((kRow < 7 ? first : seventh) + row_offset<kRow>(offsets), columns, sums[kRow]),
       ...);
      first += term.step_stride;
      seventh += term.step_stride;
      b += term.b_step;
    }
  }
}

template <std::size_t kRows, std::size_t kVectors>
void tile(const TileTerm* terms, std::size_t count, const TileOutput& output) {
  using Rows = std::make_index_sequence<kRows>;
  __m512 sums[kRows][kVectors];
  for (auto& row : sums) {
    for (__m512& sum : row) sum = _mm512_setzero_ps();
  }
  for (std::size_t t = 0; t < count; ++t) {
    terms[t].bf16 ? add_term<true, kVectors>(terms[t], sums, Rows{})
                  : add_term<false, kVectors>(terms[t], sums, Rows{});
  }
  float* c = output.c;
  const __m512 alpha = _mm512_set1_ps(output.alpha);
  for (std::size_t i = 0; i < kRows; ++i, c += output.row_stride) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const __m512 sum =
          output.add ? _mm512_fmadd_ps(alpha, sums[i][v], _mm512_loadu_ps(c + v * kLanes)) : sums[i][v];
      _mm512_storeu_ps(c + v * kLanes, sum);
    }
  }
}

template <std::size_t kVectors, std::size_t... kRow>
constexpr std::array<Tile, sizeof...(kRow)> tiles_of(std::index_sequence<kRow...>) {
  return {tile<kRow + 1, kVectors>...};
}

}  // namespace
}  // namespace tenfold::kernels::gemm_detail
HWY_POP_ATTRIBUTES

namespace tenfold::kernels::gemm_detail {

const TileTable* native_bf16_tiles() {
  static constexpr auto one = tiles_of<1>(std::make_index_sequence<kMaxRows>{});
  static constexpr auto two = tiles_of<2>(std::make_index_sequence<kMaxRows>{});
  static const TileTable table{kLanes, kMaxRows, one.data(), two.data(), "AVX512_BF16"};
  static const bool usable = cpu_info().avx512 && cpu_info().avx512_bf16;
  return usable ? &table : nullptr;
}

}  // namespace tenfold::kernels::gemm_detail

#else

namespace tenfold::kernels::gemm_detail {

const TileTable* native_bf16_tiles() {
  return nullptr;
}

}  // namespace tenfold::kernels::gemm_detail

#endif
