// SPDX-License-Identifier: Apache-2.0
// Vectorised resampling, compiled once per instruction set and chosen at run time (Highway).
//
// One vector lane is one resample. A 32-bit word of Philox stands in the low half of a 64-bit lane: the multiply
// instruction reads low halves only, so what is left in the high halves never needs clearing, and both halves of the
// product are there without shuffles. Indices are then read back lane by lane: a load of one table entry and an
// addition a draw is cheaper than a gather, and keeps the order of the additions independent of the vector width.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <type_traits>
#include <vector>

#include "tenfold/base/clock.h"
#include "tenfold/base/error.h"
#include "tenfold/kernels/resample.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/resample_simd.cc"
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // arrays of vectors
#include <hwy/foreach_target.h>                                                           // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tenfold::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

// No vector unit: the plain version.
void sums(const ResampleTable& table,
          ResampleKey key,
          std::uint64_t first,
          std::size_t count,
          double* HWY_RESTRICT out) {
  resample_sums_plain(table, key, first, count, {out, count * table.width()});
}

std::uint64_t multiply_chain(std::size_t steps) {
  std::uint64_t value[12];
  for (std::size_t i = 0; i < 12; ++i) value[i] = 2 * i + 3;
  for (std::size_t step = 0; step < steps; ++step) {
    for (std::uint64_t& v : value) v = (v & 0xFFFFFFFFu) * 0xD2511F53u;
  }
  return std::accumulate(value, value + 12, std::uint64_t{0}, std::bit_xor<>());
}

double load_chain(const double* HWY_RESTRICT table, std::size_t steps) {
  double sum[32] = {};
  for (std::size_t step = 0; step < steps; ++step) {
    const double* entries = table + step % 16 * 32;
    for (std::size_t i = 0; i < 32; ++i) sum[i] += entries[i];
  }
  return std::accumulate(sum, sum + 32, 0.0);
}

std::size_t lanes() {
  return 1;
}

#else

constexpr hn::ScalableTag<std::uint64_t> kD64;
constexpr hn::ScalableTag<std::uint32_t> kD32;
using V64 = hn::Vec<decltype(kD64)>;
constexpr std::size_t kLanes = HWY_LANES(std::uint64_t);  // resamples at a time
constexpr std::size_t kPartials = 8;
constexpr std::size_t kTileBlocks =
    32;  // Philox blocks before their draws are summed: the offsets stay in L1
constexpr int kRounds = 10;
constexpr std::size_t kUnroll = 4;  // Philox blocks at a time

// Offsets into the table, in doubles: [block of the tile][word][lane][draw of the word].
using Offsets = std::uint32_t[kTileBlocks][4][kLanes][2];

HWY_INLINE V64 multiply_low_halves(V64 a, V64 b) {
  return hn::MulEven(hn::BitCast(kD32, a), hn::BitCast(kD32, b));
}

struct PhiloxKeys {
  V64 low[kRounds];
  V64 high[kRounds];
};

HWY_INLINE PhiloxKeys expand_key(std::uint64_t seed) {
  PhiloxKeys keys;
  auto k0 = static_cast<std::uint32_t>(seed);
  auto k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < kRounds; ++round) {
    keys.low[round] = hn::Set(kD64, k0);
    keys.high[round] = hn::Set(kD64, k1);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return keys;
}

// The rows of one Philox word per lane: one draw, or two with the second from what the first left over.
template <int kPerWord>
HWY_INLINE void store_offsets(V64 word, V64 rows, int width_log2, std::uint32_t* HWY_RESTRICT out) {
  const V64 first = multiply_low_halves(word, rows);
  V64 indices = hn::ShiftRight<32>(first);
  if constexpr (kPerWord == 2) {
    const V64 second = multiply_low_halves(first, rows);
    indices = hn::BitCast(kD64, hn::OddEven(hn::BitCast(kD32, second), hn::BitCast(kD32, indices)));
  }
  hn::Store(hn::ShiftLeftSame(hn::BitCast(kD32, indices), width_log2), kD32, out);
}

struct Draw {
  std::uint32_t attempt;
  std::size_t rows;
  int width_log2;
};

