// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set and chosen at run time (Highway).
#include "tenfold/kernels/gemm_int8.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tenfold/kernels/gemm_tile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/gemm_int8.cc"
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
constexpr hn::Rebind<std::int32_t, decltype(kD)> kI32;
constexpr hn::Rebind<std::int8_t, decltype(kD)> kI8;
using V = hn::Vec<decltype(kD)>;
constexpr std::size_t kMaxRows = HWY_MAX_BYTES >= 64 ? 14 : 6;

// One tile: `steps` bytes apart rows of the panel at `b`.
struct Tile8 {
  const float* a;
  std::ptrdiff_t row_stride;
  const std::int8_t* b;
  std::size_t b_step, steps;
  const float* scales;
  float* c;
  std::ptrdiff_t c_stride;
  bool add;
};
using Tile8Function = void (*)(const Tile8&);

template <std::size_t kRow, std::size_t kVectors>
HWY_INLINE void add_row8(const V (&b)[kVectors],
                         const float* HWY_RESTRICT first,
                         const float* HWY_RESTRICT seventh,
                         const detail::RowOffsets& offsets,
                         V (*HWY_RESTRICT sums)[kVectors]) {
  const V x = hn::Set(kD, (kRow < 7 ? first : seventh)[detail::row_offset<kRow>(offsets)]);
  for (std::size_t v = 0; v < kVectors; ++v) sums[kRow][v] = hn::MulAdd(x, b[v], sums[kRow][v]);
}

template <std::size_t kVectors, std::size_t... kRow>
HWY_INLINE void tile_rows8(const Tile8& tile, std::index_sequence<kRow...>) {
  V sums[sizeof...(kRow)][kVectors];
  for (auto& row : sums) {
    for (V& sum : row) sum = hn::Zero(kD);
  }
  detail::RowOffsets offsets{tile.row_stride, 3 * tile.row_stride, 5 * tile.row_stride};
  TENFOLD_OPAQUE(offsets.one);
  TENFOLD_OPAQUE(offsets.three);
  TENFOLD_OPAQUE(offsets.five);
  const float* first = tile.a;
  const float* seventh = first + (sizeof...(kRow) > 7 ? 7 * tile.row_stride : 0);
  const std::int8_t* b = tile.b;
  for (std::size_t step = 0; step < tile.steps; ++step, ++first, ++seventh, b += tile.b_step) {
    TENFOLD_OPAQUE(first);
    TENFOLD_OPAQUE(seventh);
    V columns[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v)
      columns[v] = hn::ConvertTo(kD, hn::PromoteTo(kI32, hn::LoadU(kI8, b + v * kLanes)));
    (add_row8<kRow, kVectors>(columns, first, seventh, offsets, sums), ...);
  }
  float* c = tile.c;
  for (std::size_t i = 0; i < sizeof...(kRow); ++i, c += tile.c_stride) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const V scale = hn::LoadU(kD, tile.scales + v * kLanes);
      const V sum = tile.add ? hn::MulAdd(scale, sums[i][v], hn::LoadU(kD, c + v * kLanes))
                             : hn::Mul(scale, sums[i][v]);
      hn::StoreU(sum, kD, c + v * kLanes);
    }
  }
}

template <std::size_t kRows, std::size_t kVectors>
void tile8(const Tile8& tile) {
  tile_rows8<kVectors>(tile, std::make_index_sequence<kRows>{});
}

template <std::size_t kVectors, std::size_t... kRow>
constexpr std::array<Tile8Function, sizeof...(kRow)> tiles8(std::index_sequence<kRow...>) {
  return {tile8<kRow + 1, kVectors>...};
}

void gemm_int8_panels(
    ConstRows a, std::size_t rows, const Int8Panels& b, const Int8Product& product, FloatRows out) {
  static constexpr auto one = tiles8<1>(std::make_index_sequence<kMaxRows>{});
  static constexpr auto two = tiles8<2>(std::make_index_sequence<kMaxRows>{});
  for (std::size_t panel = product.first_panel; panel < product.first_panel + product.panels; ++panel) {
    const std::size_t width = panel_width(b.columns, panel), start = panel * kPanelColumns;
    const std::size_t vectors = std::min<std::size_t>(2, width / kLanes);
    for (std::size_t column = 0; column < width; column += vectors * kLanes) {
      Tile8 tile{a.data,
                 a.stride,
                 b.data + b.steps * start + column,
                 width,
                 b.steps,
                 b.scales + start + column,
                 out.data + start + column,
                 out.stride,
                 product.add};
      std::size_t left = rows;
      for (std::size_t tiles = (rows + kMaxRows - 1) / kMaxRows; tiles > 0; --tiles) {
        const std::size_t count = (left + tiles - 1) / tiles;
        (vectors == 2 ? two : one)[count - 1](tile);
        tile.a += static_cast<std::ptrdiff_t>(count) * a.stride;
        tile.c += static_cast<std::ptrdiff_t>(count) * out.stride;
        left -= count;
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {

HWY_EXPORT(gemm_int8_panels);

void gemm_int8(
    ConstRows a, std::size_t rows, const Int8Panels& b, const Int8Product& product, FloatRows out) {
  HWY_DYNAMIC_DISPATCH(gemm_int8_panels)(a, rows, b, product, out);
}

void plain::gemm_int8(
    ConstRows a, std::size_t rows, const Int8Panels& b, const Int8Product& product, FloatRows out) {
  for (std::size_t panel = product.first_panel; panel < product.first_panel + product.panels; ++panel) {
    const std::size_t width = panel_width(b.columns, panel), start = panel * kPanelColumns;
    for (std::size_t i = 0; i < rows; ++i) {
      const float* row = a.data + static_cast<std::ptrdiff_t>(i) * a.stride;
      for (std::size_t j = 0; j < width; ++j) {
        double sum = 0;
        for (std::size_t k = 0; k < b.steps; ++k)
          sum += double{row[k]} * static_cast<double>(b.data[b.steps * start + k * width + j]);
        float& c =
            out.data[static_cast<std::ptrdiff_t>(i) * out.stride + static_cast<std::ptrdiff_t>(start + j)];
        c = static_cast<float>((product.add ? double{c} : 0.0) + double{b.scales[start + j]} * sum);
      }
    }
  }
}

}  // namespace tenfold::kernels
#endif  // HWY_ONCE
