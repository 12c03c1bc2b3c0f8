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

constexpr std::size_t kGroup = 8;  // rows

// u[r] = mass / sum of dots[r]. Lanes are added in pairs, so that eight rows share the divisions.
HWY_INLINE void finish_rows(const V (&dots)[kGroup],
                            const double (&rest)[kGroup],
                            double mass,
                            double* HWY_RESTRICT u) {
#if HWY_TARGET == HWY_SCALAR
  for (std::size_t r = 0; r < kGroup; ++r) u[r] = mass / (hn::GetLane(dots[r]) + rest[r]);
#else
  constexpr hn::FixedTag<double, 2> kPair;
  constexpr std::size_t kLanes = HWY_MIN(HWY_LANES(double), 8);
  HWY_ALIGN double sums[kLanes];
  for (std::size_t r = 0; r < kGroup; r += 2) {
    hn::Store(
        hn::Add(hn::InterleaveLower(kD, dots[r], dots[r + 1]), hn::InterleaveUpper(kD, dots[r], dots[r + 1])),
        kD,
        sums);
    auto both = hn::LoadU(kPair, rest + r);
    for (std::size_t i = 0; i < kLanes; i += 2) both = hn::Add(both, hn::Load(kPair, sums + i));
    hn::StoreU(hn::Div(hn::Set(kPair, mass), both), kPair, u + r);
  }
#endif
}

// The group `next` is multiplied by v for its u, while the group before it, whose u is known, is added to the column sums: the two hide
// each other's waiting. Either may be null.
HWY_INLINE void pass_groups(const double* HWY_RESTRICT before,
                            const double* HWY_RESTRICT next,
                            std::size_t columns,
                            const double* HWY_RESTRICT v,
                            const double* HWY_RESTRICT u,
                            double* HWY_RESTRICT column_sums,
                            double mass,
                            double* HWY_RESTRICT next_u) {
  constexpr std::size_t kLanes = HWY_MIN(HWY_LANES(double), 8);
  const std::size_t whole = columns / kLanes * kLanes;
  V scales[kGroup], dots[kGroup];
  for (std::size_t r = 0; r < kGroup; ++r) {
    scales[r] = hn::Set(kD, u[r]);
    dots[r] = hn::Zero(kD);
  }
  for (std::size_t k = 0; k < whole; k += kLanes) {
    const V x = hn::LoadU(kD, v + k);
    V sum = hn::LoadU(kD, column_sums + k);
    for (std::size_t r = 0; r < kGroup; ++r) {
      sum = hn::MulAdd(hn::LoadU(kD, before + r * columns + k), scales[r], sum);
      dots[r] = hn::MulAdd(hn::LoadU(kD, next + r * columns + k), x, dots[r]);
    }
    hn::StoreU(sum, kD, column_sums + k);
  }
  double rest[kGroup] = {};
  for (std::size_t k = whole; k < columns; ++k) {
    for (std::size_t r = 0; r < kGroup; ++r) {
      column_sums[k] += before[r * columns + k] * u[r];
      rest[r] += next[r * columns + k] * v[k];
    }
  }
  finish_rows(dots, rest, mass, next_u);
}

// One row, not pipelined.
void pass_row(const double* HWY_RESTRICT a,
              std::size_t columns,
              const double* HWY_RESTRICT v,
              double mass,
              double* HWY_RESTRICT u,
              double* HWY_RESTRICT column_sums) {
  const std::size_t lanes = hn::Lanes(kD), whole = columns / lanes * lanes;
  V dots = hn::Zero(kD);
  for (std::size_t k = 0; k < whole; k += lanes)
    dots = hn::MulAdd(hn::LoadU(kD, a + k), hn::LoadU(kD, v + k), dots);
  double dot = hn::GetLane(hn::SumOfLanes(kD, dots));
  for (std::size_t k = whole; k < columns; ++k) dot += a[k] * v[k];
  *u = mass / dot;
  const V scale = hn::Set(kD, *u);
  for (std::size_t k = 0; k < whole; k += lanes)
    hn::StoreU(hn::MulAdd(hn::LoadU(kD, a + k), scale, hn::LoadU(kD, column_sums + k)), kD, column_sums + k);
  for (std::size_t k = whole; k < columns; ++k) column_sums[k] += a[k] * *u;
}

