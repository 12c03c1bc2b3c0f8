// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/mined_negatives.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include "tenfold/search/flat_index.h"
#include "tenfold/systems/retrieval/negative_lists.h"

namespace tenfold::retrieval {

MinedNegativesImpl::MinedNegativesImpl(std::int64_t documents, std::int64_t queries, std::int64_t depth)
    : documents_(documents) {
  lists_ = register_buffer("lists", empty_negative_lists(documents, queries, depth));
  epoch_ = register_buffer("epoch", at::zeros({1}, at::kLong));
}

std::int64_t MinedNegativesImpl::epoch() const {
  return epoch_.item<std::int64_t>();
}

void MinedNegativesImpl::mine(const Corpus& corpus, Encoder encoder, std::int64_t epoch) {
  const c10::NoGradGuard no_grad;
  const torch::Tensor documents = encoder->encode(corpus.documents).contiguous();
  search::FlatIndex index(static_cast<std::size_t>(documents.size(1)));
  index.add({documents.data_ptr<float>(), corpus.size(), static_cast<std::size_t>(documents.size(1))});
  mine_negatives(corpus, encoder, {index, documents, at::arange(documents_, at::kLong)}, lists_);
  epoch_.fill_(epoch);
}

torch::Tensor MinedNegativesImpl::draw(const data::Batch& batch, std::int64_t count) const {
  const torch::Tensor drawn = draw_negatives(lists_, documents_, batch, count).reshape({-1});
  return drawn.masked_select(drawn.ge(0));
}

}  // namespace tenfold::retrieval
