// SPDX-License-Identifier: Apache-2.0
// Scans of kernels/adc_scan.h, compiled once per instruction set and chosen at run time (Highway).
#include "tenfold/kernels/adc_scan.h"

#include <algorithm>
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
           std::uint16_t* sums,
           std::ptrdiff_t /*ahead*/) {
  adc_scan8_plain(blocks, block_count, codes, tables, sums);
}

void scan4(const std::uint8_t* blocks,
           std::size_t block_count,
           std::size_t codes,
           const std::uint8_t* tables,
           std::uint16_t* sums,
           std::ptrdiff_t /*ahead*/) {
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

void mask_words(const std::uint16_t* sums, std::size_t count, std::uint16_t least, std::uint64_t* masks) {
  std::fill_n(masks, (count + 63) / 64, std::uint64_t{0});
  for (std::size_t i = 0; i < count; ++i) masks[i / 64] |= std::uint64_t{sums[i] >= least} << (i % 64);
}

TableRange table_range(const float* table, std::size_t count) {
  TableRange range{table[0], table[0]};
  for (std::size_t i = 1; i < count; ++i)
    range = {HWY_MIN(range.least, table[i]), HWY_MAX(range.largest, table[i])};
  return range;
}

void table_bytes(const float* table, std::size_t count, float least, float inverse, std::uint8_t* bytes) {
  for (std::size_t i = 0; i < count; ++i)
    bytes[i] = static_cast<std::uint8_t>(HWY_MIN(static_cast<int>((table[i] - least) * inverse), 255));
}

template <typename T>
std::size_t select_numbers(const T* scores, std::size_t count, T least, std::uint32_t* found) {
  std::size_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (scores[i] >= least) found[total++] = static_cast<std::uint32_t>(i);
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

#if HWY_MAX_BYTES >= 32
using Choice = hn::Mask<decltype(kBytes)>;

// 8-bit codes as a permute of 16 bytes takes them: bit 4 chooses between two permutes, one of which answers 0 because bit 7 of its
// index is set; bits 5 to 7 choose between their results.
struct SplitCodes {
  Bytes even, odd;
  Choice bit5, bit6, bit7;

  static HWY_INLINE Choice sign(Words x) {
    constexpr hn::RebindToSigned<decltype(kBytes)> kSigned;
    return hn::RebindMask(kBytes, hn::Lt(hn::BitCast(kSigned, x), hn::Zero(kSigned)));
  }
  HWY_INLINE void split(Bytes code) {
    const Words words = hn::BitCast(kWords, code);
    const Bytes top = hn::Set(kBytes, 0x80);
    even = hn::Or(hn::And(code, hn::Set(kBytes, 0x0F)),
                  hn::And(hn::BitCast(kBytes, hn::ShiftLeft<3>(words)), top));
    odd = hn::Xor(even, top);
    bit5 = sign(hn::ShiftLeft<2>(words));
    bit6 = sign(hn::ShiftLeft<1>(words));
    bit7 = sign(words);
  }
};

// In a table, or a part of one, of kSize bytes.
template <std::size_t kSize, std::size_t kAll>
HWY_INLINE void look_up(const SplitCodes (&codes)[kAll],
                        const std::uint8_t* HWY_RESTRICT table,
                        Bytes (&values)[kAll]) {
  if constexpr (kSize == 32) {
    const Bytes even = hn::LoadDup128(kBytes, table), odd = hn::LoadDup128(kBytes, table + 16);
    for (std::size_t i = 0; i < kAll; ++i) {
      values[i] =
          hn::Or(hn::TableLookupBytesOr0(even, codes[i].even), hn::TableLookupBytesOr0(odd, codes[i].odd));
    }
  } else {
    Bytes upper[kAll];
    look_up<kSize / 2>(codes, table, values);
    look_up<kSize / 2>(codes, table + kSize / 2, upper);
    for (std::size_t i = 0; i < kAll; ++i) {
      const Choice choice = kSize == 64 ? codes[i].bit5 : kSize == 128 ? codes[i].bit6 : codes[i].bit7;
      values[i] = hn::IfThenElse(choice, upper[i], values[i]);
    }
  }
}

// kBlocks blocks at once: a piece of a table is loaded once for all of them.
template <std::size_t kBlocks>
HWY_INLINE void scan8_blocks(const std::uint8_t* HWY_RESTRICT blocks,
                             std::size_t codes,
                             const std::uint8_t* HWY_RESTRICT tables,
                             std::uint16_t* HWY_RESTRICT sums,
                             std::ptrdiff_t ahead) {
  constexpr std::size_t kParts = kAdc8Rows / kVector, kAll = kBlocks * kParts;
  PairSums total[kAll];
  for (PairSums& pairs : total) pairs = {hn::Zero(kWords), hn::Zero(kWords)};
  for (std::size_t m = 0; m < codes; ++m) {
    SplitCodes split[kAll];
    for (std::size_t i = 0; i < kAll; ++i) {
      const std::uint8_t* from =
          blocks + i / kParts * adc8_block_bytes(codes) + m * kAdc8Rows + i % kParts * kVector;
      hwy::Prefetch(from + ahead);
      split[i].split(hn::LoadU(kBytes, from));
    }
    Bytes values[kAll];
    look_up<256>(split, tables + 256 * m, values);
    for (std::size_t i = 0; i < kAll; ++i) total[i].add(values[i]);
  }
  for (std::size_t i = 0; i < kAll; ++i) {
    std::uint16_t* to = sums + i / kParts * kAdc8Rows + i % kParts * kVector / 2;
    hn::StoreU(total[i].even(), kWords, to);
    hn::StoreU(total[i].odd(), kWords, to + 32);
  }
}

void scan8_any(const std::uint8_t* HWY_RESTRICT blocks,
               std::size_t block_count,
               std::size_t codes,
               const std::uint8_t* HWY_RESTRICT tables,
               std::uint16_t* HWY_RESTRICT sums,
               std::ptrdiff_t ahead) {
  constexpr std::size_t kBlocks = kVector == 64 ? 2 : 1;  // as many as the registers hold
  const std::size_t bytes = adc8_block_bytes(codes);
  std::size_t b = 0;
  for (; b + kBlocks <= block_count; b += kBlocks)
    scan8_blocks<kBlocks>(blocks + b * bytes, codes, tables, sums + b * kAdc8Rows, ahead);
  for (; b < block_count; ++b)
    scan8_blocks<1>(blocks + b * bytes, codes, tables, sums + b * kAdc8Rows, ahead);
}
#else
// With short vectors a load a code is as good as anything.
void scan8_any(const std::uint8_t* HWY_RESTRICT blocks,
               std::size_t block_count,
               std::size_t codes,
               const std::uint8_t* HWY_RESTRICT tables,
               std::uint16_t* HWY_RESTRICT sums,
               std::ptrdiff_t /*ahead*/) {
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
#endif

void scan8(const std::uint8_t* HWY_RESTRICT blocks,
           std::size_t block_count,
           std::size_t codes,
           const std::uint8_t* HWY_RESTRICT tables,
           std::uint16_t* HWY_RESTRICT sums,
           std::ptrdiff_t ahead) {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
  if (adc_detail::has_vbmi()) return adc_detail::scan8_vbmi(blocks, block_count, codes, tables, sums, ahead);
#endif
  scan8_any(blocks, block_count, codes, tables, sums, ahead);
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
           std::uint16_t* HWY_RESTRICT sums,
           std::ptrdiff_t ahead) {
  const Bytes nibble = hn::Set(kBytes, 15);
  const std::size_t block_bytes = adc4_block_bytes(codes);
  for (std::size_t b = 0; b < block_count; ++b, blocks += block_bytes, sums += kAdc4Rows) {
    PairSums low{hn::Zero(kWords), hn::Zero(kWords)}, high = low;
    for (std::size_t i = 0; i < block_bytes; i += kVector) {
      hwy::Prefetch(blocks + i + ahead);
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

// Places [i, ...) of the lanes that are set; how many.
template <typename D, typename Mask>
HWY_INLINE std::size_t put_places(D d, Mask set, std::size_t i, std::uint32_t* HWY_RESTRICT found) {
  std::uint8_t packed[8] = {};
  hn::StoreMaskBits(d, set, packed);
  std::uint64_t bits = 0;
  std::memcpy(&bits, packed, sizeof bits);
  std::size_t total = 0;
  for (; bits != 0; bits &= bits - 1) {
    found[total++] = static_cast<std::uint32_t>(i) + static_cast<std::uint32_t>(__builtin_ctzll(bits));
  }
  return total;
}

std::size_t select_words(const std::uint16_t* HWY_RESTRICT sums,
                         std::size_t count,
                         std::uint16_t least,
                         std::uint32_t* HWY_RESTRICT found) {
  constexpr std::size_t kStep = kVector / 2;
  const Words bound = hn::Set(kWords, least);
  std::size_t total = 0, i = 0;
  for (; i + kStep <= count; i += kStep) {
    const Words x = hn::LoadU(kWords, sums + i);
    const auto reached = hn::Eq(hn::Max(x, bound), x);
    if (HWY_LIKELY(hn::AllFalse(kWords, reached))) continue;
    total += put_places(kWords, reached, i, found + total);
  }
  for (; i < count; ++i) {
    if (sums[i] >= least) found[total++] = static_cast<std::uint32_t>(i);
  }
  return total;
}

void mask_words(const std::uint16_t* HWY_RESTRICT sums,
                std::size_t count,
                std::uint16_t least,
                std::uint64_t* HWY_RESTRICT masks) {
  constexpr std::size_t kStep = kVector / 2;
  const Words bound = hn::Set(kWords, least);
  for (std::size_t word = 0; word < (count + 63) / 64; ++word) {
    const std::size_t end = HWY_MIN(count, 64 * word + 64);
    std::uint64_t mask = 0;
    std::size_t i = 64 * word;
    for (; i + kStep <= end; i += kStep) {
      const Words x = hn::LoadU(kWords, sums + i);
      std::uint8_t packed[8] = {};
      hn::StoreMaskBits(kWords, hn::Eq(hn::Max(x, bound), x), packed);
      std::uint64_t bits = 0;
      std::memcpy(&bits, packed, sizeof bits);
      mask |= bits << (i % 64);
    }
    for (; i < end; ++i) mask |= std::uint64_t{sums[i] >= least} << (i % 64);
    masks[word] = mask;
  }
}

TableRange table_range(const float* HWY_RESTRICT table, std::size_t count) {
  constexpr hn::CappedTag<float, 16> d;
  constexpr std::size_t kStep = HWY_MIN(HWY_LANES(float), 16);
  auto least = hn::Set(d, table[0]), largest = least;
  std::size_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    least = hn::Min(least, hn::LoadU(d, table + i));
    largest = hn::Max(largest, hn::LoadU(d, table + i));
  }
  TableRange range{hn::GetLane(hn::MinOfLanes(d, least)), hn::GetLane(hn::MaxOfLanes(d, largest))};
  for (; i < count; ++i) range = {HWY_MIN(range.least, table[i]), HWY_MAX(range.largest, table[i])};
  return range;
}

void table_bytes(const float* HWY_RESTRICT table,
                 std::size_t count,
                 float least,
                 float inverse,
                 std::uint8_t* HWY_RESTRICT bytes) {
  constexpr hn::CappedTag<float, 16> d;
  constexpr std::size_t kStep = HWY_MIN(HWY_LANES(float), 16);
  constexpr hn::RebindToSigned<decltype(d)> kInt;
  constexpr hn::Rebind<std::uint8_t, decltype(d)> kByte;
  const auto origin = hn::Set(d, least), factor = hn::Set(d, inverse);
  std::size_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    const auto place = hn::Mul(hn::Sub(hn::LoadU(d, table + i), origin), factor);
    hn::StoreU(hn::DemoteTo(kByte, hn::ConvertTo(kInt, place)), kByte, bytes + i);  // saturates
  }
  for (; i < count; ++i) {
    const float difference = table[i] - least;  // rounded by itself, as above
    bytes[i] = static_cast<std::uint8_t>(HWY_MIN(static_cast<int>(difference * inverse), 255));
  }
}

template <typename T>
std::size_t select_numbers(const T* HWY_RESTRICT scores,
                           std::size_t count,
                           T least,
                           std::uint32_t* HWY_RESTRICT found) {
  constexpr hn::CappedTag<T, 64 / sizeof(T)> d;
  constexpr std::size_t kStep = HWY_MIN(HWY_LANES(T), 64 / sizeof(T));
  const auto bound = hn::Set(d, least);
  std::size_t total = 0, i = 0;
  for (; i + kStep <= count; i += kStep) {
    const auto reached = hn::Ge(hn::LoadU(d, scores + i), bound);
    if (HWY_LIKELY(hn::AllFalse(d, reached))) continue;
    total += put_places(d, reached, i, found + total);
  }
  for (; i < count; ++i) {
    if (scores[i] >= least) found[total++] = static_cast<std::uint32_t>(i);
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

std::size_t select_scores(const float* scores, std::size_t count, float least, std::uint32_t* found) {
  return select_numbers(scores, count, least, found);
}

std::size_t select_doubles(const double* scores, std::size_t count, double least, std::uint32_t* found) {
  return select_numbers(scores, count, least, found);
}

const char* adc_target_name() {
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
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
HWY_EXPORT(select_scores);
HWY_EXPORT(select_doubles);
HWY_EXPORT(table_range);
HWY_EXPORT(mask_words);
HWY_EXPORT(table_bytes);
HWY_EXPORT(dot_bytes);
HWY_EXPORT(adc_target_name);

// From each code to what is fetched while it is looked up.
std::ptrdiff_t distance(const std::uint8_t* blocks, const std::uint8_t* ahead) {
  constexpr std::ptrdiff_t kAhead = 4096;
  if (ahead == nullptr) return kAhead;
  return static_cast<std::ptrdiff_t>(reinterpret_cast<std::uintptr_t>(ahead) -
                                     reinterpret_cast<std::uintptr_t>(blocks));
}
}  // namespace

void adc_scan8(const std::uint8_t* blocks,
               std::size_t block_count,
               std::size_t codes,
               const std::uint8_t* tables,
               std::uint16_t* sums,
               const std::uint8_t* ahead) {
  HWY_DYNAMIC_DISPATCH(scan8)(blocks, block_count, codes, tables, sums, distance(blocks, ahead));
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
               std::uint16_t* sums,
               const std::uint8_t* ahead) {
  HWY_DYNAMIC_DISPATCH(scan4)(blocks, block_count, codes, tables, sums, distance(blocks, ahead));
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

void mask_at_least(std::span<const std::uint16_t> sums, std::uint16_t least, std::uint64_t* masks) {
  HWY_DYNAMIC_DISPATCH(mask_words)(sums.data(), sums.size(), least, masks);
}

TableRange range_of_table(std::span<const float> table) {
  return HWY_DYNAMIC_DISPATCH(table_range)(table.data(), table.size());
}

void bytes_of_table(std::span<const float> table, float least, float inverse, std::uint8_t* bytes) {
  HWY_DYNAMIC_DISPATCH(table_bytes)(table.data(), table.size(), least, inverse, bytes);
}

std::size_t select_at_least(std::span<const float> scores, float least, std::uint32_t* found) {
  return HWY_DYNAMIC_DISPATCH(select_scores)(scores.data(), scores.size(), least, found);
}

std::size_t select_at_least(std::span<const double> scores, double least, std::uint32_t* found) {
  return HWY_DYNAMIC_DISPATCH(select_doubles)(scores.data(), scores.size(), least, found);
}

std::int32_t dot_int8(const std::int8_t* a, const std::int8_t* b, std::size_t count) {
  return HWY_DYNAMIC_DISPATCH(dot_bytes)(a, b, count);
}

std::string adc_target() {
  return HWY_DYNAMIC_DISPATCH(adc_target_name)();
}

}  // namespace tenfold::kernels
#endif
