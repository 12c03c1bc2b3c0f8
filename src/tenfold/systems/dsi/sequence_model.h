// SPDX-License-Identifier: Apache-2.0
// Identifiers spelled token by token: an encoder of the text, and T5's decoder over a vocabulary of docid tokens of its own (Tay et al., arXiv
// 2202.06991, section 3.2; the paper writes identifiers in the text vocabulary). The encoder is T5's over byte pairs, or a bag of words
// whose vector is cut into slots that the decoder attends to.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/nn/t5.h"
#include "tenfold/systems/dsi/model.h"
#include "tenfold/systems/dsi/runtime/docid_searcher.h"
#include "tenfold/train/tensor_file.h"

namespace tenfold::dsi {

class SequenceModelImpl final : public DocidModelImpl {
 public:
  // encoder: a bag of words of dimension slots x width, or empty for T5's encoder over `vocabulary` tokens. Throws Error(kConfig, "dsi.slots")
  // when the bag has another dimension.
  SequenceModelImpl(Docids docids,
                    std::int64_t vocabulary,
                    retrieval::Encoder encoder,
                    const ModelOptions& options);

  // By the strategy for indexing examples; labelled ones are always text to identifier. The sum over the
  // tokens of a target: -log p(identifier | text).
  torch::Tensor loss(const retrieval::TokenBatch& texts,
                     const torch::Tensor& documents,
                     const torch::Tensor& indexing) override;
  // Beam search or best-first search by the runtime (runtime/docid_searcher.h), with the weights as they are now.
  std::vector<search::Hits> rank(const retrieval::TokenLists& texts, const RankOptions& options) override;
  std::int64_t documents() const override { return static_cast<std::int64_t>(docids_.sequences.size()); }

  // The beam of the first text, as runtime/decoding.h records it.
  std::vector<BeamTreeNode> tree(const retrieval::TokenLists& texts, const RankOptions& options);

  // What the decoder attends to: [B, S, d] and [B, S] bool, which is undefined when all count.
  struct Memory {
    torch::Tensor values, mask;
  };
  Memory encode(const retrieval::TokenBatch& texts);
  // log p of each token of the documents' identifiers, teacher forced: [B, P], 0 behind the end.
  torch::Tensor token_log_probabilities(const Memory& memory, const torch::Tensor& documents);

  const Docids& docids() const { return docids_; }
  // The tensors as runtime/docid_decoder.h and runtime/text_encoder.h read them.
  train::TensorMap runtime_tensors() const;

 private:
  torch::Tensor identifier_loss(const retrieval::TokenBatch& texts, const torch::Tensor& documents);
  torch::Tensor text_loss(const retrieval::TokenBatch& texts, const torch::Tensor& documents);
  torch::Tensor span_loss(const retrieval::TokenBatch& texts, const torch::Tensor& documents);
  Memory encode_embeddings(const torch::Tensor& embeddings, const torch::Tensor& mask);
  torch::Tensor embed_identifiers(const torch::Tensor& documents) const;  // [B, P, d]
  torch::Tensor decode_text(const Memory& memory, const torch::Tensor& targets);
  // Of each text, [S, d] contiguous, in evaluation mode.
  std::vector<torch::Tensor> memories(const retrieval::TokenLists& texts);
  // The runtime's searcher with the weights as they are now. Made anew only after they have changed.
  const DocidSearcher& searcher();

  Docids docids_;
  ModelOptions options_;
  retrieval::Encoder bag_{nullptr};
  torch::nn::Embedding shared_{nullptr};
  nn::T5Stack encoder_{nullptr}, decoder_{nullptr};
  torch::Tensor embedding_, position_, head_;
  torch::Tensor targets_;                    // [N, P], -1 behind the end token
  std::unique_ptr<DocidSearcher> searcher_;  // of searcher_version_; null: not known
  std::uint64_t searcher_version_ = 0;
};
TORCH_MODULE(SequenceModel);

}  // namespace tenfold::dsi
