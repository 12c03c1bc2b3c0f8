// SPDX-License-Identifier: Apache-2.0
// Optimiser updates, compiled once per instruction set and chosen at run time (Highway).
#include "tenfold/kernels/optimizer_update.h"

#include <array>
#include <cmath>
#include <cstring>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/optimizer_update.cc"
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // arrays of vectors
#include <hwy/foreach_target.h>                                                           // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tenfold::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <typename T>
using Tag = hn::CappedTag<T, 16>;

// Calls body(pointers) for every vector of the arrays, the first kWritten of which it may write. The rest that is no whole
// vector goes through a copy, so that every value meets the same instructions.
template <std::size_t kWritten, std::size_t kStep, typename T, std::size_t kArrays, typename Body>
HWY_INLINE void stream(std::array<T*, kArrays> arrays, std::size_t size, const Body& body) {
  std::size_t done = 0;
  for (; done + kStep <= size; done += kStep) {
    body(arrays);
    for (T*& array : arrays) array += kStep;
  }
  if (done == size) return;
  const std::size_t bytes = (size - done) * sizeof(T);
  HWY_ALIGN T rest[kArrays][kStep] = {};
  std::array<T*, kArrays> copies;
  for (std::size_t i = 0; i < kArrays; ++i) {
    copies[i] = rest[i];
    std::memcpy(rest[i], arrays[i], bytes);
  }
  body(copies);
  for (std::size_t i = 0; i < kWritten; ++i) std::memcpy(arrays[i], rest[i], bytes);
}

template <typename T>
void sgd(const SgdUpdate& update, const SgdArrays<T>& arrays) {
  constexpr Tag<T> d;
  constexpr std::size_t kStep = HWY_MIN(16, HWY_LANES(T));
  const auto rate = hn::Set(d, static_cast<T>(update.learning_rate));
  const auto momentum = hn::Set(d, static_cast<T>(update.momentum));
  const auto decay = hn::Set(d, static_cast<T>(update.decay));
  T* gradient = const_cast<T*>(arrays.gradient);  // only read
  if (arrays.velocity == nullptr) {
    stream<1, kStep>(std::array{arrays.value, gradient}, arrays.size, [&](const auto& at) HWY_ATTR {
      const auto p = hn::LoadU(d, at[0]);
      const auto g = hn::MulAdd(decay, p, hn::LoadU(d, at[1]));
      hn::StoreU(hn::NegMulAdd(rate, g, p), d, at[0]);
    });
    return;
  }
  const bool nesterov = update.nesterov;
  stream<2, kStep>(
      std::array{arrays.value, arrays.velocity, gradient}, arrays.size, [&](const auto& at) HWY_ATTR {
        const auto p = hn::LoadU(d, at[0]);
        const auto g = hn::MulAdd(decay, p, hn::LoadU(d, at[2]));
        const auto v = hn::MulAdd(momentum, hn::LoadU(d, at[1]), g);
        hn::StoreU(v, d, at[1]);
        hn::StoreU(hn::NegMulAdd(rate, nesterov ? hn::MulAdd(momentum, v, g) : v, p), d, at[0]);
      });
}

// The constants of an update in vectors, and the two formulas that Adam and LAMB share.
template <typename T>
struct Adam {
  using V = hn::Vec<Tag<T>>;
  static constexpr Tag<T> d{};
  V beta1, rest1, beta2, rest2, decay, epsilon, scale1, scale2;

  HWY_INLINE explicit Adam(const AdamUpdate& update)
      : beta1(set(update.beta1)),
        rest1(set(1.0 - update.beta1)),
        beta2(set(update.beta2)),
        rest2(set(1.0 - update.beta2)),
        decay(set(update.decay)),
        epsilon(set(update.epsilon)),
        scale1(set(1.0 / update.correction1)),
        scale2(set(1.0 / std::sqrt(update.correction2))) {}

