// SPDX-License-Identifier: Apache-2.0
// kernels/activation.h, compiled once per instruction set and chosen at run time (Highway).
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "tenfold/base/error.h"
#include "tenfold/kernels/activation.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/activation_simd.cc"
#define HWY_DISABLED_TARGETS \
  (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // channels come by 16
#include <hwy/foreach_target.h>                                // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tenfold::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kLanes = HWY_MIN(HWY_LANES(float), 16);
constexpr hn::CappedTag<float, kLanes> kD;
constexpr hn::Rebind<std::uint32_t, decltype(kD)> kU;
constexpr hn::Rebind<std::int32_t, decltype(kD)> kI;
constexpr hn::Rebind<std::uint16_t, decltype(kD)> kU16;
constexpr hn::Rebind<std::uint8_t, decltype(kD)> kU8;
using V = hn::Vec<decltype(kD)>;
using VU = hn::Vec<decltype(kU)>;

// Not Max(0, x): that may hide a NaN.
HWY_INLINE V relu_of(V x) {
  return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(kD)), x);
}

// Rounds numbers to bfloat16; element i has index `first` + i. The rounded bits stand in the high halves.
class Rounder {
 public:
  explicit HWY_INLINE Rounder(Rounding rounding)
      : stochastic_(rounding.stochastic), key_(hn::Set(kU, rounding.key)) {}

  HWY_INLINE VU round(V numbers, std::uint32_t first) const {
    const VU bits = hn::BitCast(kU, numbers);
    return hn::Add(bits, stochastic_ ? hash(first) : to_nearest(bits));
  }
  HWY_INLINE void store(V numbers, std::uint32_t first, std::uint16_t* HWY_RESTRICT out) const {
    const VU rounded = hn::ShiftRight<16>(round(numbers, first));
    hn::StoreU(hn::DemoteTo(kU16, hn::BitCast(kI, rounded)), kU16, out);
  }

 private:
  static HWY_INLINE VU to_nearest(VU bits) {
    return hn::Add(hn::Set(kU, 0x7FFFu), hn::And(hn::ShiftRight<16>(bits), hn::Set(kU, 1u)));
  }
  HWY_INLINE VU hash(std::uint32_t first) const {
    const VU index = hn::Add(hn::Set(kU, first), hn::Iota(kU, 0));
    VU h = hn::Add(hn::Mul(index, hn::Set(kU, 0x9E3779B1u)), key_);
    h = hn::Mul(hn::Xor(h, hn::ShiftRight<16>(h)), hn::Set(kU, 0x85EBCA6Bu));
    h = hn::Mul(hn::Xor(h, hn::ShiftRight<13>(h)), hn::Set(kU, 0xC2B2AE35u));
    return hn::ShiftRight<16>(h);
  }

  bool stochastic_;
  VU key_;
};

void values_done(FloatRows values, Extent extent, const float* HWY_RESTRICT bias, bool relu) {
  for (std::size_t i = 0; i < extent.rows; ++i) {
    float* HWY_RESTRICT row = values.data + static_cast<std::ptrdiff_t>(i) * values.stride;
    for (std::size_t j = 0; j < extent.columns; j += kLanes) {
      V value = hn::LoadU(kD, row + j);
      if (bias != nullptr) value = hn::Add(value, hn::LoadU(kD, bias + j));
      if (relu) value = relu_of(value);
      hn::StoreU(value, kD, row + j);
    }
  }
}

// `at` counts elements from the start of the output.
HWY_INLINE void store_tangent(const Rounder& rounder, const TangentRows& out, std::ptrdiff_t at, V tangent) {
  if (out.bf16 == nullptr) {
    hn::StoreU(tangent, kD, out.data + at);
  } else {
    rounder.store(tangent, out.index + static_cast<std::uint32_t>(at), out.bf16 + at);
  }
}

void tangents_done(ConstRows tangents,
                   const float* HWY_RESTRICT bias,
                   ConstRows values,
                   Extent extent,
                   const TangentRows& out) {
  const Rounder rounder(out.rounding);
  for (std::size_t i = 0; i < extent.rows; ++i) {
    const auto row = static_cast<std::ptrdiff_t>(i);
    const float* from = tangents.data + row * tangents.stride;
    const float* value = values.data + row * values.stride;
    for (std::size_t j = 0; j < extent.columns; j += kLanes) {
      V tangent = hn::LoadU(kD, from + j);
      if (bias != nullptr) tangent = hn::Add(tangent, hn::LoadU(kD, bias + j));
      if (values.data != nullptr) {
        tangent = hn::IfThenElseZero(hn::Gt(hn::LoadU(kD, value + j), hn::Zero(kD)), tangent);
      }
      store_tangent(rounder, out, row * out.stride + static_cast<std::ptrdiff_t>(j), tangent);
    }
  }
}