// Offsets of kBlocks consecutive Philox blocks for the resamples in the lanes of `resample`. Several blocks at once
// hide the latency of the multiplies.
template <int kPerWord, std::size_t kBlocks>
HWY_INLINE void draw_blocks(const PhiloxKeys& keys,
                            const Draw& draw,
                            V64 resample,
                            std::size_t first_block,
                            std::uint32_t (*HWY_RESTRICT out)[4][kLanes][2]) {
  const V64 m0 = hn::Set(kD64, 0xD2511F53u);
  const V64 m1 = hn::Set(kD64, 0xCD9E8D57u);
  const V64 rows = hn::Set(kD64, draw.rows);
  V64 c0[kBlocks], c1[kBlocks], c2[kBlocks], c3[kBlocks];
  for (std::size_t i = 0; i < kBlocks; ++i) {
    c0[i] = hn::Set(kD64, first_block + i);
    c1[i] = hn::Set(kD64, draw.attempt);
    c2[i] = resample;
    c3[i] = hn::ShiftRight<32>(resample);
  }
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < kBlocks; ++i) {
      const V64 p0 = multiply_low_halves(c0[i], m0);
      const V64 p1 = multiply_low_halves(c2[i], m1);
      c0[i] = hn::Xor3(hn::ShiftRight<32>(p1), c1[i], keys.low[round]);
      c2[i] = hn::Xor3(hn::ShiftRight<32>(p0), c3[i], keys.high[round]);
      c1[i] = p1;
      c3[i] = p0;
    }
  }
  for (std::size_t i = 0; i < kBlocks; ++i) {
    store_offsets<kPerWord>(c0[i], rows, draw.width_log2, out[i][0][0]);
    store_offsets<kPerWord>(c1[i], rows, draw.width_log2, out[i][1][0]);
    store_offsets<kPerWord>(c2[i], rows, draw.width_log2, out[i][2][0]);
    store_offsets<kPerWord>(c3[i], rows, draw.width_log2, out[i][3][0]);
  }
}

template <int kPerWord>
HWY_INLINE void draw_tile(const PhiloxKeys& keys,
                          const Draw& draw,
                          V64 resample,
                          std::size_t first_block,
                          std::size_t blocks,
                          Offsets& offsets) {
  std::size_t block = 0;
  for (; block + kUnroll <= blocks; block += kUnroll) {
    draw_blocks<kPerWord, kUnroll>(keys, draw, resample, first_block + block, offsets + block);
  }
  for (; block < blocks; ++block) {
    draw_blocks<kPerWord, 1>(keys, draw, resample, first_block + block, offsets + block);
  }
}

// The partial sums of one lane: kPartials entries of kWidth doubles, in registers.
template <std::size_t kWidth>
struct Partials {
  static constexpr hn::CappedTag<double, kWidth> kD{};
  static constexpr std::size_t kVector = HWY_MIN(kWidth, HWY_LANES(double));
  static constexpr std::size_t kParts = kWidth / kVector;
  using V = hn::Vec<decltype(kD)>;

  V sum[kPartials][kParts];

  HWY_INLINE void load(const double* HWY_RESTRICT from) {
    for (std::size_t i = 0; i < kPartials; ++i) {
      for (std::size_t part = 0; part < kParts; ++part) {
        sum[i][part] = hn::Load(kD, from + i * kWidth + part * kVector);
      }
    }
  }
  HWY_INLINE void store(double* HWY_RESTRICT to) const {
    for (std::size_t i = 0; i < kPartials; ++i) {
      for (std::size_t part = 0; part < kParts; ++part) {
        hn::Store(sum[i][part], kD, to + i * kWidth + part * kVector);
      }
    }
  }
  HWY_INLINE void clear() {
    for (auto& parts : sum) {
      for (V& part : parts) part = hn::Zero(kD);
    }
  }
  template <std::size_t kPartial>
  HWY_INLINE void add(const double* HWY_RESTRICT entry) {
    for (std::size_t part = 0; part < kParts; ++part) {
      sum[kPartial][part] = hn::Add(sum[kPartial][part], hn::Load(kD, entry + part * kVector));
    }
  }
  HWY_INLINE void store_total(double* HWY_RESTRICT to) const {
    for (std::size_t part = 0; part < kParts; ++part) {
      const auto p = [&](std::size_t i) HWY_ATTR { return sum[i][part]; };
      const V low = hn::Add(hn::Add(p(0), p(1)), hn::Add(p(2), p(3)));
      const V high = hn::Add(hn::Add(p(4), p(5)), hn::Add(p(6), p(7)));
      hn::StoreU(hn::Add(low, high), kD, to + part * kVector);
    }
  }
};

