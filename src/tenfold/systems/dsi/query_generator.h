// SPDX-License-Identifier: Apache-2.0
// A generator of queries for documents, learned from labelled pairs: which words of a document a query takes over, and which other words it
// adds. Far simpler than the sequence-to-sequence generator of DSI-QG (Zhuang et al., arXiv 2206.10128), but it needs no pre-trained weights
// and costs nothing: queries are drawn anew each epoch.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tenfold/base/random.h"
#include "tenfold/systems/retrieval/runtime/token_lists.h"

namespace tenfold::dsi {

class QueryGenerator {
 public:
  struct Pair {
    std::span<const std::int64_t> query, document;
  };
  // frequencies: documents of each token, which decide the class of a word (16 classes by the logarithm). Probabilities are smoothed by one
  // pair of each kind. Without pairs a word is taken with probability 0.3 and none is added.
  QueryGenerator(std::span<const Pair> pairs, std::vector<std::uint32_t> frequencies);

  // A query for a document, in the order of its words, the added ones first; the number of tokens. At least one word of the document.
  std::size_t put(std::span<const std::int64_t> document,
                  random::Generator& draws,
                  std::span<std::int64_t> out) const;

  double taken(std::int64_t token) const { return taken_[class_of(token)]; }  // probability
  double added_words() const { return added_; }                               // mean of a query

 private:
  static constexpr std::size_t kClasses = 16;
  std::size_t class_of(std::int64_t token) const;

  std::vector<std::uint32_t> frequencies_;
  std::array<double, kClasses> taken_{};
  double added_ = 0.0;
  std::vector<std::int64_t> other_;  // words that queries add, as often as they do
};

// Documents of each token.
std::vector<std::uint32_t> document_frequencies(const retrieval::TokenLists& documents,
                                                std::size_t vocabulary);

}  // namespace tenfold::dsi
