// SPDX-License-Identifier: Apache-2.0
// Adafactor's passes, compiled once per instruction set and chosen at run time (Highway).
#include "tenfold/kernels/adafactor.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/adafactor.cc"
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // arrays of vectors
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tenfold::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kPartials = 16;
constexpr std::size_t kAhead = 1024;  // values to fetch early: one stream alone does not keep the memory busy
constexpr hn::CappedTag<double, kPartials> kD;
constexpr std::size_t kLanes = HWY_MIN(kPartials, HWY_LANES(double));
constexpr hn::Rebind<float, decltype(kD)> kF;  // as many lanes, of half the size
using V = hn::Vec<decltype(kD)>;

HWY_INLINE V load(const double* from) {
  return hn::LoadU(kD, from);
}
HWY_INLINE V load(const float* from) {
  return hn::PromoteTo(kD, hn::LoadU(kF, from));
}
HWY_INLINE void store(V values, double* to) {
  hn::StoreU(values, kD, to);
}
HWY_INLINE void store(V values, float* to) {
  hn::StoreU(hn::DemoteTo(kF, values), kF, to);
}

// Calls body(gradient, i) for every vector of a row; i is its first column. The rest of a row goes through copies that are
// filled up with zeros: body(copy, i, count) may use `count` values of other arrays only.
template <typename T, typename Body, typename Rest>
HWY_INLINE void for_row(const T* row, std::size_t columns, const Body& body, const Rest& rest) {
  std::size_t j = 0;
  for (; j + kPartials <= columns; j += kPartials) {
    hwy::Prefetch(row + j + kAhead);
    for (std::size_t v = 0; v < kPartials / kLanes; ++v) body(row + j + v * kLanes, j + v * kLanes, v);
  }
  if (j < columns) rest(row + j, j, columns - j);
}

template <typename T>
void sums(const AdafactorTile<T>& tile, double* row_sums, double* column_sums) {
  std::fill(column_sums, column_sums + tile.columns, 0.0);
  for (std::size_t i = 0; i < tile.rows; ++i) {
    V partial[kPartials / kLanes];
    for (V& p : partial) p = hn::Zero(kD);
    HWY_ALIGN double lanes[kPartials] = {};
    const auto body = [&](const T* g, std::size_t j, std::size_t v) HWY_ATTR {
      const V x = load(g);
      const V square = hn::Mul(x, x);
      partial[v] = hn::Add(partial[v], square);
      hn::StoreU(hn::Add(hn::LoadU(kD, column_sums + j), square), kD, column_sums + j);
    };
    const auto rest = [&](const T* g, std::size_t j, std::size_t count) {
      for (std::size_t v = 0; v < count; ++v) {
        const double square = static_cast<double>(g[v]) * static_cast<double>(g[v]);
        lanes[v] = square;
        column_sums[j + v] += square;
      }
    };
    for_row(tile.gradient + i * tile.stride, tile.columns, body, rest);
    for (std::size_t v = 0; v < kPartials / kLanes; ++v) {
      hn::Store(hn::Add(partial[v], hn::Load(kD, lanes + v * kLanes)), kD, lanes + v * kLanes);
    }
    row_sums[i] = std::accumulate(lanes, lanes + kPartials, 0.0);
  }
}

template <typename T>
double update_squares(const AdafactorTile<T>& tile, const double* row_factors, const double* column_factors) {
  double total = 0.0;
  for (std::size_t i = 0; i < tile.rows; ++i) {
    V partial[kPartials / kLanes];
    for (V& p : partial) p = hn::Zero(kD);
    double rest_sum = 0.0;
    const auto body = [&](const T* g, std::size_t j, std::size_t v) HWY_ATTR {
      const V x = hn::Mul(load(g), hn::LoadU(kD, column_factors + j));
      partial[v] = hn::MulAdd(x, x, partial[v]);
    };
    const auto rest = [&](const T* g, std::size_t j, std::size_t count) {
      for (std::size_t v = 0; v < count; ++v) {
        const double x = static_cast<double>(g[v]) * column_factors[j + v];
        rest_sum += x * x;
      }
    };
    for_row(tile.gradient + i * tile.stride, tile.columns, body, rest);
    HWY_ALIGN double lanes[kPartials];
    for (std::size_t v = 0; v < kPartials / kLanes; ++v) hn::Store(partial[v], kD, lanes + v * kLanes);
    const double row = std::accumulate(lanes, lanes + kPartials, rest_sum);
    total += row * row_factors[i] * row_factors[i];
  }
  return total;
}