// Adds the first `draws` draws of `own`, the offsets of one lane, to `partials`.
template <int kPerWord, std::size_t kWidth>
HWY_INLINE void sum_lane(const double* HWY_RESTRICT table,
                         const std::uint32_t* HWY_RESTRICT own,
                         std::size_t draws,
                         Partials<kWidth>& partials) {
  constexpr std::size_t kStride = kLanes * 2;  // from word to word
  const auto entry = [&](std::size_t i) { return table + own[i / kPerWord * kStride + i % kPerWord]; };
  // Written out: the compiler keeps the partial sums in registers and the positions of the draws as constants.
  for (std::size_t group = 0; group < draws / kPartials; ++group) {
    if constexpr (kPerWord == 2) {
      // Both draws of a word by one load: the load ports are the bottleneck.
      const auto add_word = [&]<std::size_t kWord>(std::integral_constant<std::size_t, kWord>) HWY_ATTR {
        std::uint64_t pair;
        std::memcpy(&pair, own + kWord * kStride, sizeof pair);
        partials.template add<2 * kWord>(table + static_cast<std::uint32_t>(pair));
        partials.template add<2 * kWord + 1>(table + (pair >> 32));
      };
      add_word(std::integral_constant<std::size_t, 0>{});
      add_word(std::integral_constant<std::size_t, 1>{});
      add_word(std::integral_constant<std::size_t, 2>{});
      add_word(std::integral_constant<std::size_t, 3>{});
    } else {
      partials.template add<0>(entry(0));
      partials.template add<1>(entry(1));
      partials.template add<2>(entry(2));
      partials.template add<3>(entry(3));
      partials.template add<4>(entry(4));
      partials.template add<5>(entry(5));
      partials.template add<6>(entry(6));
      partials.template add<7>(entry(7));
    }
    own += kPartials / kPerWord * kStride;
  }
  const std::size_t rest = draws % kPartials;
  if (rest > 0) partials.template add<0>(entry(0));
  if (rest > 1) partials.template add<1>(entry(1));
  if (rest > 2) partials.template add<2>(entry(2));
  if (rest > 3) partials.template add<3>(entry(3));
  if (rest > 4) partials.template add<4>(entry(4));
  if (rest > 5) partials.template add<5>(entry(5));
  if (rest > 6) partials.template add<6>(entry(6));
}

template <int kPerWord, std::size_t kWidth>
void sums_of_shape(const ResampleTable& table,
                   ResampleKey key,
                   std::uint64_t first,
                   std::size_t count,
                   double* HWY_RESTRICT sums) {
  constexpr std::size_t kBlockDraws = 4 * kPerWord;
  constexpr std::size_t kTileDraws = kTileBlocks * kBlockDraws;
  HWY_ALIGN Offsets offsets;
  HWY_ALIGN double carried[kLanes][kPartials * kWidth];  // between tiles
  const PhiloxKeys keys = expand_key(key.seed);
  const std::size_t rows = table.rows();
  const Draw draw{key.attempt, rows, kWidth == 4 ? 2 : 3};
  const double* entries = table.data();
  for (std::size_t k = 0; k < count; k += kLanes) {
    const std::size_t lanes = std::min(kLanes, count - k);
    const V64 resample = hn::Add(hn::Set(kD64, first + k), hn::Iota(kD64, 0));
    for (std::size_t done = 0; done < rows; done += kTileDraws) {
      const std::size_t draws = std::min(kTileDraws, rows - done);
      draw_tile<kPerWord>(
          keys, draw, resample, done / kBlockDraws, (draws + kBlockDraws - 1) / kBlockDraws, offsets);
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        Partials<kWidth> partials;
        done == 0 ? partials.clear() : partials.load(carried[lane]);
        sum_lane<kPerWord, kWidth>(entries, offsets[0][0][lane], draws, partials);
        done + draws == rows ? partials.store_total(sums + (k + lane) * kWidth)
                             : partials.store(carried[lane]);
      }
    }
  }
}

void sums(const ResampleTable& table,
          ResampleKey key,
          std::uint64_t first,
          std::size_t count,
          double* HWY_RESTRICT out) {
  const bool pairs = draws_per_word(table.rows()) == 2;
  if (table.width() == 4) {
    pairs ? sums_of_shape<2, 4>(table, key, first, count, out)
          : sums_of_shape<1, 4>(table, key, first, count, out);
  } else {
    pairs ? sums_of_shape<2, 8>(table, key, first, count, out)
          : sums_of_shape<1, 8>(table, key, first, count, out);
  }
}

