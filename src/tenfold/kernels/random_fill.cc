// SPDX-License-Identifier: Apache-2.0
// Random signs and normals, compiled once per instruction set and chosen at run time (Highway). Philox runs one block
// a lane.
#include "tenfold/kernels/random_fill.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "tenfold/base/random.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tenfold/kernels/random_fill.cc"
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)  // arrays of vectors
#include <hwy/foreach_target.h>                                                           // IWYU pragma: keep
#include <hwy/highway.h>
// After highway.h, once per target.
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace tenfold::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Calls whole(group, out) for runs of kGroup entries that lie inside and copies the cut ones at both ends.
template <std::size_t kGroup, typename Whole>
void for_groups(std::uint64_t first, std::size_t count, float* HWY_RESTRICT out, const Whole& whole) {
  HWY_ALIGN float cut[kGroup];
  std::size_t done = 0;
  while (done < count) {
    const std::uint64_t entry = first + done;
    const std::size_t skip = entry % kGroup;
    const std::size_t part = std::min(kGroup - skip, count - done);
    if (part == kGroup) {
      whole(entry / kGroup, out + done);
    } else {
      whole(entry / kGroup, cut);
      std::memcpy(out + done, cut + skip, part * sizeof(float));
    }
    done += part;
  }
}

#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128

void signs(RandomStream stream, std::uint64_t first, std::size_t count, float* HWY_RESTRICT out) {
  fill_signs_plain(stream, first, {out, count});
}

void normals(RandomStream stream, std::uint64_t first, std::size_t count, float* HWY_RESTRICT out) {
  fill_normals_plain(stream, first, {out, count});
}

void kept(RandomStream stream, std::uint64_t first, KeepRule rule, std::span<float> out) {
  fill_kept_plain(stream, first, rule, out);
}

#else

constexpr hn::ScalableTag<float> kF;
constexpr hn::ScalableTag<std::int32_t> kI32;
constexpr hn::ScalableTag<std::uint32_t> kU32;
constexpr hn::ScalableTag<std::uint64_t> kU64;
using VF = hn::Vec<decltype(kF)>;
using VI = hn::Vec<decltype(kI32)>;
using V32 = hn::Vec<decltype(kU32)>;
using V64 = hn::Vec<decltype(kU64)>;
constexpr std::size_t kLanes = HWY_LANES(float);

struct Words {
  V32 word[4];
};

// Philox4x32-10 of kLanes consecutive blocks: word[j] holds word j of each. A 32-bit word stands in the low half of a 64-bit
// lane, because the multiply reads low halves only.
HWY_INLINE Words philox(RandomStream stream, std::uint64_t first_block) {
  const V64 m0 = hn::Set(kU64, 0xD2511F53u);
  const V64 m1 = hn::Set(kU64, 0xCD9E8D57u);
  const auto multiply = [](V64 a, V64 b)
                            HWY_ATTR { return hn::MulEven(hn::BitCast(kU32, a), hn::BitCast(kU32, b)); };
  V64 c0[2], c1[2], c2[2], c3[2];
  for (std::size_t half = 0; half < 2; ++half) {
    const V64 block = hn::Add(hn::Set(kU64, first_block + half * (kLanes / 2)), hn::Iota(kU64, 0));
    c0[half] = block;
    c1[half] = hn::ShiftRight<32>(block);
    c2[half] = hn::Set(kU64, stream.stream);
    c3[half] = hn::Set(kU64, stream.stream >> 32);
  }
  auto k0 = static_cast<std::uint32_t>(stream.seed);
  auto k1 = static_cast<std::uint32_t>(stream.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    for (std::size_t half = 0; half < 2; ++half) {
      const V64 p0 = multiply(c0[half], m0);
      const V64 p1 = multiply(c2[half], m1);
      c0[half] = hn::Xor(hn::Xor(hn::ShiftRight<32>(p1), c1[half]), hn::Set(kU64, k0));
      c2[half] = hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), c3[half]), hn::Set(kU64, k1));
      c1[half] = p1;
      c3[half] = p0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  const auto join = [](const V64(&halves)[2]) HWY_ATTR {
    return hn::ConcatEven(kU32, hn::BitCast(kU32, halves[1]), hn::BitCast(kU32, halves[0]));
  };
  return {{join(c0), join(c1), join(c2), join(c3)}};
}