template <typename T>
void apply_update(const AdafactorApply<T>& apply,
                  const AdafactorTile<T>& tile,
                  const double* row_factors,
                  const double* column_factors) {
  const V shrink = hn::Set(kD, apply.shrink);
  const V beta1 = hn::Set(kD, apply.beta1);
  const V rest1 = hn::Set(kD, 1.0 - apply.beta1);
  const bool has_moment = apply.moment != nullptr;
  for (std::size_t i = 0; i < tile.rows; ++i) {
    const V factor = hn::Set(kD, apply.scale * row_factors[i]);
    T* values = apply.value + i * tile.stride;
    T* moments = has_moment ? apply.moment + i * tile.stride : nullptr;
    const auto update = [&](const T* g, const double* c, T* x, T* m) HWY_ATTR {
      V u = hn::Mul(hn::Mul(load(g), hn::LoadU(kD, c)), factor);
      if (has_moment) {
        u = hn::MulAdd(beta1, load(m), hn::Mul(rest1, u));
        store(u, m);
      }
      store(hn::MulSub(shrink, load(x), u), x);
    };
    const auto body = [&](const T* g, std::size_t j, std::size_t) HWY_ATTR {
      update(g, column_factors + j, values + j, has_moment ? moments + j : nullptr);
    };
    const auto rest = [&](const T* g, std::size_t j, std::size_t count) HWY_ATTR {
      T gradient[kPartials] = {}, value[kPartials] = {}, moment[kPartials] = {};
      double factors[kPartials] = {};
      std::memcpy(gradient, g, count * sizeof(T));
      std::memcpy(value, values + j, count * sizeof(T));
      std::memcpy(factors, column_factors + j, count * sizeof(double));
      if (has_moment) std::memcpy(moment, moments + j, count * sizeof(T));
      for (std::size_t v = 0; v < count; v += kLanes)
        update(gradient + v, factors + v, value + v, moment + v);
      std::memcpy(values + j, value, count * sizeof(T));
      if (has_moment) std::memcpy(moments + j, moment, count * sizeof(T));
    };
    for_row(tile.gradient + i * tile.stride, tile.columns, body, rest);
  }
}

