// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/hard_negatives.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <map>
#include <span>

#include "tenfold/search/code_index.h"
#include "tenfold/systems/retrieval/retrieval_task.h"

namespace tenfold::repconc {
namespace {

constexpr std::int64_t kSearchBatch = 4096;

search::Vectors rows_of(const torch::Tensor& x) {
  return {x.data_ptr<float>(), static_cast<std::size_t>(x.size(0)), static_cast<std::size_t>(x.size(1))};
}

// Writes hits that are not in `forbidden` (first documents of same words, sorted) to a row of `depth` places.
void put(const search::Hits& hits,
         const std::vector<std::int64_t>& forbidden,
         const torch::Tensor& same,
         std::span<std::int32_t> row) {
  std::size_t filled = 0;
  for (const search::Hit& hit : hits) {
    if (filled == row.size()) return;
    if (std::binary_search(forbidden.begin(), forbidden.end(), same.data_ptr<std::int64_t>()[hit.row]))
      continue;
    row[filled++] = static_cast<std::int32_t>(hit.row);
  }
}

}  // namespace

HardNegatives::HardNegatives(const retrieval::Corpus& corpus,
                             retrieval::Encoder encoder,
                             const search::ProductQuantizer& quantizer,
                             std::int64_t depth)
    : depth_(depth), documents_(static_cast<std::int64_t>(corpus.size())) {
  const torch::Tensor vectors = encoder->encode(corpus.documents).contiguous();
  const torch::Tensor same = retrieval::first_of_same_words(corpus.documents);
  search::CodeIndex index(quantizer);
  index.add(rows_of(vectors));
  std::size_t most = 1;  // relevant documents of a query: so many more hits are looked at
  for (const auto& relevant : corpus.train_relevant) most = std::max(most, relevant.size());
  const std::size_t k = static_cast<std::size_t>(depth) + most;
  const auto queries = static_cast<std::int64_t>(corpus.queries.size());
  lists_ = at::full({documents_ + queries, depth}, -1, at::kInt);
  const auto fill = [&](const torch::Tensor& texts, std::int64_t offset, const auto& relevant_of) {
    for (std::int64_t begin = 0; begin < texts.size(0); begin += kSearchBatch) {
      const torch::Tensor part =
          texts.slice(0, begin, std::min(texts.size(0), begin + kSearchBatch)).contiguous();
      const std::vector<search::Hits> hits = index.search(rows_of(part), {.k = k});
      for (std::size_t i = 0; i < hits.size(); ++i) {
        const std::int64_t text = begin + static_cast<std::int64_t>(i);
        std::vector<std::int64_t> forbidden = relevant_of(text);
        for (std::int64_t& document : forbidden) document = same.data_ptr<std::int64_t>()[document];
        std::sort(forbidden.begin(), forbidden.end());
        put(hits[i],
            forbidden,
            same,
            {lists_.data_ptr<std::int32_t>() + (offset + text) * depth, static_cast<std::size_t>(depth)});
      }
    }
  };
  fill(vectors, 0, [](std::int64_t document) { return std::vector<std::int64_t>{document}; });
  if (queries > 0)
    fill(encoder->encode(corpus.queries).contiguous(), documents_, [&](std::int64_t query) {
      return corpus.train_relevant[static_cast<std::size_t>(query)];
    });
}

torch::Tensor HardNegatives::draw(const data::Batch& batch, std::int64_t count) const {
  const torch::Tensor &documents = batch.tensors[1], &queries = batch.tensors[2];
  const torch::Tensor rows = at::where(queries.ge(0), queries + documents_, documents);
  const torch::Tensor places = at::randint(depth_, {rows.size(0), count}, at::kLong);
  return lists_.index_select(0, rows).gather(1, places).to(at::kLong);
}

std::vector<std::int64_t> HardNegatives::list(std::int64_t query, std::int64_t document) const {
  const std::int32_t* row =
      lists_.data_ptr<std::int32_t>() + (query >= 0 ? documents_ + query : document) * depth_;
  std::vector<std::int64_t> result;
  for (std::int64_t i = 0; i < depth_ && row[i] >= 0; ++i) result.push_back(row[i]);
  return result;
}

}  // namespace tenfold::repconc
