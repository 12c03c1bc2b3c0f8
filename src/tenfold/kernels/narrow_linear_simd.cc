// SPDX-License-Identifier: Apache-2.0
// kernels/narrow_linear.h, compiled once per instruction set and chosen at run time (Highway).
#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/kernels/gemm_tile.h"
#include "tenfold/kernels/narrow_linear.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/narrow_linear_simd.cc"
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // arrays of vectors
#include <hwy/foreach_target.h>                                                           // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tenfold::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

void forward(ConstRows x, std::size_t rows, const NarrowWeights& weights, FloatRows out) {
  plain::narrow_forward(x, rows, weights, out);
}
void backward(ConstRows g, std::size_t rows, const NarrowWeights& weights, ConstRows mask, FloatRows out) {
  plain::narrow_backward(g, rows, weights, mask, out);
}
void update(ConstRows g, ConstRows x, std::size_t rows, float alpha, const NarrowWeights& weights) {
  plain::narrow_update(g, x, rows, alpha, weights);
}
void rank1(const float* a, const float* b, const NarrowWeights& weights) {
  plain::narrow_rank1(a, b, weights);
}
void dots(const SegmentedRows& x, std::size_t rows, const float* v, float offset, float* out) {
  plain::row_dots(x, rows, v, offset, out);
}

#else

constexpr std::size_t kLanes = HWY_MIN(HWY_LANES(float), 16);
constexpr hn::CappedTag<float, kLanes> kD;
constexpr hn::FixedTag<float, 4> kD4;
using V = hn::Vec<decltype(kD)>;
using V4 = hn::Vec<decltype(kD4)>;
// Outputs at a time, times two rows or two vectors: 24 sums in 32 registers, 8 in 16. A multiple of 4.
constexpr std::size_t kMaxOutputs = HWY_MAX_BYTES >= 64 ? 12 : 4;

// The first `count` < kLanes numbers, zeros after them; reads nothing beyond.
HWY_INLINE V load_some(const float* HWY_RESTRICT from, std::size_t count) {
#if HWY_MEM_OPS_MIGHT_FAULT
  HWY_ALIGN float lanes[kLanes] = {};
  for (std::size_t i = 0; i < count; ++i) lanes[i] = from[i];
  return hn::Load(kD, lanes);
#else
  return hn::MaskedLoad(hn::FirstN(kD, count), kD, from);
#endif
}

