// SPDX-License-Identifier: Apache-2.0
// Scans of kernels/adc_scan.h, compiled once per instruction set and chosen at run time (Highway).
#include "tenfold/kernels/adc_scan.h"

#include <cstring>

#include "tenfold/kernels/adc_scan_vbmi.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/adc_scan.cc"
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // fixed blocks
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tenfold::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR
void scan8(const std::uint8_t* blocks,
           std::size_t block_count,
           std::size_t codes,
           const std::uint8_t* tables,
           std::uint16_t* sums) {
  adc_scan8_plain(blocks, block_count, codes, tables, sums);
}

void scan4(const std::uint8_t* blocks,
           std::size_t block_count,
           std::size_t codes,
           const std::uint8_t* tables,
           std::uint16_t* sums) {
  adc_scan4_plain(blocks, block_count, codes, tables, sums);
}

std::size_t select_words(const std::uint16_t* sums,
                         std::size_t count,
                         std::uint16_t least,
                         std::uint32_t* found) {
  std::size_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (sums[i] >= least) found[total++] = static_cast<std::uint32_t>(i);
  }
  return total;
}

std::int32_t dot_bytes(const std::int8_t* a, const std::int8_t* b, std::size_t count) {
  std::int32_t total = 0;
  for (std::size_t i = 0; i < count; ++i) total += std::int32_t{a[i]} * b[i];
  return total;
}
#else

constexpr hn::CappedTag<std::uint8_t, 64> kBytes;
constexpr hn::Repartition<std::uint16_t, decltype(kBytes)> kWords;
constexpr std::size_t kVector = HWY_MIN(HWY_LANES(std::uint8_t), 64);
constexpr std::size_t kAhead = 4096;  // bytes to fetch early
using Bytes = hn::Vec<decltype(kBytes)>;
using Words = hn::Vec<decltype(kWords)>;

// Adds bytes to sums of 16 bits without widening them. `both` gathers byte pairs as one number, whose carries out of the low byte
// are known in the end: low = both - (high << 8).
struct PairSums {
  Words both, high;
  HWY_INLINE void add(Bytes x) {
    const Words pairs = hn::BitCast(kWords, x);
    both = hn::Add(both, pairs);
    high = hn::Add(high, hn::ShiftRight<8>(pairs));
  }
  HWY_INLINE Words even() const { return hn::Sub(both, hn::ShiftLeft<8>(high)); }
  HWY_INLINE Words odd() const { return high; }
};

// Without byte permutes over two registers a load a code is as good as anything.
void scan8_loads(const std::uint8_t* HWY_RESTRICT blocks,
                 std::size_t block_count,
                 std::size_t codes,
                 const std::uint8_t* HWY_RESTRICT tables,
                 std::uint16_t* HWY_RESTRICT sums) {
  for (std::size_t b = 0; b < block_count; ++b, blocks += adc8_block_bytes(codes), sums += kAdc8Rows) {
    for (std::size_t r = 0; r < 32; r += 4) {
      std::uint32_t low[4] = {}, high[4] = {};
      for (std::size_t m = 0; m < codes; ++m) {
        const std::uint8_t* HWY_RESTRICT table = tables + 256 * m;
        const std::uint8_t* HWY_RESTRICT code = blocks + m * kAdc8Rows + 2 * r;
        for (std::size_t i = 0; i < 4; ++i) {
          low[i] += table[code[2 * i]];
          high[i] += table[code[2 * i + 1]];
        }
      }
      for (std::size_t i = 0; i < 4; ++i) {
        sums[r + i] = static_cast<std::uint16_t>(low[i]);
        sums[32 + r + i] = static_cast<std::uint16_t>(high[i]);
      }
    }
  }
}

