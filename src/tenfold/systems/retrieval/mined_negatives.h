// SPDX-License-Identifier: Apache-2.0
// Hard negatives of the dense stage: the best wrong documents by the encoder as it was at the beginning of an epoch (ANCE: Xiong et al., arXiv
// 2007.00808, section 4). The lists are buffers of the module, so that a run that is continued inside an epoch draws from the same ones.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>

#include "tenfold/data/dataset.h"
#include "tenfold/systems/retrieval/corpus.h"
#include "tenfold/systems/retrieval/encoder.h"

namespace tenfold::retrieval {

class MinedNegativesImpl : public torch::nn::Module {
 public:
  // depth: length of a list.
  MinedNegativesImpl(std::int64_t documents, std::int64_t queries, std::int64_t depth);

  std::int64_t epoch() const;  // the lists are of; 0: none are there yet
  // As mine_negatives() (negative_lists.h), over whole vectors.
  void mine(const Corpus& corpus, Encoder encoder, std::int64_t epoch);
  // `count` places of the list of each row of a batch, by LibTorch's default generator: documents, without the places that are empty.
  torch::Tensor draw(const data::Batch& batch, std::int64_t count) const;

 private:
  std::int64_t documents_;
  torch::Tensor lists_;  // [documents + queries, depth] int32
  torch::Tensor epoch_;  // [1] int64
};
TORCH_MODULE(MinedNegatives);

}  // namespace tenfold::retrieval