// Replaces best and its position by `value` where that is larger, or NaN.
HWY_INLINE void challenge(V value, std::uint32_t position, V& best, VU& winner) {
  const auto wins = hn::Or(hn::Gt(value, best), hn::Not(hn::Eq(value, value)));
  best = hn::IfThenElse(wins, value, best);
  winner = hn::IfThenElse(hn::RebindMask(kU, wins), hn::Set(kU, position), winner);
}

void values_pooled(RowPair rows,
                   Extent pixels,
                   const float* HWY_RESTRICT bias,
                   bool relu,
                   float* HWY_RESTRICT values,
                   std::uint8_t* HWY_RESTRICT winner) {
  const std::size_t channels = pixels.columns;
  for (std::size_t i = 0; i < pixels.rows; ++i) {
    for (std::size_t c = 0; c < channels; c += kLanes) {
      const std::size_t left = 2 * i * channels + c;
      V best = hn::LoadU(kD, rows.top + left);
      VU position = hn::Zero(kU);
      challenge(hn::LoadU(kD, rows.top + left + channels), 1, best, position);
      challenge(hn::LoadU(kD, rows.bottom + left), 2, best, position);
      challenge(hn::LoadU(kD, rows.bottom + left + channels), 3, best, position);
      if (bias != nullptr) best = hn::Add(best, hn::LoadU(kD, bias + c));
      hn::StoreU(relu ? relu_of(best) : best, kD, values + i * channels + c);
      hn::StoreU(hn::DemoteTo(kU8, hn::BitCast(kI, position)), kU8, winner + i * channels + c);
    }
  }
}

HWY_INLINE VU load_winner(const std::uint8_t* HWY_RESTRICT winner) {
  return hn::PromoteTo(kU, hn::LoadU(kU8, winner));
}

void tangents_pooled(const PoolTangents& tangents, Extent pixels, const TangentRows& out) {
  const Rounder rounder(out.rounding);
  const std::size_t channels = pixels.columns;
  const auto is = [](VU position, std::uint32_t k)
                      HWY_ATTR { return hn::RebindMask(kD, hn::Eq(position, hn::Set(kU, k))); };
  for (std::size_t i = 0; i < pixels.rows; ++i) {
    for (std::size_t c = 0; c < channels; c += kLanes) {
      const std::size_t left = 2 * i * channels + c;
      const VU position = load_winner(tangents.winner + i * channels + c);
      V tangent = hn::LoadU(kD, tangents.rows.top + left);
      tangent = hn::IfThenElse(is(position, 1), hn::LoadU(kD, tangents.rows.top + left + channels), tangent);
      tangent = hn::IfThenElse(is(position, 2), hn::LoadU(kD, tangents.rows.bottom + left), tangent);
      tangent =
          hn::IfThenElse(is(position, 3), hn::LoadU(kD, tangents.rows.bottom + left + channels), tangent);
      if (tangents.bias != nullptr) tangent = hn::Add(tangent, hn::LoadU(kD, tangents.bias + c));
      if (tangents.values != nullptr) {
        const V value = hn::LoadU(kD, tangents.values + i * channels + c);
        tangent = hn::IfThenElseZero(hn::Gt(value, hn::Zero(kD)), tangent);
      }
      store_tangent(rounder,
                    out,
                    static_cast<std::ptrdiff_t>(i) * out.stride + static_cast<std::ptrdiff_t>(c),
                    tangent);
    }
  }
}

void gradients_unpooled(const PoolGradient& pooled,
                        Extent pixels,
                        float* HWY_RESTRICT top,
                        float* HWY_RESTRICT bottom) {
  const std::size_t channels = pixels.columns;
  for (std::size_t i = 0; i < pixels.rows; ++i) {
    for (std::size_t c = 0; c < channels; c += kLanes) {
      const std::size_t from = i * channels + c;
      const std::size_t left = 2 * from - c;
      const VU position = load_winner(pooled.winner + from);
      V gradient = hn::LoadU(kD, pooled.gradient + from);
      if (pooled.values != nullptr) {
        const V value = hn::LoadU(kD, pooled.values + from);
        gradient = hn::IfThenElseZero(hn::Gt(value, hn::Zero(kD)), gradient);
      }
      float* const to[] = {top + left, top + left + channels, bottom + left, bottom + left + channels};
      for (std::uint32_t k = 0; k < 4; ++k) {
        const auto won = hn::RebindMask(kD, hn::Eq(position, hn::Set(kU, k)));
        hn::StoreU(hn::IfThenElseZero(won, gradient), kD, to[k]);
      }
    }
  }
}