void scan8(const std::uint8_t* HWY_RESTRICT blocks,
           std::size_t block_count,
           std::size_t codes,
           const std::uint8_t* HWY_RESTRICT tables,
           std::uint16_t* HWY_RESTRICT sums) {
#if HWY_TARGET == HWY_AVX3
  if (adc_detail::has_vbmi()) return adc_detail::scan8_vbmi(blocks, block_count, codes, tables, sums);
#endif
  scan8_loads(blocks, block_count, codes, tables, sums);
}

// Adds the parts of 128 bits of one vector, which hold the same rows for different codes.
HWY_INLINE void store_folded(Words sums, std::uint16_t* HWY_RESTRICT to) {
  HWY_ALIGN std::uint16_t parts[kVector / 2];
  hn::Store(sums, kWords, parts);
  constexpr hn::CappedTag<std::uint16_t, 8> kEight;
  auto total = hn::Load(kEight, parts);
  for (std::size_t p = 8; p < kVector / 2; p += 8) total = hn::Add(total, hn::Load(kEight, parts + p));
  hn::StoreU(total, kEight, to);
}

void scan4(const std::uint8_t* HWY_RESTRICT blocks,
           std::size_t block_count,
           std::size_t codes,
           const std::uint8_t* HWY_RESTRICT tables,
           std::uint16_t* HWY_RESTRICT sums) {
  const Bytes nibble = hn::Set(kBytes, 15);
  const std::size_t block_bytes = adc4_block_bytes(codes);
  for (std::size_t b = 0; b < block_count; ++b, blocks += block_bytes, sums += kAdc4Rows) {
    PairSums low{hn::Zero(kWords), hn::Zero(kWords)}, high = low;
    for (std::size_t i = 0; i < block_bytes; i += kVector) {
      hwy::Prefetch(blocks + i + kAhead);
      const Bytes code = hn::LoadU(kBytes, blocks + i);
      const Bytes table = hn::LoadU(kBytes, tables + i);
      low.add(hn::TableLookupBytes(table, hn::And(code, nibble)));
      const Bytes upper = hn::And(hn::BitCast(kBytes, hn::ShiftRight<4>(hn::BitCast(kWords, code))), nibble);
      high.add(hn::TableLookupBytes(table, upper));
    }
    store_folded(low.even(), sums);
    store_folded(low.odd(), sums + 8);
    store_folded(high.even(), sums + 16);
    store_folded(high.odd(), sums + 24);
  }
}

std::size_t select_words(const std::uint16_t* HWY_RESTRICT sums,
                         std::size_t count,
                         std::uint16_t least,
                         std::uint32_t* HWY_RESTRICT found) {
  constexpr std::size_t kStep = kVector / 2;
  const Words bound = hn::Set(kWords, least);
  std::size_t total = 0, i = 0;
  for (; i + kStep <= count; i += kStep) {
    const auto reached = hn::Eq(hn::Max(hn::LoadU(kWords, sums + i), bound), hn::LoadU(kWords, sums + i));
    if (HWY_LIKELY(hn::AllFalse(kWords, reached))) continue;
    std::uint8_t packed[8] = {};
    hn::StoreMaskBits(kWords, reached, packed);
    std::uint64_t bits = 0;
    std::memcpy(&bits, packed, sizeof bits);
    for (; bits != 0; bits &= bits - 1) {
      found[total++] = static_cast<std::uint32_t>(i) + static_cast<std::uint32_t>(__builtin_ctzll(bits));
    }
  }
  for (; i < count; ++i) {
    if (sums[i] >= least) found[total++] = static_cast<std::uint32_t>(i);
  }
  return total;
}

