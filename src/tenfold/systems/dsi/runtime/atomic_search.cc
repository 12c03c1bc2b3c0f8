// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/dsi/runtime/atomic_search.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tenfold/kernels/transformer_ops.h"
#include "tenfold/search/top_k.h"

namespace tenfold::dsi {
namespace {

// Queries of one step: their logits are [queries, documents].
constexpr std::size_t kQueriesAtOnce = 8;

}  // namespace

std::vector<std::vector<FoundDocid>> AtomicSearch::search(std::span<const QueryMemory> queries,
                                                          std::size_t k,
                                                          const search::RowFilter& filter) {
  for (const search::Bitmap* bits : {filter.allowed, filter.removed}) {
    if (bits != nullptr && bits->size() != size()) fail_filter_size(bits->size(), size());
  }
  std::vector<std::vector<FoundDocid>> results;
  for (std::size_t first = 0; first < queries.size(); first += kQueriesAtOnce) {
    const auto part = queries.subspan(first, std::min(kQueriesAtOnce, queries.size() - first));
    session_.begin(part, part.size(), part.size());
    tokens_.assign(part.size(), decoder_.start_token());
    positions_.assign(part.size(), 0);
    queries_.resize(part.size());
    paths_.resize(part.size());
    std::iota(queries_.begin(), queries_.end(), 0);
    session_.step({tokens_, queries_, positions_, paths_, 1});
    session_.compute_logits(0, decoder_.tokens());
    for (std::size_t row = 0; row < part.size(); ++row)
      results.push_back(best_of(session_.logits(row), k, filter));
  }
  return results;
}

std::vector<FoundDocid> AtomicSearch::best_of(const float* logits,
                                              std::size_t k,
                                              const search::RowFilter& filter) const {
  const float sum = kernels::log_sum_exp(logits, size());
  if (!std::isfinite(sum)) fail_not_finite(sum);
  search::TopK best(k);
  for (std::size_t first = 0; first < size(); first += 64) {
    const std::uint64_t bits = filter.bits_from(first);
    if (bits == 0) continue;
    for (std::size_t row = first; row < std::min(size(), first + 64); ++row) {
      if (logits[row] >= best.threshold() && (bits >> (row - first) & 1) != 0)
        best.add({static_cast<std::uint32_t>(row), logits[row]});
    }
    best.tighten();
  }
  std::vector<FoundDocid> found;
  for (const search::Hit& hit : best.take())
    found.push_back({static_cast<std::uint32_t>(hit.row), hit.score - sum, hit.score - sum});
  return found;
}

}  // namespace tenfold::dsi