void columns_summed(ConstRows values, Extent extent, float* HWY_RESTRICT out) {
  for (std::size_t j = 0; j < extent.columns; j += kLanes) {
    V sums[4] = {
        hn::Zero(kD), hn::Zero(kD), hn::Zero(kD), hn::Zero(kD)};  // hide the latency of the additions
    const float* from = values.data + j;
    for (std::size_t i = 0; i < extent.rows; ++i, from += values.stride) {
      sums[i % 4] = hn::Add(sums[i % 4], hn::LoadU(kD, from));
    }
    const V sum = hn::Add(hn::Add(sums[0], sums[1]), hn::Add(sums[2], sums[3]));
    hn::StoreU(hn::Add(hn::LoadU(kD, out + j), sum), kD, out + j);
  }
}

void rounded(const float* HWY_RESTRICT numbers,
             std::size_t count,
             Rounding rounding,
             std::uint32_t index,
             std::uint16_t* HWY_RESTRICT out) {
  const Rounder rounder(rounding);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    rounder.store(hn::LoadU(kD, numbers + i), index + static_cast<std::uint32_t>(i), out + i);
  }
  for (; i < count; ++i)
    out[i] = plain::round_bf16(numbers[i], rounding, index + static_cast<std::uint32_t>(i));
}

void pairs_rounded(const float* HWY_RESTRICT panel,
                   Extent extent,
                   Rounding rounding,
                   std::uint32_t index,
                   std::uint32_t* HWY_RESTRICT out) {
  const Rounder rounder(rounding);
  const std::size_t width = extent.columns;
  for (std::size_t i = 0; i < extent.rows; i += 2) {
    for (std::size_t j = 0; j < width; j += kLanes) {
      const std::size_t from = i * width + j;
      VU pair = hn::ShiftRight<16>(
          rounder.round(hn::LoadU(kD, panel + from), index + static_cast<std::uint32_t>(from)));
      if (i + 1 < extent.rows) {
        const std::size_t next = from + width;
        const VU high = rounder.round(hn::LoadU(kD, panel + next), index + static_cast<std::uint32_t>(next));
        pair = hn::Or(pair, hn::And(high, hn::Set(kU, 0xFFFF0000u)));
      }
      hn::StoreU(pair, kU, out + i / 2 * width + j);
    }
  }
}

#if HWY_TARGET == HWY_SCALAR

void transposed(ConstRows from, Extent extent, FloatRows to, ConstRows mask) {
  plain::transpose(from, extent, to, mask);
}

#else

constexpr hn::FixedTag<float, 4> kD4;
constexpr hn::FixedTag<double, 2> kD2;
using V4 = hn::Vec<decltype(kD4)>;

HWY_INLINE V4 pairs_lower(V4 a, V4 b) {
  return hn::BitCast(kD4, hn::InterleaveLower(kD2, hn::BitCast(kD2, a), hn::BitCast(kD2, b)));
}
HWY_INLINE V4 pairs_upper(V4 a, V4 b) {
  return hn::BitCast(kD4, hn::InterleaveUpper(kD2, hn::BitCast(kD2, a), hn::BitCast(kD2, b)));
}

HWY_INLINE void transpose_four(const float* HWY_RESTRICT from,
                               std::ptrdiff_t from_stride,
                               float* HWY_RESTRICT to,
                               std::ptrdiff_t to_stride,
                               ConstRows mask) {
  const V4 a = hn::LoadU(kD4, from), b = hn::LoadU(kD4, from + from_stride);
  const V4 c = hn::LoadU(kD4, from + 2 * from_stride), d = hn::LoadU(kD4, from + 3 * from_stride);
  const V4 ab_low = hn::InterleaveLower(kD4, a, b), ab_high = hn::InterleaveUpper(kD4, a, b);
  const V4 cd_low = hn::InterleaveLower(kD4, c, d), cd_high = hn::InterleaveUpper(kD4, c, d);
  V4 rows[] = {pairs_lower(ab_low, cd_low),
               pairs_upper(ab_low, cd_low),
               pairs_lower(ab_high, cd_high),
               pairs_upper(ab_high, cd_high)};
  for (std::ptrdiff_t j = 0; j < 4; ++j) {
    if (mask.data != nullptr) {
      const V4 value = hn::LoadU(kD4, mask.data + j * mask.stride);
      rows[j] = hn::IfThenElseZero(hn::Gt(value, hn::Zero(kD4)), rows[j]);
    }
    hn::StoreU(rows[j], kD4, to + j * to_stride);
  }
}

