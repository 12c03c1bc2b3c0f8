// SPDX-License-Identifier: Apache-2.0
// Plain versions of kernels/signs.h, and what is built on the fast ones.
#include "tenfold/kernels/signs.h"

#include <algorithm>
#include <array>

#include "tenfold/base/random.h"

namespace tenfold::kernels {

void fill_signs(const SignKey& key, std::span<float> signs) {
  constexpr std::size_t kWords = 256;
  std::array<std::uint32_t, kWords> words;
  for (std::size_t done = 0; done < signs.size(); done += kWords * 32) {
    const std::span<float> part = signs.subspan(done, std::min(kWords * 32, signs.size() - done));
    const std::span<std::uint32_t> used = std::span(words).first((part.size() + 31) / 32);
    sign_words(key, done / 32, used);
    expand_signs(used, part);
  }
}

void sign_words_plain(const SignKey& key, std::uint64_t first, std::span<std::uint32_t> words) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::uint64_t index = first + i;
    words[i] = random::philox4x32(
        {static_cast<std::uint32_t>(index / 4),
         key.vector,
         static_cast<std::uint32_t>(key.step),
         static_cast<std::uint32_t>(key.step >> 32)},
        {static_cast<std::uint32_t>(key.seed), static_cast<std::uint32_t>(key.seed >> 32)})[index % 4];
  }
}

void expand_signs_plain(std::span<const std::uint32_t> words, std::span<float> signs) {
  for (std::size_t i = 0; i < signs.size(); ++i) {
    signs[i] = (words[i / 32] >> (i % 32)) & 1u ? -1.0f : 1.0f;
  }
}

}  // namespace tenfold::kernels
