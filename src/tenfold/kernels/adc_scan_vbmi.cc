// SPDX-License-Identifier: Apache-2.0
#include "tenfold/kernels/adc_scan_vbmi.h"

#include "tenfold/base/error.h"
#include "tenfold/kernels/adc_scan.h"

#if defined(__x86_64__)
#include <hwy/highway.h>
#include <immintrin.h>

HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512vl,avx512vbmi")
namespace tenfold::kernels::adc_detail {
namespace {

// 64 look-ups in a table of 256 bytes: two permutes of 128 bytes each, chosen by the highest bit of the code.
HWY_INLINE __m512i look_up(__m512i codes, const __m512i (&table)[4]) {
  const __m512i low = _mm512_permutex2var_epi8(table[0], codes, table[1]);
  const __m512i high = _mm512_permutex2var_epi8(table[2], codes, table[3]);
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high);
}

// kBlocks blocks at once: the four registers of a table serve all of them. Pairs of bytes are added as one number; the carries out of the
// low byte are known in the end: low = both - (high << 8).
template <std::size_t kBlocks>
HWY_INLINE void scan_blocks(const std::uint8_t* HWY_RESTRICT from,
                            std::size_t codes,
                            const std::uint8_t* HWY_RESTRICT tables,
                            std::uint16_t* HWY_RESTRICT sums,
                            std::ptrdiff_t ahead) {
  __m512i both[kBlocks], high[kBlocks];
  for (std::size_t b = 0; b < kBlocks; ++b) both[b] = high[b] = _mm512_setzero_si512();
  for (std::size_t m = 0; m < codes; ++m) {
    __m512i table[4];
    for (std::size_t i = 0; i < 4; ++i) table[i] = _mm512_loadu_si512(tables + 256 * m + 64 * i);
    for (std::size_t b = 0; b < kBlocks; ++b) {
      const std::uint8_t* HWY_RESTRICT code = from + b * adc8_block_bytes(codes) + m * kAdc8Rows;
      __builtin_prefetch(code + ahead);
      const __m512i pairs = look_up(_mm512_loadu_si512(code), table);
      both[b] = _mm512_add_epi16(both[b], pairs);
      high[b] = _mm512_add_epi16(high[b], _mm512_srli_epi16(pairs, 8));
    }
  }
  for (std::size_t b = 0; b < kBlocks; ++b) {
    _mm512_storeu_si512(sums + b * kAdc8Rows, _mm512_sub_epi16(both[b], _mm512_slli_epi16(high[b], 8)));
    _mm512_storeu_si512(sums + b * kAdc8Rows + 32, high[b]);
  }
}

}  // namespace

void scan8_vbmi(const std::uint8_t* blocks,
                std::size_t block_count,
                std::size_t codes,
                const std::uint8_t* tables,
                std::uint16_t* sums,
                std::ptrdiff_t ahead) {
  constexpr std::size_t kBlocks = 4;
  const std::size_t bytes = adc8_block_bytes(codes);
  std::size_t b = 0;
  for (; b + kBlocks <= block_count; b += kBlocks) {
    scan_blocks<kBlocks>(blocks + b * bytes, codes, tables, sums + b * kAdc8Rows, ahead);
  }
  for (; b + 2 <= block_count; b += 2)
    scan_blocks<2>(blocks + b * bytes, codes, tables, sums + b * kAdc8Rows, ahead);
  for (; b < block_count; ++b) scan_blocks<1>(blocks + b * bytes, codes, tables, sums + b * kAdc8Rows, ahead);
}

}  // namespace tenfold::kernels::adc_detail
HWY_POP_ATTRIBUTES

namespace tenfold::kernels::adc_detail {

namespace {
bool vbmi_is_hidden = false;
}  // namespace

bool has_vbmi() {
  static const bool has = __builtin_cpu_supports("avx512vbmi") != 0;
  return has && !vbmi_is_hidden;
}

void hide_vbmi(bool hidden) {
  vbmi_is_hidden = hidden;
}

}  // namespace tenfold::kernels::adc_detail
#else
namespace tenfold::kernels::adc_detail {

bool has_vbmi() {
  return false;
}

void hide_vbmi(bool) {}

void scan8_vbmi(
    const std::uint8_t*, std::size_t, std::size_t, const std::uint8_t*, std::uint16_t*, std::ptrdiff_t) {
  check_internal(false, "this processor has no AVX-512 VBMI");
}

}  // namespace tenfold::kernels::adc_detail
#endif
