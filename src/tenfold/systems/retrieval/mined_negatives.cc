// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/mined_negatives.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <span>
#include <vector>

#include "tenfold/search/flat_index.h"

namespace tenfold::retrieval {
namespace {

search::Vectors rows_of(const torch::Tensor& x) {
  return {x.data_ptr<float>(), static_cast<std::size_t>(x.size(0)), static_cast<std::size_t>(x.size(1))};
}

// The first hits that are not in `wrong`.
void put(const search::Hits& hits, std::span<const std::int64_t> wrong, std::span<std::int32_t> list) {
  std::size_t filled = 0;
  for (std::size_t i = 0; i < hits.size() && filled < list.size(); ++i)
    if (std::find(wrong.begin(), wrong.end(), static_cast<std::int64_t>(hits[i].row)) == wrong.end())
      list[filled++] = static_cast<std::int32_t>(hits[i].row);
}

}  // namespace

MinedNegativesImpl::MinedNegativesImpl(std::int64_t documents, std::int64_t queries, std::int64_t depth)
    : documents_(documents), depth_(depth) {
  lists_ = register_buffer("lists", at::full({documents + queries, depth}, -1, at::kInt));
  epoch_ = register_buffer("epoch", at::zeros({1}, at::kLong));
}

std::int64_t MinedNegativesImpl::epoch() const {
  return epoch_.item<std::int64_t>();
}

void MinedNegativesImpl::mine(const Corpus& corpus, Encoder encoder, std::int64_t epoch) {
  const c10::NoGradGuard no_grad;
  const torch::Tensor documents = encoder->encode(corpus.documents).contiguous();
  search::FlatIndex index(static_cast<std::size_t>(documents.size(1)));
  index.add(rows_of(documents));
  std::size_t most = 1;  // relevant documents of a query, which may stand before all others
  for (const auto& relevant : corpus.train_relevant) most = std::max(most, relevant.size());
  const search::SearchRequest request{.k = static_cast<std::size_t>(depth_) + most};
  lists_.fill_(-1);
  const auto list = [&](std::size_t row) {
    return std::span(lists_.data_ptr<std::int32_t>() + static_cast<std::int64_t>(row) * depth_,
                     static_cast<std::size_t>(depth_));
  };
  const std::vector<search::Hits> near = index.search(rows_of(documents), request);
  for (std::size_t i = 0; i < near.size(); ++i) {
    const auto own = static_cast<std::int64_t>(i);
    put(near[i], {&own, 1}, list(i));
  }
  if (corpus.queries.size() > 0) {
    const torch::Tensor queries = encoder->encode(corpus.queries).contiguous();
    const std::vector<search::Hits> found = index.search(rows_of(queries), request);
    for (std::size_t i = 0; i < found.size(); ++i)
      put(found[i], corpus.train_relevant[i], list(corpus.size() + i));
  }
  epoch_.fill_(epoch);
}

torch::Tensor MinedNegativesImpl::draw(const data::Batch& batch, std::int64_t count) const {
  const torch::Tensor &documents = batch.tensors[1], &queries = batch.tensors[2];
  const torch::Tensor rows = at::where(queries.ge(0), queries + documents_, documents);
  const torch::Tensor places = at::randint(depth_, {rows.size(0), count}, at::kLong);
  const torch::Tensor drawn = lists_.index_select(0, rows).gather(1, places).to(at::kLong).reshape({-1});
  return drawn.masked_select(drawn.ge(0));
}

}  // namespace tenfold::retrieval
