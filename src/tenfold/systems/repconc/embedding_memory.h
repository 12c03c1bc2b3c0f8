// SPDX-License-Identifier: Apache-2.0
// First-in, first-out memory of document vectors without gradients: it makes the transport problem of a small batch large enough for
// its constraint to mean something (spread over K codewords, a batch of a few K is mostly noise).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>

namespace tenfold::repconc {

// Buffers, so that a checkpoint holds them: a run that is continued is the same to the bit.
class EmbeddingMemoryImpl : public torch::nn::Module {
 public:
  EmbeddingMemoryImpl(std::int64_t rows, std::int64_t dimension);

  // Vectors of documents other than `documents` ([U]), the newest of each: [S, d], S from 0 to the number of rows.
  torch::Tensor others(const torch::Tensor& documents) const;
  // The oldest rows make room. vectors: [U, d]; of more rows than the memory has, the last ones stay.
  void push(const torch::Tensor& documents, const torch::Tensor& vectors);

 private:
  torch::Tensor vectors_;    // [S, d]
  torch::Tensor documents_;  // [S] int64, -1: empty
  torch::Tensor next_;       // [1] int64: where the next row goes
};
TORCH_MODULE(EmbeddingMemory);

}  // namespace tenfold::repconc