  static HWY_INLINE V set(double x) { return hn::Set(d, static_cast<T>(x)); }
  HWY_INLINE V moment1(V m, V g) const { return hn::MulAdd(beta1, m, hn::Mul(rest1, g)); }
  HWY_INLINE V moment2(V v, V g) const { return hn::MulAdd(beta2, v, hn::Mul(rest2, hn::Mul(g, g))); }
  HWY_INLINE V denominator(V v) const { return hn::MulAdd(hn::Sqrt(v), scale2, epsilon); }
  HWY_INLINE V lamb_direction(V p, V m, V v) const {
    return hn::MulAdd(decay, p, hn::Div(hn::Mul(m, scale1), denominator(v)));
  }
};

template <typename T>
void adam(const AdamUpdate& update, const AdamArrays<T>& arrays) {
  constexpr Tag<T> d;
  constexpr std::size_t kStep = HWY_MIN(16, HWY_LANES(T));
  const Adam<T> constants(update);
  const auto shrink = Adam<T>::set(update.shrink);
  const auto step = Adam<T>::set(update.learning_rate / update.correction1);
  stream<3, kStep>(std::array{arrays.value, arrays.moment1, arrays.moment2, const_cast<T*>(arrays.gradient)},
                   arrays.size,
                   [&](const auto& at) HWY_ATTR {
                     const auto p = hn::LoadU(d, at[0]);
                     const auto g = hn::MulAdd(constants.decay, p, hn::LoadU(d, at[3]));
                     const auto m = constants.moment1(hn::LoadU(d, at[1]), g);
                     const auto v = constants.moment2(hn::LoadU(d, at[2]), g);
                     hn::StoreU(m, d, at[1]);
                     hn::StoreU(v, d, at[2]);
                     const auto ratio = hn::Div(m, constants.denominator(v));
                     hn::StoreU(hn::NegMulAdd(step, ratio, hn::Mul(shrink, p)), d, at[0]);
                   });
}

// Sixteen partial sums of squares in double, whatever the vector width.
template <typename T>
struct Squares {
  static constexpr hn::CappedTag<double, 16> kD{};
  static constexpr std::size_t kLanes = HWY_MIN(16, HWY_LANES(double));
  hn::Vec<hn::CappedTag<double, 16>> sums[16 / kLanes];

  HWY_INLINE Squares() {
    for (auto& sum : sums) sum = hn::Zero(kD);
  }
  HWY_INLINE void add(const double* HWY_RESTRICT values) {
    for (std::size_t i = 0; i < 16 / kLanes; ++i) add(i, hn::Load(kD, values + i * kLanes));
  }
  HWY_INLINE void add(const float* HWY_RESTRICT values) {
    constexpr hn::Rebind<float, hn::CappedTag<double, 16>> kF{};
    for (std::size_t i = 0; i < 16 / kLanes; ++i) {
      add(i, hn::PromoteTo(kD, hn::Load(kF, values + i * kLanes)));
    }
  }
  HWY_INLINE void add(std::size_t i, hn::Vec<hn::CappedTag<double, 16>> x) {
    sums[i] = hn::MulAdd(x, x, sums[i]);
  }
  HWY_INLINE double total() const {
    HWY_ALIGN double partials[16];
    for (std::size_t i = 0; i < 16 / kLanes; ++i) hn::Store(sums[i], kD, partials + i * kLanes);
    return std::accumulate(partials, partials + 16, 0.0);
  }
};

template <typename T>
LambSums lamb_first(const AdamUpdate& update, const AdamArrays<T>& arrays) {
  constexpr Tag<T> d;
  constexpr std::size_t kLanes = HWY_MIN(16, HWY_LANES(T));
  const Adam<T> constants(update);
  Squares<T> values, updates;
  std::size_t left = arrays.size;
  stream<2, 16>(std::array{arrays.moment1, arrays.moment2, arrays.value, const_cast<T*>(arrays.gradient)},
                arrays.size,
                [&](const auto& at) HWY_ATTR {
                  HWY_ALIGN T p_block[16];
                  HWY_ALIGN T u_block[16];
                  for (std::size_t i = 0; i < 16; i += kLanes) {
                    const auto p = hn::LoadU(d, at[2] + i);
                    const auto g = hn::LoadU(d, at[3] + i);
                    const auto m = constants.moment1(hn::LoadU(d, at[0] + i), g);
                    const auto v = constants.moment2(hn::LoadU(d, at[1] + i), g);
                    hn::StoreU(m, d, at[0] + i);
                    hn::StoreU(v, d, at[1] + i);
                    hn::Store(p, d, p_block + i);
                    hn::Store(constants.lamb_direction(p, m, v), d, u_block + i);
                  }
                  // With epsilon 0 the zeros that fill up the rest would give 0 / 0.
                  for (std::size_t i = left; i < 16; ++i) u_block[i] = T{0};
                  left -= HWY_MIN(left, 16);
                  values.add(p_block);
                  updates.add(u_block);
                });
  return {values.total(), updates.total()};
}

