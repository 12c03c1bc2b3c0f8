// SPDX-License-Identifier: Apache-2.0
// Philox words and signs, compiled once per instruction set and chosen at run time (Highway).
//
// A 32-bit word of Philox stands in the low half of a 64-bit lane: the multiply instruction reads low halves only, so what is
// left in the high halves never needs clearing. A lane is a block.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "tenfold/base/error.h"
#include "tenfold/kernels/signs.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/signs_simd.cc"
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // arrays of vectors
#include <hwy/foreach_target.h>                                                           // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tenfold::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

// No vector unit: the plain versions.
void words_of(const SignKey& key, std::uint64_t first, std::uint32_t* out, std::size_t count) {
  sign_words_plain(key, first, {out, count});
}
void expand(const std::uint32_t* words, float* out, std::size_t count) {
  expand_signs_plain({words, (count + 31) / 32}, {out, count});
}

#else

constexpr hn::ScalableTag<std::uint64_t> kD64;
constexpr hn::ScalableTag<std::uint32_t> kD32;
constexpr hn::ScalableTag<float> kDF;
using V64 = hn::Vec<decltype(kD64)>;
constexpr std::size_t kBlocks = HWY_LANES(std::uint64_t);  // Philox blocks a vector
constexpr std::size_t kUnroll = 2;  // vectors at once hide the latency of the multiplies

HWY_INLINE V64 multiply_low_halves(V64 a, V64 b) {
  return hn::MulEven(hn::BitCast(kD32, a), hn::BitCast(kD32, b));
}

struct Blocks {
  V64 c0[kUnroll], c1[kUnroll], c2[kUnroll], c3[kUnroll];
};

HWY_INLINE void ten_rounds(std::uint64_t seed, Blocks& b) {
  const V64 m0 = hn::Set(kD64, 0xD2511F53u);
  const V64 m1 = hn::Set(kD64, 0xCD9E8D57u);
  auto k0 = static_cast<std::uint32_t>(seed);
  auto k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const V64 low = hn::Set(kD64, k0);
    const V64 high = hn::Set(kD64, k1);
    for (std::size_t i = 0; i < kUnroll; ++i) {
      const V64 p0 = multiply_low_halves(b.c0[i], m0);
      const V64 p1 = multiply_low_halves(b.c2[i], m1);
      b.c0[i] = hn::Xor3(hn::ShiftRight<32>(p1), b.c1[i], low);
      b.c2[i] = hn::Xor3(hn::ShiftRight<32>(p0), b.c3[i], high);
      b.c1[i] = p1;
      b.c3[i] = p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
}

// kUnroll x kBlocks blocks from `first_block` on: 4 words each, in order.
HWY_INLINE void store_blocks(const SignKey& key, std::uint64_t first_block, std::uint32_t* HWY_RESTRICT out) {
  Blocks b;
  for (std::size_t i = 0; i < kUnroll; ++i) {
    b.c0[i] = hn::Add(hn::Set(kD64, first_block + i * kBlocks), hn::Iota(kD64, 0));
    b.c1[i] = hn::Set(kD64, key.vector);
    b.c2[i] = hn::Set(kD64, key.step & 0xFFFFFFFFu);
    b.c3[i] = hn::Set(kD64, key.step >> 32);
  }
  ten_rounds(key.seed, b);
  const V64 low_half = hn::Set(kD64, 0xFFFFFFFFu);
  for (std::size_t i = 0; i < kUnroll; ++i) {
    const V64 first = hn::Or(hn::And(b.c0[i], low_half), hn::ShiftLeft<32>(b.c1[i]));
    const V64 second = hn::Or(hn::And(b.c2[i], low_half), hn::ShiftLeft<32>(b.c3[i]));
    hn::StoreInterleaved2(first, second, kD64, reinterpret_cast<std::uint64_t*>(out + i * kBlocks * 4));
  }
}

void words_of(const SignKey& key, std::uint64_t first, std::uint32_t* HWY_RESTRICT out, std::size_t count) {
  constexpr std::size_t kWords = kUnroll * kBlocks * 4;
  std::size_t done = 0;
  for (; done + kWords <= count; done += kWords) store_blocks(key, (first + done) / 4, out + done);
  if (done == count) return;
  HWY_ALIGN std::uint32_t rest[kWords];
  store_blocks(key, (first + done) / 4, rest);
  std::memcpy(out + done, rest, (count - done) * sizeof(std::uint32_t));
}

// The 32 signs of one word.
HWY_INLINE void expand_word(std::uint32_t word, float* HWY_RESTRICT out) {
  constexpr std::size_t kLanes = HWY_LANES(float);
  const auto all = hn::Set(kD32, word);
  const auto one = hn::Set(kD32, 0x3F800000u);
  for (std::uint32_t bit = 0; bit < 32; bit += kLanes) {
    const auto bits = hn::Shr(all, hn::Iota(kD32, bit));
    hn::StoreU(hn::BitCast(kDF, hn::Or(hn::ShiftLeft<31>(bits), one)), kDF, out + bit);
  }
}

void expand(const std::uint32_t* HWY_RESTRICT words, float* HWY_RESTRICT out, std::size_t count) {
  for (; count >= 32; count -= 32, out += 32) expand_word(*words++, out);
  if (count == 0) return;
  HWY_ALIGN float rest[32];
  expand_word(*words, rest);
  std::memcpy(out, rest, count * sizeof(float));
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {

HWY_EXPORT(words_of);
HWY_EXPORT(expand);

void sign_words(const SignKey& key, std::uint64_t first, std::span<std::uint32_t> words) {
  check_internal(first % 4 == 0, "sign words: the first word must start a block");
  HWY_DYNAMIC_DISPATCH(words_of)(key, first, words.data(), words.size());
}

void expand_signs(std::span<const std::uint32_t> words, std::span<float> signs) {
  check_internal(signs.size() <= 32 * words.size(), "expand signs: too few words");
  HWY_DYNAMIC_DISPATCH(expand)(words.data(), signs.data(), signs.size());
}

}  // namespace tenfold::kernels
#endif  // HWY_ONCE
