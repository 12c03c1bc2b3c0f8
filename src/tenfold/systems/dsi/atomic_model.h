// SPDX-License-Identifier: Apache-2.0
// Unstructured atomic identifiers (Tay et al., arXiv 2202.06991, section 3.2): one row of the last layer a document, one softmax over all of
// them. With f the encoder's unit vector of the text,
//
//   logit(j) = s <f(x), W_j / |W_j|>  +  sum over words w of x: U[w, j]
//
// s is learned. The second sum is there with `wide`: a weight for each word and document that has it, started from BM25, as in wide and deep
// learning (Cheng et al., arXiv 1606.07792); it is, in effect, a learned inverted index inside of the model. With `tied`, W_j is the text's
// own vector, taken anew each epoch, plus what is learned.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tenfold/systems/dsi/model.h"
#include "tenfold/systems/retrieval/corpus.h"

namespace tenfold::dsi {

class AtomicModelImpl final : public DocidModelImpl {
 public:
  // Rows start as the encoder's vectors of the documents.
  AtomicModelImpl(std::shared_ptr<const retrieval::TokenLists> documents,
                  std::size_t vocabulary,
                  retrieval::Encoder encoder,
                  const ModelOptions& options);

  torch::Tensor loss(const retrieval::TokenBatch& texts,
                     const torch::Tensor& documents,
                     const torch::Tensor& indexing) override;
  void begin_epoch(std::int64_t epoch) override;
  std::vector<search::Hits> rank(const retrieval::TokenLists& texts, const RankOptions& options) override;
  std::int64_t documents() const override { return rows_.size(0); }

  torch::Tensor logits(const retrieval::TokenBatch& texts);  // [B, N]
  torch::Tensor rows() const;                                // [N, d], of length 1
  retrieval::Encoder encoder() const { return encoder_; }

  // A row for each new document without training anything else (after IncDSI: Kishore et al., arXiv 2307.10323): the text's vector, moved until it
  // beats every other row by `margin` for all of its views, or as far as 200 steps go. `documents`: those there are, and the new ones
  // behind; `views`: texts that stand for each new one. With `wide`, new documents' weights start from BM25, and a word that now more than
  // wide_documents documents have loses its weights.
  void add_documents(std::shared_ptr<const retrieval::TokenLists> documents,
                     const std::vector<retrieval::TokenLists>& views,
                     double margin = 0.05);

 private:
  torch::Tensor logits(const retrieval::TokenBatch& texts, const torch::Tensor& rows);
  torch::Tensor kept_rows();
  torch::Tensor solve_row(std::int64_t document, const retrieval::TokenLists& views, double margin);
  void extend_wide();
  void start_wide(const retrieval::TokenLists& documents, std::size_t vocabulary);
  torch::Tensor wide_logits(const retrieval::TokenBatch& texts, torch::Tensor logits) const;

  std::shared_ptr<const retrieval::TokenLists> texts_;
  ModelOptions options_;
  retrieval::Encoder encoder_{nullptr};
  torch::Tensor rows_, log_scale_;
  torch::Tensor base_, epoch_;  // the texts' own vectors as of that epoch, of "tied"
  torch::Tensor kept_rows_;     // rows() as of that version of rows_, for rank(); undefined: not known
  std::uint32_t kept_version_ = 0;
  torch::Tensor wide_begins_, wide_rows_, wide_values_;  // postings of each word; [V + 1], [n], [n]
};
TORCH_MODULE(AtomicModel);

}  // namespace tenfold::dsi