template <class Wide>
HWY_INLINE V4 fold(Wide v) {
  constexpr hn::DFromV<Wide> d;
  if constexpr (hn::MaxLanes(d) <= 4) {
    return v;
  } else {
    constexpr hn::Half<hn::DFromV<Wide> > half;
    return fold(hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

// The sums of the lanes of four vectors, in order.
HWY_INLINE V4 sum_four(V a, V b, V c, V d) {
  constexpr hn::RepartitionToWide<decltype(kD)> wide;
  const auto halves = [&](V x, V y) HWY_ATTR {
    return hn::Add(hn::InterleaveLower(kD, x, y), hn::InterleaveUpper(kD, x, y));
  };
  const auto ab = hn::BitCast(wide, halves(a, b));
  const auto cd = hn::BitCast(wide, halves(c, d));
  return fold(hn::Add(hn::BitCast(kD, hn::InterleaveLower(wide, ab, cd)),
                      hn::BitCast(kD, hn::InterleaveUpper(wide, ab, cd))));
}

template <std::size_t kRow>
HWY_INLINE const float* row_of(const float* first,
                               const float* seventh,
                               const gemm_detail::RowOffsets& offsets) {
  return (kRow < 7 ? first : seventh) + gemm_detail::row_offset<kRow>(offsets);
}

template <std::size_t kOutput, std::size_t kRows, std::size_t kSlots>
HWY_INLINE void add_output(const V (&in)[kRows], const float* HWY_RESTRICT w, V (&sums)[kRows][kSlots]) {
  const V own = hn::LoadU(kD, w);
  for (std::size_t r = 0; r < kRows; ++r) sums[r][kOutput] = hn::MulAdd(in[r], own, sums[r][kOutput]);
}

// kRows rows of x times sizeof...(kOutput) rows of W.
template <std::size_t kRows, std::size_t... kOutput>
HWY_INLINE void forward_rows(ConstRows x,
                             const NarrowWeights& weights,
                             float* HWY_RESTRICT out,
                             std::ptrdiff_t out_stride,
                             std::index_sequence<kOutput...>) {
  constexpr std::size_t kCount = sizeof...(kOutput);
  constexpr std::size_t kQuads = (kCount + 3) / 4;
  V sums[kRows][kQuads * 4];
  for (auto& row : sums) {
    for (V& sum : row) sum = hn::Zero(kD);
  }
  gemm_detail::RowOffsets offsets{weights.stride, 3 * weights.stride, 5 * weights.stride};
  TENFOLD_OPAQUE(offsets.one);
  TENFOLD_OPAQUE(offsets.three);
  TENFOLD_OPAQUE(offsets.five);
  const float* first = weights.data;
  const float* seventh = weights.data + (kCount > 7 ? 7 * weights.stride : 0);
  for (std::size_t k = 0; k < weights.inputs; k += kLanes) {
    V in[kRows];
    for (std::size_t r = 0; r < kRows; ++r) {
      const float* from = x.data + static_cast<std::ptrdiff_t>(r) * x.stride + k;
      in[r] = k + kLanes <= weights.inputs ? hn::LoadU(kD, from) : load_some(from, weights.inputs - k);
    }
    TENFOLD_OPAQUE(first);
    TENFOLD_OPAQUE(seventh);
    (add_output<kOutput>(in, row_of<kOutput>(first, seventh, offsets), sums), ...);
    first += kLanes;
    seventh += kLanes;
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t q = 0; q < kQuads; ++q) {
      const V* own = sums[r] + 4 * q;
      hn::StoreU(sum_four(own[0], own[1], own[2], own[3]),
                 kD4,
                 out + static_cast<std::ptrdiff_t>(r) * out_stride + 4 * q);
    }
  }
}

template <std::size_t kOutputs>
void forward_outputs(ConstRows x, std::size_t rows, const NarrowWeights& weights, FloatRows out) {
  using Outputs = std::make_index_sequence<kOutputs>;
  std::size_t m = 0;
  for (; m + 2 <= rows; m += 2) {
    forward_rows<2>(x, weights, out.data, out.stride, Outputs{});
    x.data += 2 * x.stride;
    out.data += 2 * out.stride;
  }
  if (m < rows) forward_rows<1>(x, weights, out.data, out.stride, Outputs{});
}

// W[all outputs, kVectors vectors of columns] += alpha x sum over m of g x.
template <std::size_t kOutputs, std::size_t kVectors, bool kMasked>
HWY_INLINE void update_columns(ConstRows g,
                               ConstRows x,
                               std::size_t rows,
                               float alpha,
                               const NarrowWeights& weights,
                               std::size_t column) {
  V sums[kOutputs][kVectors];
  for (auto& row : sums) {
    for (V& sum : row) sum = hn::Zero(kD);
  }
  const float* HWY_RESTRICT gradient = g.data;
  const float* HWY_RESTRICT from = x.data + column;
  for (std::size_t m = 0; m < rows; ++m, gradient += g.stride, from += x.stride) {
    V in[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) {
      in[v] = kMasked ? load_some(from, weights.inputs - column) : hn::LoadU(kD, from + v * kLanes);
    }
    for (std::size_t n = 0; n < kOutputs; ++n) {
      const V own = hn::Set(kD, gradient[n]);
      for (std::size_t v = 0; v < kVectors; ++v) sums[n][v] = hn::MulAdd(own, in[v], sums[n][v]);
    }
  }
  const V scale = hn::Set(kD, alpha);
  for (std::size_t n = 0; n < kOutputs; ++n) {
    float* w = weights.data + static_cast<std::ptrdiff_t>(n) * weights.stride + column;
    for (std::size_t v = 0; v < kVectors; ++v, w += kLanes) {
      hn::StoreU(hn::MulAdd(scale, sums[n][v], hn::LoadU(kD, w)), kD, w);
    }
  }
}

template <std::size_t kOutputs>
void update_outputs(ConstRows g, ConstRows x, std::size_t rows, float alpha, const NarrowWeights& weights) {
  std::size_t column = 0;
  for (; column + 2 * kLanes <= weights.inputs; column += 2 * kLanes) {
    update_columns<kOutputs, 2, false>(g, x, rows, alpha, weights, column);
  }
  for (; column + kLanes <= weights.inputs; column += kLanes) {
    update_columns<kOutputs, 1, false>(g, x, rows, alpha, weights, column);
  }
  if (column < weights.inputs) update_columns<kOutputs, 1, true>(g, x, rows, alpha, weights, column);
}

using Forward = void (*)(ConstRows, std::size_t, const NarrowWeights&, FloatRows);
using Update = void (*)(ConstRows, ConstRows, std::size_t, float, const NarrowWeights&);
template <std::size_t... kN>
constexpr std::array<Forward, sizeof...(kN)> forwards(std::index_sequence<kN...>) {
  return {forward_outputs<kN + 1>...};
}
template <std::size_t... kN>
constexpr std::array<Update, sizeof...(kN)> updates(std::index_sequence<kN...>) {
  return {update_outputs<kN + 1>...};
}

// Calls body(first output, weights of some outputs): kMaxOutputs at a time, then the rest.
template <typename Body>
HWY_INLINE void by_outputs(const NarrowWeights& weights, const Body& body) {
  for (std::size_t n = 0; n < weights.outputs; n += kMaxOutputs) {
    NarrowWeights own = weights;
    own.data += static_cast<std::ptrdiff_t>(n) * weights.stride;
    own.outputs = std::min(kMaxOutputs, weights.outputs - n);
    body(n, own);
  }
}

void forward(ConstRows x, std::size_t rows, const NarrowWeights& weights, FloatRows out) {
  static constexpr auto kernels = forwards(std::make_index_sequence<kMaxOutputs>{});
  by_outputs(weights, [&](std::size_t n, const NarrowWeights& own) {
    kernels[own.outputs - 1](x, rows, own, {out.data + n, out.stride});
  });
}

void update(ConstRows g, ConstRows x, std::size_t rows, float alpha, const NarrowWeights& weights) {
  static constexpr auto kernels = updates(std::make_index_sequence<kMaxOutputs>{});
  by_outputs(weights, [&](std::size_t n, const NarrowWeights& own) {
    kernels[own.outputs - 1]({g.data + n, g.stride}, x, rows, alpha, own);
  });
}

// kRows rows at once: each vector of W is loaded once for all of them.
template <std::size_t kRows>
HWY_INLINE void backward_rows(ConstRows g,
                              const NarrowWeights& weights,
                              ConstRows mask,
                              float* HWY_RESTRICT out,
                              std::ptrdiff_t stride) {
  const std::size_t columns = (weights.inputs + 15) / 16 * 16;
  for (std::size_t k = 0; k < columns; k += kLanes) {
    V sums[kRows];
    for (V& sum : sums) sum = hn::Zero(kD);
    const float* w = weights.data + k;
    for (std::size_t n = 0; n < weights.outputs; ++n, w += weights.stride) {
      const V own = hn::LoadU(kD, w);
      for (std::size_t r = 0; r < kRows; ++r) {
        sums[r] =
            hn::MulAdd(hn::Set(kD, g.data[static_cast<std::ptrdiff_t>(r) * g.stride + n]), own, sums[r]);
      }
    }
    for (std::size_t r = 0; r < kRows; ++r) {
      const auto row = static_cast<std::ptrdiff_t>(r);
      if (mask.data != nullptr) {
        const V value = hn::LoadU(kD, mask.data + row * mask.stride + k);
        sums[r] = hn::IfThenElseZero(hn::Gt(value, hn::Zero(kD)), sums[r]);
      }
      hn::StoreU(sums[r], kD, out + row * stride + k);
    }
  }
}

void backward(ConstRows g, std::size_t rows, const NarrowWeights& weights, ConstRows mask, FloatRows out) {
  constexpr std::size_t kRows = 8;
  const auto move_on = [&](std::ptrdiff_t count) {
    g.data += count * g.stride;
    out.data += count * out.stride;
    if (mask.data != nullptr) mask.data += count * mask.stride;
  };
  std::size_t m = 0;
  for (; m + kRows <= rows; m += kRows, move_on(kRows)) {
    backward_rows<kRows>(g, weights, mask, out.data, out.stride);
  }
  for (; m < rows; ++m, move_on(1)) backward_rows<1>(g, weights, mask, out.data, out.stride);
}

void rank1(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, const NarrowWeights& weights) {
  for (std::size_t n = 0; n < weights.outputs; ++n) {
    float* HWY_RESTRICT row = weights.data + static_cast<std::ptrdiff_t>(n) * weights.stride;
    const V scale = hn::Set(kD, a[n]);
    for (std::size_t k = 0; k < weights.inputs; k += kLanes) {
      hn::StoreU(hn::MulAdd(scale, hn::LoadU(kD, b + k), hn::LoadU(kD, row + k)), kD, row + k);
    }
  }
}

template <std::size_t kRows>
HWY_INLINE V4 dots_of_rows(const SegmentedRows& x,
                           const float* HWY_RESTRICT data,
                           const float* HWY_RESTRICT v) {
  V sums[4] = {hn::Zero(kD), hn::Zero(kD), hn::Zero(kD), hn::Zero(kD)};
  for (std::size_t s = 0; s < x.segments; ++s, data += x.segment_stride, v += x.steps) {
    std::size_t k = 0;
    for (; k + kLanes <= x.steps; k += kLanes) {
      const V own = hn::LoadU(kD, v + k);
      for (std::size_t r = 0; r < kRows; ++r) {
        sums[r] =
            hn::MulAdd(hn::LoadU(kD, data + static_cast<std::ptrdiff_t>(r) * x.row_stride + k), own, sums[r]);
      }
    }
    if (k < x.steps) {
      const V own = load_some(v + k, x.steps - k);
      for (std::size_t r = 0; r < kRows; ++r) {
        const V in = load_some(data + static_cast<std::ptrdiff_t>(r) * x.row_stride + k, x.steps - k);
        sums[r] = hn::MulAdd(in, own, sums[r]);
      }
    }
  }
  return sum_four(sums[0], sums[1], sums[2], sums[3]);
}

void dots(const SegmentedRows& x,
          std::size_t rows,
          const float* HWY_RESTRICT v,
          float offset,
          float* HWY_RESTRICT out) {
  const V4 start = hn::Set(kD4, offset);
  const float* data = x.data;
  std::size_t i = 0;
  for (; i + 4 <= rows; i += 4, data += 4 * x.row_stride) {
    hn::StoreU(hn::Add(start, dots_of_rows<4>(x, data, v)), kD4, out + i);
  }
  for (; i < rows; ++i, data += x.row_stride) {
    out[i] = hn::GetLane(hn::Add(start, dots_of_rows<1>(x, data, v)));
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {

HWY_EXPORT(forward);
HWY_EXPORT(backward);
HWY_EXPORT(update);
HWY_EXPORT(rank1);
HWY_EXPORT(dots);

namespace {
void check_weights(const NarrowWeights& weights) {
  check_internal(weights.stride % 16 == 0 && static_cast<std::ptrdiff_t>(weights.inputs) <= weights.stride,
                 "narrow weights: bad stride");
}
}  // namespace

void narrow_forward(ConstRows x, std::size_t rows, const NarrowWeights& weights, FloatRows out) {
  check_weights(weights);
  HWY_DYNAMIC_DISPATCH(forward)(x, rows, weights, out);
}

void narrow_backward(
    ConstRows g, std::size_t rows, const NarrowWeights& weights, ConstRows mask, FloatRows out) {
  check_weights(weights);
  HWY_DYNAMIC_DISPATCH(backward)(g, rows, weights, mask, out);
}

void narrow_update(ConstRows g, ConstRows x, std::size_t rows, float alpha, const NarrowWeights& weights) {
  check_weights(weights);
  HWY_DYNAMIC_DISPATCH(update)(g, x, rows, alpha, weights);
}

void narrow_rank1(const float* a, const float* b, const NarrowWeights& weights) {
  check_weights(weights);
  HWY_DYNAMIC_DISPATCH(rank1)(a, b, weights);
}

void row_dots(const SegmentedRows& x, std::size_t rows, const float* v, float offset, float* out) {
  HWY_DYNAMIC_DISPATCH(dots)(x, rows, v, offset, out);
}

}  // namespace tenfold::kernels
#endif  // HWY_ONCE