template <typename T>
void lamb_second(const AdamUpdate& update, const AdamArrays<T>& arrays) {
  constexpr Tag<T> d;
  constexpr std::size_t kStep = HWY_MIN(16, HWY_LANES(T));
  const Adam<T> constants(update);
  const auto rate = Adam<T>::set(update.learning_rate);
  stream<1, kStep>(
      std::array{arrays.value, arrays.moment1, arrays.moment2}, arrays.size, [&](const auto& at) HWY_ATTR {
        const auto p = hn::LoadU(d, at[0]);
        const auto u = constants.lamb_direction(p, hn::LoadU(d, at[1]), hn::LoadU(d, at[2]));
        hn::StoreU(hn::NegMulAdd(rate, u, p), d, at[0]);
      });
}

// HWY_EXPORT wants names without template arguments.
void sgd_f(const SgdUpdate& update, const SgdArrays<float>& arrays) {
  sgd(update, arrays);
}
void sgd_d(const SgdUpdate& update, const SgdArrays<double>& arrays) {
  sgd(update, arrays);
}
void adam_f(const AdamUpdate& update, const AdamArrays<float>& arrays) {
  adam(update, arrays);
}
void adam_d(const AdamUpdate& update, const AdamArrays<double>& arrays) {
  adam(update, arrays);
}
LambSums lamb_first_f(const AdamUpdate& update, const AdamArrays<float>& arrays) {
  return lamb_first(update, arrays);
}
LambSums lamb_first_d(const AdamUpdate& update, const AdamArrays<double>& arrays) {
  return lamb_first(update, arrays);
}
void lamb_second_f(const AdamUpdate& update, const AdamArrays<float>& arrays) {
  lamb_second(update, arrays);
}
void lamb_second_d(const AdamUpdate& update, const AdamArrays<double>& arrays) {
  lamb_second(update, arrays);
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {
namespace {
HWY_EXPORT(sgd_f);
HWY_EXPORT(sgd_d);
HWY_EXPORT(adam_f);
HWY_EXPORT(adam_d);
HWY_EXPORT(lamb_first_f);
HWY_EXPORT(lamb_first_d);
HWY_EXPORT(lamb_second_f);
HWY_EXPORT(lamb_second_d);
}  // namespace

void sgd_update(const SgdUpdate& update, const SgdArrays<float>& arrays) {
  HWY_DYNAMIC_DISPATCH(sgd_f)(update, arrays);
}
void sgd_update(const SgdUpdate& update, const SgdArrays<double>& arrays) {
  HWY_DYNAMIC_DISPATCH(sgd_d)(update, arrays);
}
void adam_update(const AdamUpdate& update, const AdamArrays<float>& arrays) {
  HWY_DYNAMIC_DISPATCH(adam_f)(update, arrays);
}
void adam_update(const AdamUpdate& update, const AdamArrays<double>& arrays) {
  HWY_DYNAMIC_DISPATCH(adam_d)(update, arrays);
}
LambSums lamb_moments(const AdamUpdate& update, const AdamArrays<float>& arrays) {
  return HWY_DYNAMIC_DISPATCH(lamb_first_f)(update, arrays);
}
LambSums lamb_moments(const AdamUpdate& update, const AdamArrays<double>& arrays) {
  return HWY_DYNAMIC_DISPATCH(lamb_first_d)(update, arrays);
}
void lamb_apply(const AdamUpdate& update, const AdamArrays<float>& arrays) {
  HWY_DYNAMIC_DISPATCH(lamb_second_f)(update, arrays);
}
void lamb_apply(const AdamUpdate& update, const AdamArrays<double>& arrays) {
  HWY_DYNAMIC_DISPATCH(lamb_second_d)(update, arrays);
}

}  // namespace tenfold::kernels
#endif