void pass(const double* HWY_RESTRICT a,
          std::size_t rows,
          std::size_t columns,
          const double* HWY_RESTRICT v,
          double mass,
          double* HWY_RESTRICT u,
          double* HWY_RESTRICT column_sums) {
  std::fill(column_sums, column_sums + columns, 0.0);
  const std::size_t grouped = rows / kGroup * kGroup;
  // The ends of the pipeline meet a group that stands for nothing: scales of 0, and sums nobody reads.
  const double none[kGroup] = {};
  double unread[kGroup];
  for (std::size_t i = 0; i < grouped; i += kGroup) {
    const double* next = a + i * columns;
    pass_groups(i == 0 ? next : next - kGroup * columns,
                next,
                columns,
                v,
                i == 0 ? none : u + i - kGroup,
                column_sums,
                mass,
                u + i);
  }
  if (grouped > 0) {
    const double* last = a + (grouped - kGroup) * columns;
    pass_groups(last, last, columns, v, u + grouped - kGroup, column_sums, mass, unread);
  }
  for (std::size_t i = grouped; i < rows; ++i)
    pass_row(a + i * columns, columns, v, mass, u + i, column_sums);
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

void add_row(const double* HWY_RESTRICT row, std::size_t columns, double scale, double* HWY_RESTRICT sums) {
  const std::size_t lanes = hn::Lanes(kD);
  const V factor = hn::Set(kD, scale);
  std::size_t k = 0;
  for (; k + lanes <= columns; k += lanes)
    hn::StoreU(hn::MulAdd(hn::LoadU(kD, row + k), factor, hn::LoadU(kD, sums + k)), kD, sums + k);
  for (; k < columns; ++k) sums[k] += row[k] * scale;
}

std::size_t largest_product(const double* HWY_RESTRICT row,
                            const double* HWY_RESTRICT v,
                            std::size_t columns) {
  const std::size_t lanes = hn::Lanes(kD);
  V best = hn::Zero(kD);
  std::size_t k = 0;
  for (; k + lanes <= columns; k += lanes)
    best = hn::Max(best, hn::Mul(hn::LoadU(kD, row + k), hn::LoadU(kD, v + k)));
  double largest = hn::GetLane(hn::MaxOfLanes(kD, best));
  for (; k < columns; ++k) largest = std::max(largest, row[k] * v[k]);
  const V wanted = hn::Set(kD, largest);
  for (k = 0; k + lanes <= columns; k += lanes) {
    const auto equal = hn::Eq(hn::Mul(hn::LoadU(kD, row + k), hn::LoadU(kD, v + k)), wanted);
    if (!hn::AllFalse(kD, equal)) return k + static_cast<std::size_t>(hn::FindFirstTrue(kD, equal));
  }
  while (k < columns && !(row[k] * v[k] == largest)) ++k;
  return k < columns ? k : 0;
}

constexpr hn::CappedTag<float, 16> kFloat;

std::size_t least_cost(const float* HWY_RESTRICT costs, std::size_t columns) {
  const std::size_t lanes = hn::Lanes(kFloat);
  auto best = hn::Set(kFloat, costs[0]);
  std::size_t k = 0;
  for (; k + lanes <= columns; k += lanes) best = hn::Min(best, hn::LoadU(kFloat, costs + k));
  float least = hn::GetLane(hn::MinOfLanes(kFloat, best));
  for (; k < columns; ++k) least = std::min(least, costs[k]);
  const auto wanted = hn::Set(kFloat, least);
  for (k = 0; k + lanes <= columns; k += lanes) {
    const auto equal = hn::Eq(hn::LoadU(kFloat, costs + k), wanted);
    if (!hn::AllFalse(kFloat, equal)) return k + static_cast<std::size_t>(hn::FindFirstTrue(kFloat, equal));
  }
  while (costs[k] != least) ++k;
  return k;
}

// Zero times a number is NaN for NaN and for infinity.
CostRange cost_range(const float* HWY_RESTRICT costs, std::size_t count) {
  const std::size_t lanes = hn::Lanes(kFloat);
  auto least = hn::Set(kFloat, costs[0]), largest = least, zeros = hn::Zero(kFloat);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto x = hn::LoadU(kFloat, costs + i);
    least = hn::Min(least, x);
    largest = hn::Max(largest, x);
    zeros = hn::MulAdd(x, hn::Zero(kFloat), zeros);
  }
  CostRange range{hn::GetLane(hn::MinOfLanes(kFloat, least)), hn::GetLane(hn::MaxOfLanes(kFloat, largest))};
  float zero = hn::GetLane(hn::SumOfLanes(kFloat, zeros));
  for (; i < count; ++i) {
    range.least = std::min(range.least, costs[i]);
    range.largest = std::max(range.largest, costs[i]);
    zero += costs[i] * 0.0f;
  }
  range.finite = zero == 0.0f;
  return range;
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {
namespace {
HWY_EXPORT(pass);
HWY_EXPORT(exponentials);
HWY_EXPORT(add_row);
HWY_EXPORT(largest_product);
HWY_EXPORT(least_cost);
HWY_EXPORT(cost_range);
}  // namespace

CostRange range_of_costs(std::span<const float> costs) {
  return HWY_DYNAMIC_DISPATCH(cost_range)(costs.data(), costs.size());
}

std::size_t first_least(std::span<const float> costs) {
  return HWY_DYNAMIC_DISPATCH(least_cost)(costs.data(), costs.size());
}

std::size_t first_largest_product(std::span<const double> a, std::span<const double> v) {
  return HWY_DYNAMIC_DISPATCH(largest_product)(a.data(), v.data(), a.size());
}

void add_scaled(std::span<const double> values, double scale, std::span<double> sums) {
  HWY_DYNAMIC_DISPATCH(add_row)(values.data(), values.size(), scale, sums.data());
}

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
