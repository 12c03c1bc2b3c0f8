// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/bench/floors.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#define TENFOLD_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl")))
#endif

namespace tenfold::repconc {
namespace {

std::uint64_t read_plain(const std::byte* from, std::size_t size) {
  std::uint64_t sums[4] = {};
  for (std::size_t i = 0; i + 32 <= size; i += 32) {
    for (std::size_t j = 0; j < 4; ++j) {
      std::uint64_t word = 0;
      std::memcpy(&word, from + i + 8 * j, sizeof word);
      sums[j] += word;
    }
  }
  return sums[0] + sums[1] + sums[2] + sums[3];
}

#if defined(__x86_64__)
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0;
}

TENFOLD_AVX512 std::uint64_t read_wide(const std::byte* from, std::size_t size) {
  __m512i sums[4];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  for (std::size_t i = 0; i + 256 <= size; i += 256) {
    for (std::size_t j = 0; j < 4; ++j) {
      __builtin_prefetch(from + i + 64 * j + 4096);
      sums[j] = _mm512_add_epi64(sums[j], _mm512_loadu_si512(from + i + 64 * j));
    }
  }
  return static_cast<std::uint64_t>(_mm512_reduce_add_epi64(
      _mm512_add_epi64(_mm512_add_epi64(sums[0], sums[1]), _mm512_add_epi64(sums[2], sums[3]))));
}

TENFOLD_AVX512 float gather_wide(const std::uint8_t* codes,
                                 std::size_t rows,
                                 std::size_t blocks,
                                 const float* tables) {
  __m512 best = _mm512_set1_ps(-1e30f);
  for (std::size_t row = 0; row < rows; row += 16, codes += 16 * blocks) {
    __m512 sum = _mm512_setzero_ps();
    for (std::size_t m = 0; m < blocks; ++m) {
      const __m128i code = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + 16 * m));
      sum = _mm512_add_ps(sum, _mm512_i32gather_ps(_mm512_cvtepu8_epi32(code), tables + 256 * m, 4));
    }
    best = _mm512_max_ps(best, sum);
  }
  return _mm512_reduce_max_ps(best);
}
#endif

}  // namespace

std::uint64_t read_bytes(std::span<const std::byte> bytes) {
#if defined(__x86_64__)
  if (has_avx512()) return read_wide(bytes.data(), bytes.size());
#endif
  return read_plain(bytes.data(), bytes.size());
}

float gather_sums(const std::uint8_t* codes, std::size_t rows, std::size_t blocks, const float* tables) {
#if defined(__x86_64__)
  if (has_avx512()) return gather_wide(codes, rows, blocks, tables);
#endif
  float best = -1e30f;
  for (std::size_t row = 0; row < rows; row += 16, codes += 16 * blocks) {
    float sums[16] = {};
    for (std::size_t m = 0; m < blocks; ++m) {
      for (std::size_t i = 0; i < 16; ++i) sums[i] += tables[256 * m + codes[16 * m + i]];
    }
    best = std::max(best, *std::max_element(sums, sums + 16));
  }
  return best;
}

float load_sums(const std::uint8_t* codes, std::size_t rows, std::size_t blocks, const float* tables) {
  float best = -1e30f;
  for (std::size_t row = 0; row + 4 <= rows; row += 4, codes += 4 * blocks) {
    float sums[4] = {};
    for (std::size_t m = 0; m < blocks; ++m) {
      for (std::size_t i = 0; i < 4; ++i) sums[i] += tables[256 * m + codes[i * blocks + m]];
    }
    best = std::max({best, sums[0], sums[1], sums[2], sums[3]});
  }
  return best;
}

}  // namespace tenfold::repconc
