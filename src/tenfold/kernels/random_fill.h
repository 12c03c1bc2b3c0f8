// SPDX-License-Identifier: Apache-2.0
// Fills arrays with random signs, standard normals and dropout masks from counters: the inner loops of random directions and of dropout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tenfold::kernels {

// Names an endless sequence of 32-bit words: word w is the w-th of random::Generator(seed, stream) (base/random.h).
struct RandomStream {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;
};

// out[i] = +1 or -1: entry e = first + i is -1 when bit e mod 32 of word e / 32 is set. The same bits for any vector width.
void fill_signs(RandomStream stream, std::uint64_t first, std::span<float> out);

// out[i] = entry e = first + i of a sequence of independent standard normals (Box and Muller 1958). Words 2k and 2k + 1 give
// entries 2k and 2k + 1: radius sqrt(-2 ln u) with u = (w / 2 + 0.5) / 2^31, times the sine and cosine of an angle pi t with
// t = (signed) w' / 2^31. |value| <= 6.7. The same bits however the entries are split over calls; instruction sets with and
// without fused multiply-add may differ in the last bits.
void fill_normals(RandomStream stream, std::uint64_t first, std::span<float> out);

// Of 65536 entries `kept` are `value` in the mean, the others 0: out[i] = value where the 16-bit number of entry e = first + i is below
// `kept`, which is the half e mod 2 (0: the low one) of word e / 2. kept <= 65536. The same bits for any vector width.
struct KeepRule {
  std::uint32_t kept = 65536;
  float value = 1.0f;
};
void fill_kept(RandomStream stream, std::uint64_t first, KeepRule rule, std::span<float> out);

// The same in plain C++ (normals in double, then rounded): the oracle of the tests.
void fill_signs_plain(RandomStream stream, std::uint64_t first, std::span<float> out);
void fill_normals_plain(RandomStream stream, std::uint64_t first, std::span<float> out);
void fill_kept_plain(RandomStream stream, std::uint64_t first, KeepRule rule, std::span<float> out);

}  // namespace tenfold::kernels
