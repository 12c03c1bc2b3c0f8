// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/query_generator.h"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

namespace tenfold::dsi {

QueryGenerator::QueryGenerator(std::span<const Pair> pairs, std::vector<std::uint32_t> frequencies)
    : frequencies_(std::move(frequencies)) {
  std::array<double, kClasses> seen{}, taken{};
  for (const Pair& pair : pairs) {
    const std::set<std::int64_t> query(pair.query.begin(), pair.query.end());
    const std::set<std::int64_t> document(pair.document.begin(), pair.document.end());
    for (const std::int64_t word : document) {
      seen[class_of(word)] += 1.0;
      taken[class_of(word)] += query.contains(word) ? 1.0 : 0.0;
    }
    for (const std::int64_t word : pair.query)
      if (!document.contains(word)) other_.push_back(word);
  }
  for (std::size_t i = 0; i < kClasses; ++i) taken_[i] = (taken[i] + 0.3) / (seen[i] + 1.0);
  if (!pairs.empty()) added_ = static_cast<double>(other_.size()) / static_cast<double>(pairs.size());
}

std::size_t QueryGenerator::class_of(std::int64_t token) const {
  const std::uint32_t count = frequencies_[static_cast<std::size_t>(token)];
  return std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(count)), kClasses - 1);
}

std::size_t QueryGenerator::put(std::span<const std::int64_t> document,
                                random::Generator& draws,
                                std::span<std::int64_t> out) const {
  std::size_t used = 0;
  // Between 0 and twice the mean, so that lengths vary; the mean stays.
  const auto most = static_cast<std::uint32_t>(2.0 * added_ + 0.5);
  const std::uint32_t added = other_.empty() ? 0 : draws.below(most + 1);
  for (std::uint32_t i = 0; i < added && used + 1 < out.size(); ++i)
    out[used++] = other_[draws.below(static_cast<std::uint32_t>(other_.size()))];
  const std::size_t before = used;
  for (const std::int64_t word : document)
    if (used < out.size() && draws.uniform() < taken(word)) out[used++] = word;
  if (used == before && !document.empty())
    out[used++] = document[draws.below(static_cast<std::uint32_t>(document.size()))];
  return used;
}

std::vector<std::uint32_t> document_frequencies(const retrieval::TokenLists& documents,
                                                std::size_t vocabulary) {
  std::vector<std::uint32_t> counts(vocabulary, 0);
  for (std::size_t i = 0; i < documents.size(); ++i)
    for (const std::int64_t token : std::set<std::int64_t>(documents[i].begin(), documents[i].end()))
      ++counts[static_cast<std::size_t>(token)];
  return counts;
}

}  // namespace tenfold::dsi
