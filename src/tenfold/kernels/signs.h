// SPDX-License-Identifier: Apache-2.0
// Random signs from counters: directions of forward gradients that are never stored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tenfold::kernels {

// Names a sequence of signs. Word j of it is word j mod 4 of the Philox4x32-10 block with key = seed (low word first) and
// counter = (j / 4, vector, step low, step high). Sign i is -1 where bit i mod 32 of word i / 32 is set, else +1.
struct SignKey {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
  std::uint32_t vector = 0;  // which vector or matrix of the step
};

// Words [first, first + words.size()) of the sequence; `first` is a multiple of 4 and all words lie below 2^34. Run-time
// dispatch (Highway).
void sign_words(const SignKey& key, std::uint64_t first, std::span<std::uint32_t> words);

// Signs of the words as floats: signs.size() <= 32 words.size().
void expand_signs(std::span<const std::uint32_t> words, std::span<float> signs);

// The first signs.size() signs of the sequence.
void fill_signs(const SignKey& key, std::span<float> signs);

// The same in plain C++: the oracles of the tests.
void sign_words_plain(const SignKey& key, std::uint64_t first, std::span<std::uint32_t> words);
void expand_signs_plain(std::span<const std::uint32_t> words, std::span<float> signs);

}  // namespace tenfold::kernels
