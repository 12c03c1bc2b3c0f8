// SPDX-License-Identifier: Apache-2.0
// A dual encoder: texts to vectors, trained by the softmax over the documents of a batch and mined wrong ones.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>

#include "tenfold/systems/retrieval/encoder.h"
#include "tenfold/systems/retrieval/mined_negatives.h"
#include "tenfold/systems/retrieval/retrieval_task.h"

namespace tenfold::retrieval {

struct DenseOptions {
  std::int64_t chunk = 0;
  std::int64_t negatives = 0, negatives_depth = 50;

  void visit_fields(auto&& field) {
    field("chunk",
          chunk,
          {.help = "texts that are encoded at once, for large batches with a transformer; 0: the whole batch",
           .min = 0,
           .max = 1e7});
    field("negatives",
          negatives,
          {.help = "hard negatives a query, beside the batch's, mined with the encoder at each epoch's "
                   "beginning but the first",
           .min = 0,
           .max = 1000});
    field("negatives_depth",
          negatives_depth,
          {.help = "best wrong documents they are drawn from", .min = 1, .max = 100000});
  }
};

// Encoder and hard negatives side by side, as they stand in checkpoints of runs with dense.negatives.
class DenseModuleImpl : public torch::nn::Module {
 public:
  DenseModuleImpl(Encoder encoder_module, MinedNegatives mined_module);
  Encoder encoder{nullptr};
  MinedNegatives mined{nullptr};
};
TORCH_MODULE(DenseModule);

// Stage 0: softmax over the documents of the batch and, with negatives, of those mined.
class DenseTask final : public RetrievalTask {
 public:
  DenseTask(std::string system,
            std::shared_ptr<const Corpus> corpus,
            const EncoderOptions& encoder,
            const LossOptions& loss,
            const DenseOptions& options = {});

  torch::nn::Module& module() override;
  train::StepOutput run(const data::Batch& batch) override;
  Encoder encoder() const { return encoder_; }

 private:
  torch::Tensor encode_queries(const TokenLists& queries) override { return encoder_->encode(queries); }
  torch::Tensor encode_documents() override { return encoder_->encode(corpus().documents); }

  // Documents of the batch and its hard negatives, each once, and the column of each row's positive.
  std::tuple<torch::Tensor, torch::Tensor> documents_of(const data::Batch& batch);

  DenseOptions options_;
  Encoder encoder_;
  DenseModule with_negatives_{nullptr};  // empty without negatives
};

}  // namespace tenfold::retrieval
