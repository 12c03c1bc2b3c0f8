// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/embedding_memory.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <unordered_set>
#include <vector>

namespace tenfold::repconc {

EmbeddingMemoryImpl::EmbeddingMemoryImpl(std::int64_t rows, std::int64_t dimension) {
  vectors_ = register_buffer("vectors", at::zeros({rows, dimension}, at::kFloat));
  documents_ = register_buffer("documents", at::full({rows}, -1, at::kLong));
  next_ = register_buffer("next", at::zeros({1}, at::kLong));
}

torch::Tensor EmbeddingMemoryImpl::others(const torch::Tensor& documents) const {
  const torch::Tensor own = documents.contiguous();
  std::unordered_set<std::int64_t> taken(own.data_ptr<std::int64_t>(),
                                         own.data_ptr<std::int64_t>() + own.numel());
  const std::int64_t rows = documents_.size(0), next = next_.item<std::int64_t>();
  std::vector<std::int64_t> kept;
  for (std::int64_t age = 1; age <= rows;
       ++age) {  // newest first, so that a document's old vectors are passed over
    const std::int64_t row = (next - age + rows) % rows;
    const std::int64_t document = documents_.data_ptr<std::int64_t>()[row];
    if (document >= 0 && taken.insert(document).second) kept.push_back(row);
  }
  torch::Tensor places = at::empty({static_cast<std::int64_t>(kept.size())}, at::kLong);
  std::copy(kept.begin(), kept.end(), places.data_ptr<std::int64_t>());
  return vectors_.index_select(0, places);
}

void EmbeddingMemoryImpl::push(const torch::Tensor& documents, const torch::Tensor& vectors) {
  const c10::NoGradGuard no_grad;
  const std::int64_t rows = documents_.size(0), count = std::min(rows, documents.size(0));
  const std::int64_t first = documents.size(0) - count, next = next_.item<std::int64_t>();
  const torch::Tensor places = (at::arange(count, at::kLong) + next).remainder(rows);
  documents_.index_copy_(0, places, documents.slice(0, first));
  vectors_.index_copy_(0, places, vectors.detach().slice(0, first));
  next_.fill_((next + count) % rows);
}

}  // namespace tenfold::repconc