void transposed(ConstRows from, Extent extent, FloatRows to, ConstRows mask) {
  constexpr std::size_t kBlock = 64;  // columns at a time: their lines of `to` stay in the first-level cache
  const std::size_t rows = extent.rows / 4 * 4, columns = extent.columns / 4 * 4;
  const auto at = [](const auto& array, std::size_t row, std::size_t column) {
    return array.data + static_cast<std::ptrdiff_t>(row) * array.stride + static_cast<std::ptrdiff_t>(column);
  };
  for (std::size_t block = 0; block < columns; block += kBlock) {
    for (std::size_t i = 0; i < rows; i += 4) {
      for (std::size_t j = block; j < std::min(columns, block + kBlock); j += 4) {
        const ConstRows own{mask.data != nullptr ? at(mask, j, i) : nullptr, mask.stride};
        transpose_four(at(from, i, j), from.stride, at(to, j, i), to.stride, own);
      }
    }
  }
  const auto rest = [&](std::size_t row, std::size_t column, std::size_t count) {
    const ConstRows own{mask.data != nullptr ? at(mask, column, row) : nullptr, mask.stride};
    plain::transpose({at(from, row, column), from.stride},
                     {count, extent.columns - column},
                     {at(to, column, row), to.stride},
                     own);
  };
  if (columns < extent.columns && rows > 0) rest(0, columns, rows);
  if (rows < extent.rows) rest(rows, 0, extent.rows - rows);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {

HWY_EXPORT(values_done);
HWY_EXPORT(tangents_done);
HWY_EXPORT(values_pooled);
HWY_EXPORT(tangents_pooled);
HWY_EXPORT(gradients_unpooled);
HWY_EXPORT(columns_summed);
HWY_EXPORT(rounded);
HWY_EXPORT(pairs_rounded);
HWY_EXPORT(transposed);

namespace {
void check_columns(Extent extent) {
  check_internal(extent.columns % 16 == 0, "activation: columns must be a multiple of 16");
}
}  // namespace

void finish_values(FloatRows values, Extent extent, const float* bias, bool relu) {
  check_columns(extent);
  HWY_DYNAMIC_DISPATCH(values_done)(values, extent, bias, relu);
}

void finish_tangents(
    ConstRows tangents, const float* bias, ConstRows values, Extent extent, const TangentRows& out) {
  check_columns(extent);
  HWY_DYNAMIC_DISPATCH(tangents_done)(tangents, bias, values, extent, out);
}

void pool_values(
    RowPair rows, Extent pixels, const float* bias, bool relu, float* values, std::uint8_t* winner) {
  check_columns(pixels);
  HWY_DYNAMIC_DISPATCH(values_pooled)(rows, pixels, bias, relu, values, winner);
}

void pool_tangents(const PoolTangents& tangents, Extent pixels, const TangentRows& out) {
  check_columns(pixels);
  HWY_DYNAMIC_DISPATCH(tangents_pooled)(tangents, pixels, out);
}

void unpool(const PoolGradient& pooled, Extent pixels, float* top, float* bottom) {
  check_columns(pixels);
  HWY_DYNAMIC_DISPATCH(gradients_unpooled)(pooled, pixels, top, bottom);
}

void add_column_sums(ConstRows values, Extent extent, float* out) {
  check_columns(extent);
  HWY_DYNAMIC_DISPATCH(columns_summed)(values, extent, out);
}

void round_bf16(
    const float* numbers, std::size_t count, Rounding rounding, std::uint32_t index, std::uint16_t* out) {
  HWY_DYNAMIC_DISPATCH(rounded)(numbers, count, rounding, index, out);
}

void round_pairs_bf16(
    const float* panel, Extent extent, Rounding rounding, std::uint32_t index, std::uint32_t* out) {
  check_columns(extent);
  HWY_DYNAMIC_DISPATCH(pairs_rounded)(panel, extent, rounding, index, out);
}

void transpose(ConstRows from, Extent extent, FloatRows to, ConstRows mask) {
  HWY_DYNAMIC_DISPATCH(transposed)(from, extent, to, mask);
}

}  // namespace tenfold::kernels
#endif  // HWY_ONCE
