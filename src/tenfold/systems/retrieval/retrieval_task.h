// SPDX-License-Identifier: Apache-2.0
// What all retrievers that are trained by queries and documents share: evaluation by exact search, and which documents must not count as
// wrong ones.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tenfold/systems/retrieval/corpus.h"
#include "tenfold/systems/training/task.h"

namespace tenfold::retrieval {

// Scores are inner products of unit vectors times this (1 / temperature) in every loss.
struct LossOptions {
  double scale = 16.0;

  void visit_fields(auto&& field) {
    field("scale", scale, {.help = "of scores in the softmax: 1 / temperature", .min = 1e-3, .max = 1e6});
  }
};

// For each document the first one with the same words in the same order: [N] int64. What the constraint must not force apart.
torch::Tensor first_of_same_words(const TokenLists& documents);

// Evaluation is the same in all stages: exact search over what documents are to this stage.
class RetrievalTask : public training::SystemTask {
 public:
  // system: the name in bundles and on the chart.
  RetrievalTask(std::string system, std::shared_ptr<const Corpus> corpus, double scale);

  std::string system_name() const override { return system_; }
  const data::Dataset& train_set() const override { return corpus_->pairs; }
  std::vector<std::string> splits() const override;
  std::int64_t split_size(const std::string& split) const override;
  // "mrr@10", "ndcg@10", "recall@100", and "loss": -log softmax of the first relevant document over all documents.
  train::Figures evaluate_split(const std::string& split) override;

 protected:
  virtual torch::Tensor encode_queries(const TokenLists& queries) = 0;  // [Q, d]
  virtual torch::Tensor encode_documents() = 0;                         // [N, d]: what is searched

  const Corpus& corpus() const { return *corpus_; }
  // Which of `columns` (documents, [C] or [B, C]) are relevant to each query of a batch by the training labels, are the document it
  // was made from, or have the same words as such a one: [B, C] bool.
  torch::Tensor relevant(const data::Batch& batch, const torch::Tensor& columns) const;
  // The first document with the same words, of each: documents of the same words are one to a loss.
  torch::Tensor first_of_same(const torch::Tensor& documents) const;
  double scale() const { return scale_; }

 private:
  std::string system_;
  std::shared_ptr<const Corpus> corpus_;
  double scale_;
  torch::Tensor same_;  // [N], first_of_same_words()
};

}  // namespace tenfold::retrieval