// `steps` x 12 independent vector multiplies; returns what they computed so that they are not optimised away.
std::uint64_t multiply_chain(std::size_t steps) {
  V64 value[12];
  for (std::size_t i = 0; i < 12; ++i) value[i] = hn::Set(kD64, 2 * i + 3);
  const V64 factor = hn::Set(kD64, 0xD2511F53u);
  for (std::size_t step = 0; step < steps; ++step) {
    for (std::size_t i = 0; i < 12; ++i) value[i] = multiply_low_halves(value[i], factor);
  }
  V64 all = value[0];
  for (std::size_t i = 1; i < 12; ++i) all = hn::Xor(all, value[i]);
  return hn::GetLane(all);
}

// `steps` x 8 additions of table entries of 4 doubles in L1.
double load_chain(const double* HWY_RESTRICT table, std::size_t steps) {
  constexpr hn::CappedTag<double, 4> d;
  constexpr std::size_t kVector = HWY_MIN(std::size_t{4}, HWY_LANES(double));
  constexpr std::size_t kParts = 4 / kVector;
  hn::Vec<decltype(d)> sum[8][kParts];
  for (auto& parts : sum) {
    for (auto& part : parts) part = hn::Zero(d);
  }
  for (std::size_t step = 0; step < steps; ++step) {
    const double* entries = table + step % 16 * 32;
    for (std::size_t i = 0; i < 8; ++i) {
      for (std::size_t part = 0; part < kParts; ++part) {
        sum[i][part] = hn::Add(sum[i][part], hn::Load(d, entries + i * 4 + part * kVector));
      }
    }
  }
  double total = 0.0;
  for (auto& parts : sum) {
    for (auto& part : parts) total += hn::GetLane(part);
  }
  return total;
}

std::size_t lanes() {
  return kLanes;
}

#endif

const char* target_name() {
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {

HWY_EXPORT(sums);
HWY_EXPORT(multiply_chain);
HWY_EXPORT(load_chain);
HWY_EXPORT(lanes);
HWY_EXPORT(target_name);

void resample_sums(const ResampleTable& table,
                   ResampleKey key,
                   std::uint64_t first,
                   std::size_t count,
                   std::span<double> out) {
  check_internal(out.size() >= count * table.width(), "resample sums: output is too small");
  HWY_DYNAMIC_DISPATCH(sums)(table, key, first, count, out.data());
}

std::string resample_target() {
  return HWY_DYNAMIC_DISPATCH(target_name)();
}

ResampleFloor resample_floor(std::size_t rows, std::size_t count) {
  constexpr std::size_t kSteps = 200000;
  constexpr int kRepeats = 10;
  const ResampleTable table(128, 4, std::vector<double>(512, 1.0));
  double multiply = std::numeric_limits<double>::infinity();
  double load = multiply;
  volatile double sink = 0.0;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    Stopwatch watch;
    sink = static_cast<double>(HWY_DYNAMIC_DISPATCH(multiply_chain)(kSteps));
    multiply = std::min(multiply, watch.wall_seconds() / (12.0 * kSteps));
    watch.restart();
    sink = HWY_DYNAMIC_DISPATCH(load_chain)(table.data(), kSteps);
    load = std::min(load, watch.wall_seconds() / (8.0 * kSteps));
  }
  static_cast<void>(sink);
  ResampleFloor floor;
  const auto draws = static_cast<double>(rows);
  const auto resamples = static_cast<double>(count);
  floor.words_per_resample = std::ceil(draws / static_cast<double>(draws_per_word(rows)));
  // 20 multiplies give 4 words, one more for every draw.
  const double multiplies = floor.words_per_resample * 5.0 + draws;
  const auto vector_lanes = static_cast<double>(HWY_DYNAMIC_DISPATCH(lanes)());
  floor.multiply_seconds = resamples * multiplies * multiply / vector_lanes;
  floor.load_seconds = resamples * draws * load;
  floor.seconds = std::max(floor.multiply_seconds, floor.load_seconds);
  return floor;
}

}  // namespace tenfold::kernels
#endif  // HWY_ONCE