// The 32 signs of one word.
HWY_INLINE void expand_word(std::uint32_t word, float* HWY_RESTRICT out) {
  const V32 bits = hn::Set(kU32, word);
  const V32 one = hn::Set(kU32, 0x3F800000u);
  for (std::uint32_t bit = 0; bit < 32; bit += kLanes) {
    const V32 negative = hn::ShiftLeft<31>(hn::Shr(bits, hn::Iota(kU32, bit)));
    hn::StoreU(hn::BitCast(kF, hn::Or(negative, one)), kF, out + bit);
  }
}

void signs(RandomStream stream, std::uint64_t first, std::size_t count, float* HWY_RESTRICT out) {
  constexpr std::size_t kWords = 4 * kLanes;  // of kLanes blocks
  HWY_ALIGN std::uint32_t words[kWords];
  std::uint64_t group = ~std::uint64_t{0};  // whose words are there
  for_groups<32>(first, count, out, [&](std::uint64_t index, float* HWY_RESTRICT to) HWY_ATTR {
    if (index / kWords != group) {
      group = index / kWords;
      const Words next = philox(stream, group * kLanes);
      hn::StoreInterleaved4(next.word[0], next.word[1], next.word[2], next.word[3], kU32, words);
    }
    expand_word(words[index % kWords], to);
  });
}

// sin(pi t) and cos(pi t) for |t| <= 1: the nearest quarter turn is taken off exactly, Taylor's series do the rest to 1e-7.
HWY_INLINE void sine_cosine_of_pi(VF t, VF& sine, VF& cosine) {
  const VI quarter = hn::NearestInt(hn::Add(t, t));
  const VF x = hn::Mul(hn::NegMulAdd(hn::ConvertTo(kF, quarter), hn::Set(kF, 0.5f), t),
                       hn::Set(kF, std::numbers::pi_v<float>));
  const VF y = hn::Mul(x, x);
  VF s = hn::MulAdd(y, hn::Set(kF, 1.0f / 362880), hn::Set(kF, -1.0f / 5040));
  s = hn::MulAdd(s, y, hn::Set(kF, 1.0f / 120));
  s = hn::MulAdd(s, y, hn::Set(kF, -1.0f / 6));
  s = hn::MulAdd(hn::Mul(s, y), x, x);
  VF c = hn::MulAdd(y, hn::Set(kF, 1.0f / 40320), hn::Set(kF, -1.0f / 720));
  c = hn::MulAdd(c, y, hn::Set(kF, 1.0f / 24));
  c = hn::MulAdd(c, y, hn::Set(kF, -0.5f));
  c = hn::MulAdd(c, y, hn::Set(kF, 1.0f));
  const VI one = hn::Set(kI32, 1);
  const auto odd = hn::RebindMask(kF, hn::TestBit(quarter, one));
  // Bit 1 of the quarter turn, moved into the sign bit.
  const VI sine_sign = hn::And(hn::ShiftLeft<30>(quarter), hn::Set(kI32, INT32_MIN));
  const VI cosine_sign = hn::And(hn::ShiftLeft<30>(hn::Add(quarter, one)), hn::Set(kI32, INT32_MIN));
  sine = hn::Xor(hn::IfThenElse(odd, c, s), hn::BitCast(kF, sine_sign));
  cosine = hn::Xor(hn::IfThenElse(odd, s, c), hn::BitCast(kF, cosine_sign));
}

HWY_INLINE void box_muller(V32 radius_word, V32 angle_word, VF& first, VF& second) {
  const VF half_word = hn::ConvertTo(kF, hn::BitCast(kI32, hn::ShiftRight<1>(radius_word)));
  const VF u = hn::Mul(hn::Add(half_word, hn::Set(kF, 0.5f)), hn::Set(kF, 0x1p-31f));
  const VF radius = hn::Sqrt(hn::Mul(hn::Set(kF, -2.0f), hn::Log(kF, u)));
  const VF t = hn::Mul(hn::ConvertTo(kF, hn::BitCast(kI32, angle_word)), hn::Set(kF, 0x1p-31f));
  VF sine, cosine;
  sine_cosine_of_pi(t, sine, cosine);
  first = hn::Mul(radius, cosine);
  second = hn::Mul(radius, sine);
}

