// SPDX-License-Identifier: Apache-2.0
#include "tenfold/base/random.h"

#include <cmath>
#include <numbers>
#include <utility>

namespace tenfold::random {
namespace {

// Multipliers and Weyl constants of Salmon et al. 2011, section 4.3.
constexpr std::uint32_t kMultiplier0 = 0xD2511F53u;
constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57u;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9u;
constexpr std::uint32_t kWeyl1 = 0xBB67AE85u;
constexpr int kRounds = 10;

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t product0 = std::uint64_t{kMultiplier0} * counter[0];
    const std::uint64_t product1 = std::uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<std::uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

Generator::Generator(std::uint64_t seed, std::uint64_t stream, std::uint64_t index)
    : seed_(seed), stream_(stream), index_(index) {}

std::uint32_t Generator::next_u32() {
  const std::uint64_t block = index_ / 4;
  if (block != block_) {
    words_ = philox4x32({static_cast<std::uint32_t>(block),
                         static_cast<std::uint32_t>(block >> 32),
                         static_cast<std::uint32_t>(stream_),
                         static_cast<std::uint32_t>(stream_ >> 32)},
                        {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
    block_ = block;
  }
  return words_[index_++ % 4];
}

std::uint64_t Generator::next_u64() {
  const std::uint64_t low = next_u32();
  return low | (std::uint64_t{next_u32()} << 32);
}

double Generator::uniform() {
  return static_cast<double>(next_u64() >> 11) * 0x1.0p-53;
}

// Lemire, "Fast random integer generation in an interval", 2019: rejects the few words that would bias.
std::uint32_t Generator::below(std::uint32_t bound) {
  std::uint64_t product = std::uint64_t{next_u32()} * bound;
  if (static_cast<std::uint32_t>(product) < bound) {
    const std::uint32_t threshold = (0u - bound) % bound;
    while (static_cast<std::uint32_t>(product) < threshold) product = std::uint64_t{next_u32()} * bound;
  }
  return static_cast<std::uint32_t>(product >> 32);
}

double Generator::normal() {
  // One value of each Box-Muller pair: the state stays a single index, so seek() needs no remembered second
  // value.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

void Generator::seek(std::uint64_t index) {
  index_ = index;
}

void permutation(std::uint64_t seed, std::uint64_t stream, std::span<std::uint32_t> values) {
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint32_t>(i);
  Generator generator(seed, stream);
  for (std::size_t i = values.size(); i > 1; --i) {
    std::swap(values[i - 1], values[generator.below(static_cast<std::uint32_t>(i))]);
  }
}

}  // namespace tenfold::random
