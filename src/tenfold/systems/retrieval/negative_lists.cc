// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/negative_lists.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <span>
#include <vector>

namespace tenfold::retrieval {
namespace {

constexpr std::int64_t kSearchBatch = 4096;

// The first hits that are not in `wrong` (sorted; documents that others count as).
void put(const search::Hits& hits,
         std::span<const std::int64_t> wrong,
         const torch::Tensor& same,
         std::span<std::int32_t> list) {
  std::size_t filled = 0;
  for (std::size_t i = 0; i < hits.size() && filled < list.size(); ++i) {
    if (!std::binary_search(wrong.begin(), wrong.end(), same.data_ptr<std::int64_t>()[hits[i].row]))
      list[filled++] = static_cast<std::int32_t>(hits[i].row);
  }
}

}  // namespace

torch::Tensor empty_negative_lists(std::int64_t documents, std::int64_t queries, std::int64_t depth) {
  return at::full({documents + queries, depth}, -1, at::kInt);
}

void mine_negatives(const Corpus& corpus,
                    Encoder encoder,
                    const NegativeSource& source,
                    torch::Tensor lists) {
  const std::int64_t depth = lists.size(1);
  std::size_t most = 1;  // relevant documents of a query, which may stand before all others
  for (const auto& relevant : corpus.train_relevant) most = std::max(most, relevant.size());
  const search::SearchRequest request{.k = static_cast<std::size_t>(depth) + most};
  lists.fill_(-1);
  const auto fill = [&](const torch::Tensor& texts, std::int64_t offset, const auto& wrong_of) {
    for (std::int64_t begin = 0; begin < texts.size(0); begin += kSearchBatch) {
      const torch::Tensor part =
          texts.slice(0, begin, std::min(texts.size(0), begin + kSearchBatch)).contiguous();
      const search::Vectors rows(part.data_ptr<float>(),
                                 static_cast<std::size_t>(part.size(0)),
                                 static_cast<std::size_t>(part.size(1)));
      const std::vector<search::Hits> hits = source.index.search(rows, request);
      for (std::size_t i = 0; i < hits.size(); ++i) {
        const std::int64_t text = begin + static_cast<std::int64_t>(i);
        std::vector<std::int64_t> wrong = wrong_of(text);
        for (std::int64_t& document : wrong) document = source.same.data_ptr<std::int64_t>()[document];
        std::sort(wrong.begin(), wrong.end());
        put(hits[i],
            wrong,
            source.same,
            {lists.data_ptr<std::int32_t>() + (offset + text) * depth, static_cast<std::size_t>(depth)});
      }
    }
  };
  fill(source.documents, 0, [](std::int64_t document) { return std::vector<std::int64_t>{document}; });
  if (corpus.queries.size() == 0) return;
  fill(encoder->encode(corpus.queries).contiguous(), source.documents.size(0), [&](std::int64_t query) {
    return corpus.train_relevant[static_cast<std::size_t>(query)];
  });
}

torch::Tensor draw_negatives(const torch::Tensor& lists,
                             std::int64_t documents,
                             const data::Batch& batch,
                             std::int64_t count) {
  const torch::Tensor &own = batch.tensors[1], &queries = batch.tensors[2];
  const torch::Tensor rows = at::where(queries.ge(0), queries + documents, own);
  const torch::Tensor places = at::randint(lists.size(1), {rows.size(0), count}, at::kLong);
  return lists.index_select(0, rows).gather(1, places).to(at::kLong);
}

}  // namespace tenfold::retrieval
