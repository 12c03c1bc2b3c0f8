// SPDX-License-Identifier: Apache-2.0
// Tiles of rows by centroids, compiled once per instruction set and chosen at run time (Highway).
#include "tenfold/kernels/nearest.h"

#include <algorithm>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/nearest.cc"
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // arrays of vectors
#include <hwy/foreach_target.h>                                                           // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tenfold::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kLanes = HWY_MIN(HWY_LANES(float), 16);
constexpr hn::CappedTag<float, kLanes> kD;
constexpr hn::Rebind<std::int32_t, decltype(kD)> kI;
using V = hn::Vec<decltype(kD)>;
using I = hn::Vec<decltype(kI)>;
constexpr std::size_t kTileRows = HWY_MAX_BYTES >= 64 ? 8 : 4;
constexpr std::size_t kTileVectors = 2;

template <std::size_t kRows>
HWY_INLINE void tile(const NearestTable& table,
                     const float* HWY_RESTRICT rows,
                     std::ptrdiff_t stride,
                     std::uint32_t* HWY_RESTRICT index,
                     float* HWY_RESTRICT value) {
  V best[kRows];
  I where[kRows];
  for (std::size_t r = 0; r < kRows; ++r) {
    best[r] = hn::Set(kD, std::numeric_limits<float>::infinity());
    where[r] = hn::Zero(kI);
  }
  const std::size_t padded = table.padded(), dimension = table.dimension();
  for (std::size_t k = 0; k < padded; k += kTileVectors * kLanes) {
    V sums[kRows][kTileVectors];
    for (std::size_t v = 0; v < kTileVectors; ++v) {
      const V half = hn::LoadU(kD, table.half_squares() + k + v * kLanes);
      for (std::size_t r = 0; r < kRows; ++r) sums[r][v] = half;
    }
    const float* HWY_RESTRICT column = table.columns() + k;
    for (std::size_t j = 0; j < dimension; ++j, column += padded) {
      V c[kTileVectors];
      for (std::size_t v = 0; v < kTileVectors; ++v) c[v] = hn::LoadU(kD, column + v * kLanes);
      for (std::size_t r = 0; r < kRows; ++r) {
        const V x =
            hn::Set(kD, rows[static_cast<std::ptrdiff_t>(r) * stride + static_cast<std::ptrdiff_t>(j)]);
        for (std::size_t v = 0; v < kTileVectors; ++v) sums[r][v] = hn::NegMulAdd(x, c[v], sums[r][v]);
      }
    }
    for (std::size_t v = 0; v < kTileVectors; ++v) {
      const I here = hn::Iota(kI, static_cast<std::int32_t>(k + v * kLanes));
      for (std::size_t r = 0; r < kRows; ++r) {
        const auto less = hn::Lt(sums[r][v], best[r]);
        best[r] = hn::IfThenElse(less, sums[r][v], best[r]);
        where[r] = hn::IfThenElse(hn::RebindMask(kI, less), here, where[r]);
      }
    }
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    const V least = hn::MinOfLanes(kD, best[r]);
    const auto is_least = hn::RebindMask(kI, hn::Eq(best[r], least));
    const I among = hn::IfThenElse(is_least, where[r], hn::Set(kI, std::numeric_limits<std::int32_t>::max()));
    const std::int32_t found = hn::GetLane(hn::MinOfLanes(kI, among));
    index[r] = found == std::numeric_limits<std::int32_t>::max() ? 0 : static_cast<std::uint32_t>(found);
    if (value != nullptr) value[r] = hn::GetLane(least);
  }
}

void nearest_tiles(const NearestTable& table,
                   const float* HWY_RESTRICT rows,
                   std::ptrdiff_t stride,
                   std::span<std::uint32_t> index,
                   float* HWY_RESTRICT value) {
  std::size_t i = 0;
  const auto at = [&](std::size_t row) { return rows + static_cast<std::ptrdiff_t>(row) * stride; };
  const auto value_at = [&](std::size_t row) { return value == nullptr ? nullptr : value + row; };
  for (; i + kTileRows <= index.size(); i += kTileRows) {
    tile<kTileRows>(table, at(i), stride, index.data() + i, value_at(i));
  }
  for (; i < index.size(); ++i) tile<1>(table, at(i), stride, index.data() + i, value_at(i));
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {
namespace {
HWY_EXPORT(nearest_tiles);
}  // namespace

NearestTable::NearestTable(std::span<const float> centroids, std::size_t dimension)
    : count_(centroids.size() / dimension),
      dimension_(dimension),
      padded_((count_ + 31) / 32 * 32),
      columns_(dimension * padded_, 0.0f),
      half_squares_(padded_, std::numeric_limits<float>::infinity()) {
  for (std::size_t k = 0; k < count_; ++k) {
    double square = 0;
    for (std::size_t j = 0; j < dimension; ++j) {
      const float x = centroids[k * dimension + j];
      columns_[j * padded_ + k] = x;
      square += static_cast<double>(x) * x;
    }
    half_squares_[k] = static_cast<float>(square / 2);
  }
}

void nearest(const NearestTable& table,
             const float* rows,
             std::ptrdiff_t stride,
             std::span<std::uint32_t> index,
             float* value) {
  HWY_DYNAMIC_DISPATCH(nearest_tiles)(table, rows, stride, index, value);
}

void nearest_plain(std::span<const float> centroids,
                   std::size_t dimension,
                   const float* rows,
                   std::ptrdiff_t stride,
                   std::span<std::uint32_t> index) {
  for (std::size_t i = 0; i < index.size(); ++i) {
    const float* x = rows + static_cast<std::ptrdiff_t>(i) * stride;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < centroids.size() / dimension; ++k) {
      double distance = 0;
      for (std::size_t j = 0; j < dimension; ++j) {
        const double difference = static_cast<double>(x[j]) - centroids[k * dimension + j];
        distance += difference * difference;
      }
      if (distance < least) {
        least = distance;
        index[i] = static_cast<std::uint32_t>(k);
      }
    }
  }
}

}  // namespace tenfold::kernels
#endif