std::int32_t dot_bytes(const std::int8_t* HWY_RESTRICT a,
                       const std::int8_t* HWY_RESTRICT b,
                       std::size_t count) {
  constexpr hn::CappedTag<std::int16_t, 32> kShort;
  constexpr hn::Rebind<std::int8_t, decltype(kShort)> kHalf;
  constexpr hn::Repartition<std::int32_t, decltype(kShort)> kInt;
  auto sum = hn::Zero(kInt), odd = hn::Zero(kInt);
  std::size_t i = 0;
  for (; i + hn::Lanes(kShort) <= count; i += hn::Lanes(kShort)) {
    const auto x = hn::PromoteTo(kShort, hn::LoadU(kHalf, a + i));
    const auto y = hn::PromoteTo(kShort, hn::LoadU(kHalf, b + i));
    sum = hn::ReorderWidenMulAccumulate(kInt, x, y, sum, odd);
  }
  std::int32_t total = hn::GetLane(hn::SumOfLanes(kInt, hn::Add(sum, odd)));
  for (; i < count; ++i) total += std::int32_t{a[i]} * b[i];
  return total;
}

#endif  // HWY_TARGET == HWY_SCALAR

const char* adc_target_name() {
#if HWY_TARGET == HWY_AVX3
  if (adc_detail::has_vbmi()) return "AVX3+VBMI";
#endif
  return hwy::TargetName(HWY_TARGET);
}

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {
namespace {
HWY_EXPORT(scan8);
HWY_EXPORT(scan4);
HWY_EXPORT(select_words);
HWY_EXPORT(dot_bytes);
HWY_EXPORT(adc_target_name);
}  // namespace

void adc_scan8(const std::uint8_t* blocks,
               std::size_t block_count,
               std::size_t codes,
               const std::uint8_t* tables,
               std::uint16_t* sums) {
  HWY_DYNAMIC_DISPATCH(scan8)(blocks, block_count, codes, tables, sums);
}

void adc_scan8_plain(const std::uint8_t* blocks,
                     std::size_t block_count,
                     std::size_t codes,
                     const std::uint8_t* tables,
                     std::uint16_t* sums) {
  for (std::size_t row = 0; row < block_count * kAdc8Rows; ++row) {
    const std::uint8_t* block = blocks + row / kAdc8Rows * adc8_block_bytes(codes);
    unsigned sum = 0;
    for (std::size_t m = 0; m < codes; ++m) {
      sum += tables[256 * m + block[m * kAdc8Rows + adc8_position(row % kAdc8Rows)]];
    }
    sums[row] = static_cast<std::uint16_t>(sum);
  }
}

void adc_scan4(const std::uint8_t* blocks,
               std::size_t block_count,
               std::size_t codes,
               const std::uint8_t* tables,
               std::uint16_t* sums) {
  HWY_DYNAMIC_DISPATCH(scan4)(blocks, block_count, codes, tables, sums);
}

void adc_scan4_plain(const std::uint8_t* blocks,
                     std::size_t block_count,
                     std::size_t codes,
                     const std::uint8_t* tables,
                     std::uint16_t* sums) {
  for (std::size_t row = 0; row < block_count * kAdc4Rows; ++row) {
    const std::uint8_t* block = blocks + row / kAdc4Rows * adc4_block_bytes(codes);
    const std::size_t r = row % kAdc4Rows;
    unsigned sum = 0;
    for (std::size_t m = 0; m < codes; ++m) {
      const unsigned byte = block[16 * m + adc4_byte(r)];
      sum += tables[16 * m + (r < 16 ? byte & 15 : byte >> 4)];
    }
    sums[row] = static_cast<std::uint16_t>(sum);
  }
}

std::size_t select_at_least(std::span<const std::uint16_t> sums, std::uint16_t least, std::uint32_t* found) {
  return HWY_DYNAMIC_DISPATCH(select_words)(sums.data(), sums.size(), least, found);
}

std::int32_t dot_int8(const std::int8_t* a, const std::int8_t* b, std::size_t count) {
  return HWY_DYNAMIC_DISPATCH(dot_bytes)(a, b, count);
}

std::string adc_target() {
  return HWY_DYNAMIC_DISPATCH(adc_target_name)();
}

}  // namespace tenfold::kernels
#endif
