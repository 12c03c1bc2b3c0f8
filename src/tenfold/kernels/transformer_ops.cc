// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set and chosen at run time (Highway).
#include "tenfold/kernels/transformer_ops.h"

#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/transformer_ops.cc"
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // constant lanes
#include <hwy/foreach_target.h>                                                           // IWYU pragma: keep
// After foreach_target.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tenfold::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Divides 16, so that padded rows need no remainder.
constexpr std::size_t kLanes = HWY_MIN(HWY_LANES(float), 16);
constexpr hn::CappedTag<float, kLanes> kD;
using V = hn::Vec<decltype(kD)>;
constexpr float kLowest = -std::numeric_limits<float>::infinity();

HWY_INLINE std::size_t padded(std::size_t count) {
  return (count + 15) / 16 * 16;
}

HWY_INLINE float sum_of(V v) {
  return hn::GetLane(hn::SumOfLanes(kD, v));
}

void rms_norm_rows(ConstRows x, std::size_t rows, const RmsNorm& norm, FloatRows out) {
  const std::size_t columns = padded(norm.size);
  for (std::size_t i = 0; i < rows; ++i) {
    const float* HWY_RESTRICT from = x.data + static_cast<std::ptrdiff_t>(i) * x.stride;
    float* HWY_RESTRICT to = out.data + static_cast<std::ptrdiff_t>(i) * out.stride;
    V squares = hn::Zero(kD), others = hn::Zero(kD);
    for (std::size_t j = 0; j < columns; j += 16) {
      for (std::size_t k = 0; k < 16; k += kLanes) {
        const V v = hn::LoadU(kD, from + j + k);
        V& sum = (j / 16) % 2 == 0 ? squares : others;
        sum = hn::MulAdd(v, v, sum);
      }
    }
    const float mean = sum_of(hn::Add(squares, others)) / static_cast<float>(norm.size);
    const V scale = hn::Set(kD, 1.0F / std::sqrt(mean + norm.epsilon));
    for (std::size_t j = 0; j < columns; j += kLanes)
      hn::StoreU(
          hn::Mul(hn::Mul(hn::LoadU(kD, from + j), scale), hn::LoadU(kD, norm.weight + j)), kD, to + j);
  }
}

// x / (1 + exp(-2 u)) equals x (1 + tanh u) / 2 and needs one exponential.
HWY_INLINE V gelu(V x) {
  const V u = hn::Mul(
      x, hn::MulAdd(hn::Mul(x, x), hn::Set(kD, 0.044715F * 1.5957691216F), hn::Set(kD, 1.5957691216F)));
  const V divisor = hn::Add(hn::Set(kD, 1.0F), hn::Exp(kD, hn::Min(hn::Neg(u), hn::Set(kD, 80.0F))));
#if HWY_TARGET <= HWY_AVX2  // 12 bits or more, doubled by one Newton step: three times as fast as a division
  const V rough = hn::ApproximateReciprocal(divisor);
  return hn::Mul(x, hn::Mul(rough, hn::NegMulAdd(divisor, rough, hn::Set(kD, 2.0F))));
#else
  return hn::Div(x, divisor);
#endif
}

void gated_gelu_rows(FloatRows x, Extent extent) {
  for (std::size_t i = 0; i < extent.rows; ++i) {
    float* row = x.data + static_cast<std::ptrdiff_t>(i) * x.stride;
    for (std::size_t j = 0; j < extent.columns; j += kLanes) {
      const V gate = hn::LoadU(kD, row + j), linear = hn::LoadU(kD, row + extent.columns + j);
      hn::StoreU(hn::Mul(gelu(gate), linear), kD, row + j);
    }
  }
}

// Numbers [j, j + lanes) of x, `other` behind the end.
HWY_INLINE V load_or(const float* x, std::size_t j, std::size_t count, float other) {
  if (j + kLanes <= count) return hn::LoadU(kD, x + j);
#if HWY_TARGET <= HWY_AVX2  // its masked loads touch nothing else
  const auto mask = hn::FirstN(kD, count - j);
  return hn::IfThenElse(mask, hn::MaskedLoad(mask, kD, x + j), hn::Set(kD, other));
#else
  HWY_ALIGN float part[kLanes];
  for (std::size_t k = 0; k < kLanes; ++k) part[k] = j + k < count ? x[j + k] : other;
  return hn::Load(kD, part);
#endif
}

// exp(x - largest); 0 for -infinity.
HWY_INLINE V exp_below(V x, V largest) {
  const V power = hn::Exp(kD, hn::Max(hn::Sub(x, largest), hn::Set(kD, -100.0F)));
  return hn::IfThenElseZero(hn::Gt(x, hn::Set(kD, kLowest)), power);
}

