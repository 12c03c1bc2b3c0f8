// SPDX-License-Identifier: Apache-2.0
// Sum of squares, compiled once per instruction set and chosen at run time (Highway). Sixteen partial sums whatever the vector
// width, so that the order of the additions is the same everywhere.
#include "tenfold/kernels/sum_of_squares.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <vector>

#include "tenfold/base/threads.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/sum_of_squares.cc"
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
constexpr std::size_t kVectors = kPartials / HWY_MIN(kPartials, HWY_LANES(double));
constexpr hn::Rebind<float, decltype(kD)> kF;  // as many lanes, of half the size

HWY_INLINE hn::Vec<decltype(kD)> load_double(const double* from) {
  return hn::LoadU(kD, from);
}
HWY_INLINE hn::Vec<decltype(kD)> load_double(const float* from) {
  return hn::PromoteTo(kD, hn::LoadU(kF, from));
}

template <typename T>
double block_sum(const T* HWY_RESTRICT values, std::size_t count) {
  hn::Vec<decltype(kD)> sums[kVectors];
  for (auto& sum : sums) sum = hn::Zero(kD);
  const auto add = [&](const T* from) HWY_ATTR {
    for (std::size_t v = 0; v < kVectors; ++v) {
      const auto x = load_double(from + v * hn::Lanes(kD));
      sums[v] = hn::MulAdd(x, x, sums[v]);
    }
  };
  std::size_t done = 0;
  for (; done + kPartials <= count; done += kPartials) {
    hwy::Prefetch(values + done + kAhead);
    add(values + done);
  }
  if (done < count) {
    T rest[kPartials] = {};
    std::memcpy(rest, values + done, (count - done) * sizeof(T));
    add(rest);
  }
  HWY_ALIGN double partials[kPartials];
  for (std::size_t v = 0; v < kVectors; ++v) hn::Store(sums[v], kD, partials + v * hn::Lanes(kD));
  return std::accumulate(partials, partials + kPartials, 0.0);
}

double block_of_floats(const float* HWY_RESTRICT values, std::size_t count) {
  return block_sum(values, count);
}
double block_of_doubles(const double* HWY_RESTRICT values, std::size_t count) {
  return block_sum(values, count);
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {
namespace {
HWY_EXPORT(block_of_floats);
HWY_EXPORT(block_of_doubles);

constexpr std::size_t kBlock = 65536;

template <typename T>
double plain(std::span<const T> values) {
  double total = 0.0;
  for (std::size_t begin = 0; begin < values.size(); begin += kBlock) {
    double partials[16] = {};
    const std::size_t end = std::min(values.size(), begin + kBlock);
    for (std::size_t i = begin; i < end; ++i) {
      const auto x = static_cast<double>(values[i]);
      partials[i % 16] += x * x;
    }
    total += std::accumulate(partials, partials + 16, 0.0);
  }
  return total;
}

template <typename T, typename Block>
double by_blocks(std::span<const T> values, Block block) {
  if (values.size() <= kBlock) return block(values.data(), values.size());
  std::vector<double> sums((values.size() + kBlock - 1) / kBlock);
  parallel_for(values.size(), kBlock, [&](std::size_t begin, std::size_t end) {
    sums[begin / kBlock] = block(values.data() + begin, end - begin);
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace

double sum_of_squares(std::span<const float> values) {
  return by_blocks(values, HWY_DYNAMIC_DISPATCH(block_of_floats));
}

double sum_of_squares(std::span<const double> values) {
  return by_blocks(values, HWY_DYNAMIC_DISPATCH(block_of_doubles));
}

double sum_of_squares_plain(std::span<const float> values) {
  return plain(values);
}

double sum_of_squares_plain(std::span<const double> values) {
  return plain(values);
}

}  // namespace tenfold::kernels
#endif