void normals(RandomStream stream, std::uint64_t first, std::size_t count, float* HWY_RESTRICT out) {
  for_groups<4 * kLanes>(first, count, out, [&](std::uint64_t group, float* HWY_RESTRICT to) HWY_ATTR {
    const Words words = philox(stream, group * kLanes);
    VF n0, n1, n2, n3;
    box_muller(words.word[0], words.word[1], n0, n1);
    box_muller(words.word[2], words.word[3], n2, n3);
    hn::StoreInterleaved4(n0, n1, n2, n3, kF, to);
  });
}

void kept(RandomStream stream, std::uint64_t first, KeepRule rule, std::span<float> out) {
  constexpr std::size_t kWords = 4 * kLanes;  // of kLanes blocks
  const VI limit = hn::Set(kI32, static_cast<std::int32_t>(rule.kept));
  const VF value = hn::Set(kF, rule.value);
  const auto below = [&](V32 number) HWY_ATTR {
    return hn::IfThenElseZero(hn::RebindMask(kF, hn::Lt(hn::BitCast(kI32, number), limit)), value);
  };
  const auto whole = [&](std::uint64_t group, float* HWY_RESTRICT to) HWY_ATTR {
    HWY_ALIGN std::uint32_t words[kWords];
    const Words next = philox(stream, group * kLanes);
    hn::StoreInterleaved4(next.word[0], next.word[1], next.word[2], next.word[3], kU32, words);
    for (std::size_t i = 0; i < kWords; i += kLanes) {
      const V32 pair = hn::Load(kU32, words + i);
      const VF low = below(hn::And(pair, hn::Set(kU32, 0xFFFF)));
      hn::StoreInterleaved2(low, below(hn::ShiftRight<16>(pair)), kF, to + 2 * i);
    }
  };
  for_groups<2 * kWords>(first, out.size(), out.data(), whole);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace tenfold::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tenfold::kernels {
namespace {
HWY_EXPORT(signs);
HWY_EXPORT(normals);
HWY_EXPORT(kept);
}  // namespace

void fill_signs(RandomStream stream, std::uint64_t first, std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(signs)(stream, first, out.size(), out.data());
}

void fill_normals(RandomStream stream, std::uint64_t first, std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(normals)(stream, first, out.size(), out.data());
}

void fill_kept(RandomStream stream, std::uint64_t first, KeepRule rule, std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(kept)(stream, first, rule, out);
}

void fill_signs_plain(RandomStream stream, std::uint64_t first, std::span<float> out) {
  random::Generator generator(stream.seed, stream.stream);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint64_t entry = first + i;
    generator.seek(entry / 32);
    out[i] = (generator.next_u32() >> (entry % 32) & 1u) != 0 ? -1.0f : 1.0f;
  }
}

void fill_normals_plain(RandomStream stream, std::uint64_t first, std::span<float> out) {
  random::Generator generator(stream.seed, stream.stream);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint64_t entry = first + i;
    generator.seek(entry / 2 * 2);
    const double u = (static_cast<double>(generator.next_u32() >> 1) + 0.5) * 0x1p-31;
    const double t = static_cast<double>(static_cast<std::int32_t>(generator.next_u32())) * 0x1p-31;
    const double radius = std::sqrt(-2.0 * std::log(u));
    const double angle = std::numbers::pi * t;
    out[i] = static_cast<float>(radius * (entry % 2 == 0 ? std::cos(angle) : std::sin(angle)));
  }
}

void fill_kept_plain(RandomStream stream, std::uint64_t first, KeepRule rule, std::span<float> out) {
  random::Generator generator(stream.seed, stream.stream);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::uint64_t entry = first + i;
    generator.seek(entry / 2);
    const std::uint32_t word = generator.next_u32();
    out[i] = (entry % 2 == 0 ? word & 0xFFFFu : word >> 16) < rule.kept ? rule.value : 0.0f;
  }
}

}  // namespace tenfold::kernels
#endif
