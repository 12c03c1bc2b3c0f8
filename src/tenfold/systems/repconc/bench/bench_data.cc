// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/bench/bench_data.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

#include "tenfold/base/random.h"
#include "tenfold/base/threads.h"

namespace tenfold::repconc {
namespace {

constexpr std::uint64_t kSeed = 1;
constexpr std::size_t kGroups = 500, kDirections = 24, kVocabulary = 50000;

float spread(random::Generator& generator) {
  return static_cast<float>(generator.uniform() + generator.uniform() + generator.uniform() - 1.5);
}

}  // namespace

AlignedVector<float> noise(std::size_t count, std::uint64_t stream) {
  random::Generator generator(kSeed, stream);
  AlignedVector<float> values(count);
  for (float& value : values) value = spread(generator);
  return values;
}

AlignedVector<std::uint8_t> noise_bytes(std::size_t count, std::uint64_t stream) {
  random::Generator generator(kSeed, stream);
  AlignedVector<std::uint8_t> values(count);
  for (auto& value : values) value = static_cast<std::uint8_t>(generator.next_u32());
  return values;
}

AlignedVector<float> grouped_vectors(std::size_t rows, std::size_t dimension, std::uint64_t stream) {
  const auto directions = noise(kDirections * dimension, 1001), centers = noise(kGroups * kDirections, 1002);
  AlignedVector<float> values(rows * dimension);
  parallel_for(rows, 4096, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      random::Generator generator(kSeed, stream, i * 4 * (dimension + kDirections + 1) * 2);
      const float* center = &centers[generator.below(kGroups) * kDirections];
      float* row = &values[i * dimension];
      for (std::size_t j = 0; j < dimension; ++j) row[j] = 0.3f * spread(generator);
      for (std::size_t f = 0; f < kDirections; ++f) {
        const float factor = center[f] + 0.7f * spread(generator);
        for (std::size_t j = 0; j < dimension; ++j) row[j] += factor * directions[f * dimension + j];
      }
      float square = 0;
      for (std::size_t j = 0; j < dimension; ++j) square += row[j] * row[j];
      for (std::size_t j = 0; j < dimension; ++j) row[j] /= std::sqrt(square);
    }
  });
  return values;
}

search::ProductQuantizer noise_quantizer(std::size_t dimension, std::size_t blocks, std::size_t bits) {
  const auto values = noise(dimension << bits, 1003);
  return search::ProductQuantizer(
      {.dimension = dimension, .blocks = blocks, .bits = bits, .centroids = {values.begin(), values.end()}});
}

Texts numbered_texts(std::size_t documents, std::size_t words, std::size_t queries) {
  random::Generator generator(kSeed, 1004);
  // The rank of a word: P(rank <= r) ~ log r.
  const auto draw = [&](double least) {
    const double low = std::log(least), high = std::log(static_cast<double>(kVocabulary));
    return static_cast<std::size_t>(std::exp(low + (high - low) * generator.uniform()));
  };
  Texts texts;
  std::vector<std::size_t> last(kVocabulary + 1, 0), postings(kVocabulary + 1, 0);
  for (std::size_t i = 0; i < documents; ++i) {
    std::string text;
    for (std::size_t w = 0; w < words; ++w) {
      const std::size_t word = draw(1);
      text += fmt::format("w{} ", word);
      if (std::exchange(last[word], i + 1) != i + 1) ++postings[word];
    }
    texts.documents.push_back(std::move(text));
  }
  for (std::size_t i = 0; i < queries; ++i) {
    std::string text;
    for (std::size_t w = 0, count = 3 + generator.below(4); w < count; ++w) {
      const std::size_t word = draw(20);
      text += fmt::format("w{} ", word);
      texts.postings += postings[word];
    }
    texts.queries.push_back(std::move(text));
  }
  return texts;
}

}  // namespace tenfold::repconc
