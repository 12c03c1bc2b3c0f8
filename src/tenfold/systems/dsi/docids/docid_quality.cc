// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/docids/docid_quality.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tenfold/base/error.h"

namespace tenfold::dsi {
namespace {

std::vector<double> unit_vectors(const search::Vectors& rows) {
  std::vector<double> units;
  units.reserve(rows.rows * rows.dimension);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    double squares = 0;
    for (const float value : rows.row(i)) squares += static_cast<double>(value) * value;
    const double scale = squares == 0 ? 0 : 1 / std::sqrt(squares);
    for (const float value : rows.row(i)) units.push_back(value * scale);
  }
  return units;
}

bool share(std::span<const std::uint32_t> a, std::span<const std::uint32_t> b, std::size_t length) {
  return a.size() >= length && b.size() >= length &&
         std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(length), b.begin());
}

// Sum of the cosines of the pairs of a group: (|sum of units|^2 - sum of |unit|^2) / 2.
double pair_sum(std::span<const std::uint32_t> group, std::span<const double> units, std::size_t dimension) {
  std::vector<double> sum(dimension, 0.0);
  double own = 0;
  for (const std::uint32_t i : group)
    for (std::size_t j = 0; j < dimension; ++j) {
      const double value = units[i * dimension + j];
      sum[j] += value;
      own += value * value;
    }
  return (std::inner_product(sum.begin(), sum.end(), sum.begin(), 0.0) - own) / 2;
}

}  // namespace

std::vector<PrefixPurity> prefix_purity(const Docids& docids, const search::Vectors& embeddings) {
  if (embeddings.rows != docids.sequences.size())
    throw Error(ErrorClass::kData,
                "dsi.document_parts",
                {.what = "there are vectors for another number of documents",
                 .seen = fmt::format("{}", embeddings.rows),
                 .wanted = fmt::format("{}", docids.sequences.size()),
                 .remedy = "give one vector a document"});
  if (embeddings.rows < 2) return {};
  search::check_vectors(embeddings, embeddings.dimension, "documents");
  const std::vector<double> units = unit_vectors(embeddings);
  std::vector<std::span<const std::uint32_t>> prefixes;  // without end token
  for (const auto& sequence : docids.sequences)
    prefixes.emplace_back(sequence.data(),
                          std::find(sequence.begin(), sequence.end(), kEndToken) - sequence.begin());
  std::vector<std::uint32_t> order(prefixes.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const bool less = std::lexicographical_compare(
        prefixes[a].begin(), prefixes[a].end(), prefixes[b].begin(), prefixes[b].end());
    const bool more = std::lexicographical_compare(
        prefixes[b].begin(), prefixes[b].end(), prefixes[a].begin(), prefixes[a].end());
    return less || (!more && a < b);
  });
  std::vector<PrefixPurity> rows;
  for (std::size_t length = 0;; ++length) {
    PrefixPurity row{.length = length};
    double sum = 0;
    for (std::size_t begin = 0; begin < order.size();) {
      std::size_t end = begin + 1;
      while (end < order.size() && share(prefixes[order[begin]], prefixes[order[end]], length)) ++end;
      if (const std::uint64_t count = end - begin; count > 1) {
        ++row.prefixes;
        row.pairs += count * (count - 1) / 2;
        sum += pair_sum(std::span(order).subspan(begin, count), units, embeddings.dimension);
      }
      begin = end;
    }
    if (row.pairs == 0) return rows;
    row.similarity = sum / static_cast<double>(row.pairs);
    rows.push_back(row);
  }
}

}  // namespace tenfold::dsi
