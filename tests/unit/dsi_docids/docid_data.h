// SPDX-License-Identifier: Apache-2.0
// Made-up documents: vectors around the corners of a nested grid, titles of a few words.
#pragma once

#include <string>
#include <vector>

#include "tenfold/base/random.h"
#include "tenfold/systems/dsi/docids/docid_scheme.h"

namespace tenfold::dsi {

inline constexpr std::size_t kWidth = 12;

// Eight groups of eight groups: the parts of a vector say which, with noise.
inline std::vector<float> grouped_vectors(std::size_t count, std::uint64_t seed = 1) {
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) {
    random::Generator draws(seed, i);
    const std::uint32_t group = draws.below(64);
    for (std::size_t j = 0; j < kWidth; ++j) {
      const double corner = j < 3   ? (group >> j & 1u) * 8.0 - 4.0
                            : j < 6 ? (group >> j & 1u) * 2.0 - 1.0
                                    : 0.0;
      values.push_back(static_cast<float>(corner + 0.2 * draws.normal()));
    }
  }
  return values;
}

inline std::vector<std::string> made_up_titles(std::size_t count) {
  const std::vector<std::string> words = {"red", "green", "blue", "old", "new", "house", "river", "10"};
  std::vector<std::string> titles;
  for (std::size_t i = 0; i < count; ++i) {
    random::Generator draws(9, i);
    std::string title;
    for (std::uint32_t n = draws.below(4); n > 0; --n) title += words[draws.below(8)] + " ";
    titles.push_back(title);
  }
  return titles;
}

// Keeps what a DocidDocuments looks at.
struct MadeUp {
  explicit MadeUp(std::vector<float> values, std::size_t width = kWidth)
      : vectors(std::move(values)), titles(made_up_titles(vectors.size() / width)), dimension(width) {}

  DocidDocuments documents() const {
    return {.count = titles.size(), .titles = titles, .embeddings = search::as_vectors(vectors, dimension)};
  }

  std::vector<float> vectors;
  std::vector<std::string> titles;
  std::size_t dimension;
};

inline std::vector<std::string> texts_of(const DocidScheme& scheme, const Docids& docids) {
  std::vector<std::string> texts;
  for (const auto& sequence : docids.sequences) texts.push_back(scheme.text(sequence));
  return texts;
}

}  // namespace tenfold::dsi