// HWY_EXPORT wants names without template arguments.
void sums_f(const AdafactorTile<float>& tile, double* row_sums, double* column_sums) {
  sums(tile, row_sums, column_sums);
}
void sums_d(const AdafactorTile<double>& tile, double* row_sums, double* column_sums) {
  sums(tile, row_sums, column_sums);
}
double squares_f(const AdafactorTile<float>& tile, const double* r, const double* c) {
  return update_squares(tile, r, c);
}
double squares_d(const AdafactorTile<double>& tile, const double* r, const double* c) {
  return update_squares(tile, r, c);
}
void apply_f(const AdafactorApply<float>& apply,
             const AdafactorTile<float>& tile,
             const double* r,
             const double* c) {
  apply_update(apply, tile, r, c);
}
void apply_d(const AdafactorApply<double>& apply,
             const AdafactorTile<double>& tile,
             const double* r,
             const double* c) {
  apply_update(apply, tile, r, c);
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {
namespace {
HWY_EXPORT(sums_f);
HWY_EXPORT(sums_d);
HWY_EXPORT(squares_f);
HWY_EXPORT(squares_d);
HWY_EXPORT(apply_f);
HWY_EXPORT(apply_d);
}  // namespace

void adafactor_sums(const AdafactorTile<float>& tile, double* row_sums, double* column_sums) {
  HWY_DYNAMIC_DISPATCH(sums_f)(tile, row_sums, column_sums);
}
void adafactor_sums(const AdafactorTile<double>& tile, double* row_sums, double* column_sums) {
  HWY_DYNAMIC_DISPATCH(sums_d)(tile, row_sums, column_sums);
}
double adafactor_update_squares(const AdafactorTile<float>& tile,
                                const double* row_factors,
                                const double* column_factors) {
  return HWY_DYNAMIC_DISPATCH(squares_f)(tile, row_factors, column_factors);
}
double adafactor_update_squares(const AdafactorTile<double>& tile,
                                const double* row_factors,
                                const double* column_factors) {
  return HWY_DYNAMIC_DISPATCH(squares_d)(tile, row_factors, column_factors);
}
void adafactor_apply(const AdafactorApply<float>& apply,
                     const AdafactorTile<float>& tile,
                     const double* row_factors,
                     const double* column_factors) {
  HWY_DYNAMIC_DISPATCH(apply_f)(apply, tile, row_factors, column_factors);
}
void adafactor_apply(const AdafactorApply<double>& apply,
                     const AdafactorTile<double>& tile,
                     const double* row_factors,
                     const double* column_factors) {
  HWY_DYNAMIC_DISPATCH(apply_d)(apply, tile, row_factors, column_factors);
}

template <typename T>
void adafactor_sums_plain(const AdafactorTile<T>& tile, double* row_sums, double* column_sums) {
  std::fill(row_sums, row_sums + tile.rows, 0.0);
  std::fill(column_sums, column_sums + tile.columns, 0.0);
  for (std::size_t i = 0; i < tile.rows; ++i) {
    for (std::size_t j = 0; j < tile.columns; ++j) {
      const auto g = static_cast<double>(tile.gradient[i * tile.stride + j]);
      row_sums[i] += g * g;
      column_sums[j] += g * g;
    }
  }
}

template <typename T>
double adafactor_update_squares_plain(const AdafactorTile<T>& tile,
                                      const double* row_factors,
                                      const double* column_factors) {
  double total = 0.0;
  for (std::size_t i = 0; i < tile.rows; ++i) {
    for (std::size_t j = 0; j < tile.columns; ++j) {
      const auto g = static_cast<double>(tile.gradient[i * tile.stride + j]);
      const double u = g * row_factors[i] * column_factors[j];
      total += u * u;
    }
  }
  return total;
}

template <typename T>
void adafactor_apply_plain(const AdafactorApply<T>& apply,
                           const AdafactorTile<T>& tile,
                           const double* row_factors,
                           const double* column_factors) {
  for (std::size_t i = 0; i < tile.rows; ++i) {
    for (std::size_t j = 0; j < tile.columns; ++j) {
      const std::size_t at = i * tile.stride + j;
      double u = apply.scale * static_cast<double>(tile.gradient[at]) * row_factors[i] * column_factors[j];
      if (apply.moment != nullptr) {
        u = apply.beta1 * static_cast<double>(apply.moment[at]) + (1.0 - apply.beta1) * u;
        apply.moment[at] = static_cast<T>(u);
      }
      apply.value[at] = static_cast<T>(apply.shrink * static_cast<double>(apply.value[at]) - u);
    }
  }
}

template void adafactor_sums_plain(const AdafactorTile<float>&, double*, double*);
template void adafactor_sums_plain(const AdafactorTile<double>&, double*, double*);
template double adafactor_update_squares_plain(const AdafactorTile<float>&, const double*, const double*);
template double adafactor_update_squares_plain(const AdafactorTile<double>&, const double*, const double*);
template void adafactor_apply_plain(const AdafactorApply<float>&,
                                    const AdafactorTile<float>&,
                                    const double*,
                                    const double*);
template void adafactor_apply_plain(const AdafactorApply<double>&,
                                    const AdafactorTile<double>&,
                                    const double*,
                                    const double*);

}  // namespace tenfold::kernels
#endif
