// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set and chosen at run time (Highway). Eight rows at a time share the loads of v and of the sums.
#include "tenfold/kernels/sinkhorn_pass.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/sinkhorn_pass.cc"
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // arrays of vectors
#include <hwy/foreach_target.h>                                                           // IWYU pragma: keep
#include <hwy/highway.h>
// After highway.h:
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace tenfold::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr hn::CappedTag<double, 8> kD;
using V = hn::Vec<decltype(kD)>;

template <std::size_t kRows>
HWY_INLINE void pass_rows(const double* HWY_RESTRICT a,
                          std::size_t columns,
                          const double* HWY_RESTRICT v,
                          double mass,
                          double* HWY_RESTRICT u,
                          double* HWY_RESTRICT column_sums) {
  const std::size_t lanes = hn::Lanes(kD), whole = columns / lanes * lanes;
  V dots[kRows];
  for (std::size_t r = 0; r < kRows; ++r) dots[r] = hn::Zero(kD);
  for (std::size_t k = 0; k < whole; k += lanes) {
    const V x = hn::LoadU(kD, v + k);
    for (std::size_t r = 0; r < kRows; ++r)
      dots[r] = hn::MulAdd(hn::LoadU(kD, a + r * columns + k), x, dots[r]);
  }
  V scales[kRows];
  for (std::size_t r = 0; r < kRows; ++r) {
    double dot = hn::GetLane(hn::SumOfLanes(kD, dots[r]));
    for (std::size_t k = whole; k < columns; ++k) dot += a[r * columns + k] * v[k];
    u[r] = mass / dot;
    scales[r] = hn::Set(kD, u[r]);
  }
  for (std::size_t k = 0; k < whole; k += lanes) {
    V sum = hn::LoadU(kD, column_sums + k);
    for (std::size_t r = 0; r < kRows; ++r)
      sum = hn::MulAdd(hn::LoadU(kD, a + r * columns + k), scales[r], sum);
    hn::StoreU(sum, kD, column_sums + k);
  }
  for (std::size_t k = whole; k < columns; ++k) {
    for (std::size_t r = 0; r < kRows; ++r) column_sums[k] += a[r * columns + k] * u[r];
  }
}

void pass(const double* HWY_RESTRICT a,
          std::size_t rows,
          std::size_t columns,
          const double* HWY_RESTRICT v,
          double mass,
          double* HWY_RESTRICT u,
          double* HWY_RESTRICT column_sums) {
  std::fill(column_sums, column_sums + columns, 0.0);
  std::size_t i = 0;
  for (; i + 8 <= rows; i += 8) pass_rows<8>(a + i * columns, columns, v, mass, u + i, column_sums);
  for (; i < rows; ++i) pass_rows<1>(a + i * columns, columns, v, mass, u + i, column_sums);
}

void exponentials(const float* HWY_RESTRICT costs,
                  std::size_t count,
                  double least,
                  double scale,
                  double* HWY_RESTRICT values) {
  constexpr hn::Rebind<float, decltype(kD)> kF;
  const std::size_t lanes = hn::Lanes(kD);
  const V origin = hn::Set(kD, least), factor = hn::Set(kD, scale), floor = hn::Set(kD, -708.0);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const V x = hn::Mul(factor, hn::Sub(hn::PromoteTo(kD, hn::LoadU(kF, costs + i)), origin));
    hn::StoreU(hn::IfThenElseZero(hn::Ge(x, floor), hn::Exp(kD, hn::Max(x, floor))), kD, values + i);
  }
  for (; i < count; ++i) {
    const double x = scale * (static_cast<double>(costs[i]) - least);
    values[i] = x >= -708.0 ? std::exp(x) : 0.0;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {
namespace {
HWY_EXPORT(pass);
HWY_EXPORT(exponentials);
}  // namespace

void sinkhorn_pass(std::span<const double> a,
                   std::span<const double> v,
                   double mass,
                   std::span<double> u,
                   std::span<double> column_sums) {
  HWY_DYNAMIC_DISPATCH(pass)(a.data(), u.size(), v.size(), v.data(), mass, u.data(), column_sums.data());
}

void exp_of_costs(std::span<const float> costs, double least, double scale, std::span<double> values) {
  HWY_DYNAMIC_DISPATCH(exponentials)(costs.data(), costs.size(), least, scale, values.data());
}

}  // namespace tenfold::kernels
#endif