HWY_INLINE void softmax_row(float* HWY_RESTRICT row, std::size_t columns, const float* HWY_RESTRICT bias) {
  if (kLanes == 16 && columns <= kLanes) {  // in one register
    V v = load_or(row, 0, columns, kLowest);
    if (bias != nullptr) v = hn::Add(v, load_or(bias, 0, columns, 0.0F));
    const V power = exp_below(v, hn::MaxOfLanes(kD, v));
    hn::StoreU(hn::Div(power, hn::SumOfLanes(kD, power)), kD, row);
    return;
  }
  V top = hn::Set(kD, kLowest);
  for (std::size_t j = 0; j < columns; j += kLanes) {
    V v = load_or(row, j, columns, kLowest);
    if (bias != nullptr) v = hn::Add(v, load_or(bias, j, columns, 0.0F));
    top = hn::Max(top, v);
    hn::StoreU(v, kD, row + j);
  }
  const V largest = hn::MaxOfLanes(kD, top);
  V sum = hn::Zero(kD);
  for (std::size_t j = 0; j < columns; j += kLanes) {
    const V power = exp_below(hn::LoadU(kD, row + j), largest);
    sum = hn::Add(sum, power);
    hn::StoreU(power, kD, row + j);
  }
  const V scale = hn::Set(kD, 1.0F / sum_of(sum));
  for (std::size_t j = 0; j < columns; j += kLanes)
    hn::StoreU(hn::Mul(hn::LoadU(kD, row + j), scale), kD, row + j);
  for (std::size_t j = (columns + kLanes - 1) / kLanes * kLanes; j < padded(columns); j += kLanes)
    hn::StoreU(hn::Zero(kD), kD, row + j);
}

void softmax_all_rows(FloatRows scores, Extent extent, ConstRows bias) {
  for (std::size_t i = 0; i < extent.rows; ++i) {
    const auto at = static_cast<std::ptrdiff_t>(i);
    softmax_row(scores.data + at * scores.stride,
                extent.columns,
                bias.data == nullptr ? nullptr : bias.data + at * bias.stride);
  }
}

float log_sum_exp_of(const float* HWY_RESTRICT x, std::size_t count) {
  V top = hn::Set(kD, kLowest);
  for (std::size_t j = 0; j < count; j += kLanes) top = hn::Max(top, load_or(x, j, count, kLowest));
  const V largest = hn::MaxOfLanes(kD, top);
  if (hn::GetLane(largest) == kLowest) return kLowest;
  V sum = hn::Zero(kD);
  for (std::size_t j = 0; j < count; j += kLanes)
    sum = hn::Add(sum, exp_below(load_or(x, j, count, kLowest), largest));
  return hn::GetLane(largest) + std::log(sum_of(sum));
}

HWY_INLINE float head_score(const float* HWY_RESTRICT query,
                            const float* HWY_RESTRICT key,
                            std::size_t width) {
  V sum = hn::Mul(hn::LoadU(kD, query), hn::LoadU(kD, key));
  for (std::size_t j = kLanes; j < width; j += kLanes)
    sum = hn::MulAdd(hn::LoadU(kD, query + j), hn::LoadU(kD, key + j), sum);
  return sum_of(sum);
}

void attend_path_rows(const float* HWY_RESTRICT query,
                      const PathAttention& attention,
                      float* HWY_RESTRICT scores,
                      float* HWY_RESTRICT out) {
  // All heads one stage after the other: a vector load right behind the single stores it covers would wait for them.
  const std::size_t stride = padded(attention.positions);
  for (std::size_t p = 0; p < attention.positions; ++p) {
    const float* key = attention.keys + attention.path[p] * attention.stride;
    for (std::size_t head = 0; head < attention.heads; ++head) {
      const std::size_t first = head * attention.width;
      scores[head * stride + p] = head_score(query + first, key + first, attention.width);
    }
  }
  for (std::size_t head = 0; head < attention.heads; ++head)
    softmax_row(scores + head * stride,
                attention.positions,
                attention.bias + static_cast<std::ptrdiff_t>(head) * attention.bias_stride);
  for (std::size_t head = 0; head < attention.heads; ++head) {
    const std::size_t first = head * attention.width;
    const float* weights = scores + head * stride;
    for (std::size_t j = 0; j < attention.width; j += kLanes) {
      V sum = hn::Zero(kD);
      for (std::size_t p = 0; p < attention.positions; ++p) {
        const float* value = attention.values + attention.path[p] * attention.stride + first + j;
        sum = hn::MulAdd(hn::Set(kD, weights[p]), hn::LoadU(kD, value), sum);
      }
      hn::StoreU(sum, kD, out + first + j);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {

HWY_EXPORT(rms_norm_rows);
HWY_EXPORT(gated_gelu_rows);
HWY_EXPORT(softmax_all_rows);
HWY_EXPORT(log_sum_exp_of);
HWY_EXPORT(attend_path_rows);

void rms_norm(ConstRows x, std::size_t rows, const RmsNorm& norm, FloatRows out) {
  HWY_DYNAMIC_DISPATCH(rms_norm_rows)(x, rows, norm, out);
}

void gated_gelu(FloatRows x, Extent extent) {
  HWY_DYNAMIC_DISPATCH(gated_gelu_rows)(x, extent);
}

void softmax_rows(FloatRows scores, Extent extent, ConstRows bias) {
  HWY_DYNAMIC_DISPATCH(softmax_all_rows)(scores, extent, bias);
}

float log_sum_exp(const float* x, std::size_t count) {
  return HWY_DYNAMIC_DISPATCH(log_sum_exp_of)(x, count);
}

void attend_path(const float* query, const PathAttention& attention, float* scores, float* out) {
  HWY_DYNAMIC_DISPATCH(attend_path_rows)(query, attention, scores, out);
}

}  // namespace tenfold::kernels
#endif  // HWY_ONCE
