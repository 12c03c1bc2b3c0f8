// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011). A number is a pure function of (seed, stream, index), so results do not depend on thread count
// and nothing but the three numbers needs saving.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tenfold::random {

// One Philox4x32-10 block: 128 random bits from a 128-bit counter and a 64-bit key.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

// A sequence addressed by index: key = seed, counter = (block, stream). Cheap to copy; not shared between
// threads. Draws come in order from `index` 0; seek() jumps in O(1).
class Generator {
 public:
  using result_type = std::uint32_t;  // satisfies std::uniform_random_bit_generator

  Generator(std::uint64_t seed, std::uint64_t stream, std::uint64_t index = 0);

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xFFFFFFFFu; }
  result_type operator()() { return next_u32(); }

  std::uint32_t next_u32();
  std::uint64_t next_u64();
  double uniform();                          // [0, 1), 53 bits
  std::uint32_t below(std::uint32_t bound);  // unbiased integer in [0, bound); bound >= 1
  double normal();                           // standard normal, Box-Muller, two words pairs a number
  void seek(std::uint64_t index);            // index counts 32-bit words
  std::uint64_t index() const { return index_; }

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t index_;
  std::uint64_t block_ = ~std::uint64_t{0};
  std::array<std::uint32_t, 4> words_{};
};

// Fisher-Yates permutation of 0..values.size()-1, a pure function of (seed, stream).
void permutation(std::uint64_t seed, std::uint64_t stream, std::span<std::uint32_t> values);

}  // namespace tenfold::random
