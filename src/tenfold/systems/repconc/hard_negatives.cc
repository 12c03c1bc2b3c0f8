// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/hard_negatives.h"

#include "tenfold/search/code_index.h"
#include "tenfold/systems/retrieval/negative_lists.h"
#include "tenfold/systems/retrieval/retrieval_task.h"

namespace tenfold::repconc {

HardNegatives::HardNegatives(const retrieval::Corpus& corpus,
                             retrieval::Encoder encoder,
                             const search::ProductQuantizer& quantizer,
                             std::int64_t depth)
    : depth_(depth), documents_(static_cast<std::int64_t>(corpus.size())) {
  const torch::Tensor vectors = encoder->encode(corpus.documents).contiguous();
  search::CodeIndex index(quantizer);
  index.add({vectors.data_ptr<float>(), corpus.size(), static_cast<std::size_t>(vectors.size(1))});
  lists_ =
      retrieval::empty_negative_lists(documents_, static_cast<std::int64_t>(corpus.queries.size()), depth);
  retrieval::mine_negatives(
      corpus, encoder, {index, vectors, retrieval::first_of_same_words(corpus.documents)}, lists_);
}

torch::Tensor HardNegatives::draw(const data::Batch& batch, std::int64_t count) const {
  return retrieval::draw_negatives(lists_, documents_, batch, count);
}

std::vector<std::int64_t> HardNegatives::list(std::int64_t query, std::int64_t document) const {
  const std::int32_t* row =
      lists_.data_ptr<std::int32_t>() + (query >= 0 ? documents_ + query : document) * depth_;
  std::vector<std::int64_t> result;
  for (std::int64_t i = 0; i < depth_ && row[i] >= 0; ++i) result.push_back(row[i]);
  return result;
}

}  // namespace tenfold::repconc
