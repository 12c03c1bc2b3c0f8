// SPDX-License-Identifier: Apache-2.0
// kernels/cross_entropy.h with one row a lane, compiled once per instruction set and chosen at run time (Highway).
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "tenfold/base/error.h"
#include "tenfold/kernels/cross_entropy.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/cross_entropy_simd.cc"
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // arrays of vectors
#include <hwy/foreach_target.h>                                                           // IWYU pragma: keep
// After foreach_target.h.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tenfold::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kLanes = HWY_MIN(HWY_LANES(float), 16);
constexpr hn::CappedTag<float, kLanes> kD;
constexpr hn::Rebind<std::int32_t, decltype(kD)> kI;
using V = hn::Vec<decltype(kD)>;
using VI = hn::Vec<decltype(kI)>;
constexpr std::size_t kKept = 32;  // classes whose exponentials are kept between the passes

// Up to kLanes rows; lanes beyond `count` repeat the last row.
struct Block {
  std::size_t first, count;
  VI logit_rows, tangent_rows, outer_rows, target;
};

HWY_INLINE Block block_of(const CrossEntropyInput& in, std::size_t first) {
  HWY_ALIGN std::int32_t rows[4][kLanes];
  const std::size_t count = std::min(kLanes, in.rows - first);
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const auto row = static_cast<std::ptrdiff_t>(first + std::min(lane, count - 1));
    rows[0][lane] = static_cast<std::int32_t>(row * in.logits.stride);
    rows[1][lane] = static_cast<std::int32_t>(row * in.tangents.stride);
    rows[2][lane] = static_cast<std::int32_t>(row * in.outer_stride);
    rows[3][lane] = static_cast<std::int32_t>(in.targets[row]);
  }
  return {first,
          count,
          hn::Load(kI, rows[0]),
          hn::Load(kI, rows[1]),
          hn::Load(kI, rows[2]),
          hn::Load(kI, rows[3])};
}

HWY_INLINE V logit(const CrossEntropyInput& in, const Block& block, std::size_t c) {
  return hn::GatherIndex(kD, in.logits.data + c, block.logit_rows);
}

struct Softmax {
  V largest, sum, target_logit;
  V kept[kKept];  // logits, then exp(logit - largest)
};

HWY_INLINE void softmax_of(const CrossEntropyInput& in, const Block& block, Softmax& s) {
  s.target_logit = hn::GatherIndex(kD, in.logits.data, hn::Add(block.logit_rows, block.target));
  s.largest = s.target_logit;
  for (std::size_t c = 0; c < in.classes; ++c) {
    const V z = logit(in, block, c);
    s.largest = hn::Max(s.largest, z);
    if (c < kKept) s.kept[c] = z;
  }
  s.sum = hn::Zero(kD);
  for (std::size_t c = 0; c < in.classes; ++c) {
    const V e = hn::Exp(kD, hn::Sub(c < kKept ? s.kept[c] : logit(in, block, c), s.largest));
    s.sum = hn::Add(s.sum, e);
    if (c < kKept) s.kept[c] = e;
  }
}

// p_c - [c = target]
HWY_INLINE V
excess(const CrossEntropyInput& in, const Block& block, const Softmax& s, V scale, std::size_t c) {
  const V e = c < kKept ? s.kept[c] : hn::Exp(kD, hn::Sub(logit(in, block, c), s.largest));
  const auto is_target = hn::RebindMask(kD, hn::Eq(block.target, hn::Set(kI, static_cast<std::int32_t>(c))));
  return hn::Sub(hn::Mul(e, scale), hn::IfThenElseZero(is_target, hn::Set(kD, 1.0f)));
}

HWY_INLINE V directional_of(const CrossEntropyInput& in, const Block& block, const Softmax& s, V inverse) {
  V sum = hn::Zero(kD);
  V outer = hn::Zero(kD);
  if (in.outer_row != nullptr) outer = hn::GatherIndex(kD, in.outer_row, block.outer_rows);
  for (std::size_t c = 0; c < in.classes; ++c) {
    V tangent = hn::Zero(kD);
    if (in.tangents.data != nullptr) tangent = hn::GatherIndex(kD, in.tangents.data + c, block.tangent_rows);
    if (in.outer_row != nullptr) tangent = hn::MulAdd(outer, hn::Set(kD, in.outer_column[c]), tangent);
    if (in.tangent_bias != nullptr) tangent = hn::Add(tangent, hn::Set(kD, in.tangent_bias[c]));
    sum = hn::MulAdd(excess(in, block, s, inverse, c), tangent, sum);
  }
  return sum;
}

HWY_INLINE void store_rows(V values, const Block& block, float* HWY_RESTRICT out) {
  HWY_ALIGN float lanes[kLanes] = {};
  hn::Store(values, kD, lanes);
  for (std::size_t i = 0; i < block.count; ++i) out[block.first + i] = lanes[i];
}

HWY_INLINE void store_gradient(const CrossEntropyInput& in,
                               const CrossEntropyOutput& out,
                               const Block& block,
                               const Softmax& s,
                               V inverse) {
  const V scale = hn::Set(kD, out.scale);
  float* HWY_RESTRICT rows =
      out.gradient.data + static_cast<std::ptrdiff_t>(block.first) * out.gradient.stride;
  HWY_ALIGN float lanes[kLanes] = {};
  for (std::size_t c = 0; c < in.classes; ++c) {
    hn::Store(hn::Mul(scale, excess(in, block, s, inverse, c)), kD, lanes);
    for (std::size_t i = 0; i < block.count; ++i) {
      rows[static_cast<std::ptrdiff_t>(i) * out.gradient.stride + static_cast<std::ptrdiff_t>(c)] = lanes[i];
    }
  }
}

void rows_of(const CrossEntropyInput& in, const CrossEntropyOutput& out) {
  Softmax s;
  for (std::size_t first = 0; first < in.rows; first += kLanes) {
    const Block block = block_of(in, first);
    softmax_of(in, block, s);
    const V inverse = hn::Div(hn::Set(kD, 1.0f), s.sum);
    if (out.loss != nullptr) {
      store_rows(hn::Add(hn::Log(kD, s.sum), hn::Sub(s.largest, s.target_logit)), block, out.loss);
    }
    if (out.directional != nullptr) store_rows(directional_of(in, block, s, inverse), block, out.directional);
    if (out.gradient.data != nullptr) store_gradient(in, out, block, s, inverse);
    if (out.correct == nullptr) continue;
    HWY_ALIGN float below[kLanes] = {};
    hn::Store(hn::Sub(s.largest, s.target_logit), kD, below);
    for (std::size_t i = 0; i < block.count; ++i) out.correct[first + i] = below[i] <= 0.0f ? 1 : 0;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {

HWY_EXPORT(rows_of);

void cross_entropy(const CrossEntropyInput& in, const CrossEntropyOutput& out) {
  check_internal(in.classes >= 1, "cross entropy: no classes");
  HWY_DYNAMIC_DISPATCH(rows_of)(in, out);
}

}  // namespace tenfold::kernels
#endif  // HWY_ONCE
