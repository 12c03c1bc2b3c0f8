// SPDX-License-Identifier: Apache-2.0
// The stages of training behind the dense one (systems/retrieval/dense_task.h): the encoder together with the codewords (RepCONC, section 3), and query encoder with
// codewords against frozen codes (JPQ, arXiv 2108.00644, section 3).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "tenfold/search/code_index.h"
#include "tenfold/search/sinkhorn.h"
#include "tenfold/systems/repconc/codebook.h"
#include "tenfold/systems/repconc/embedding_memory.h"
#include "tenfold/systems/repconc/hard_negatives.h"
#include "tenfold/systems/retrieval/corpus.h"
#include "tenfold/systems/retrieval/dense_task.h"
#include "tenfold/systems/retrieval/encoder.h"

namespace tenfold::repconc {

struct JointOptions {
  double mse_weight = 1.0;      // lambda
  double codeword_rate = 10.0;  // learning rate of the codewords over the encoder's
  std::string assignment = "sinkhorn";
  search::SinkhornOptions sinkhorn{.iterations = 30};
  std::int64_t negatives = 1;  // mined once, a query
  std::int64_t negatives_depth = 200;
  std::int64_t hardest = 0;
  std::int64_t memory = 0;  // rows
  bool unit_blocks = false;

  void visit_fields(auto&& field) {
    field("mse_weight", mse_weight, {.help = "lambda: weight of the squared error", .min = 0.0, .max = 1e6});
    field("codeword_rate",
          codeword_rate,
          {.help = "learning rate of the codewords over the encoder's", .min = 1e-6, .max = 1e6});
    field("assignment",
          assignment,
          {.help = "codes while training: balanced, or the nearest codewords",
           .choices = {"sinkhorn", "nearest"}});
    field("sinkhorn", sinkhorn, {});
    field("negatives",
          negatives,
          {.help = "hard negatives a query, beside the batch's, drawn from the index of the start",
           .min = 0,
           .max = 1000});
    field("negatives_depth",
          negatives_depth,
          {.help = "best documents of that index they are drawn from", .min = 1, .max = 100000});
    field("unit_blocks",
          unit_blocks,
          {.help = "scale sub-vectors and codewords to one length, so that scores are means of cosines"});
    field("hardest",
          hardest,
          {.help = "negatives in the loss of a query, the best ones at that step; 0: all",
           .min = 0,
           .max = 1e6});
    field("memory",
          memory,
          {.help = "vectors of earlier batches that are balanced with the batch; 0: none",
           .min = 0,
           .max = 1e7});
  }
};

// Encoder and codewords side by side, as they stand in checkpoints.
class JointModuleImpl : public torch::nn::Module {
 public:
  // memory_rows: of EmbeddingMemory, which only stage 1 uses; 0: none.
  JointModuleImpl(retrieval::Encoder encoder_module, Codebook codebook_module, std::int64_t memory_rows = 0);
  retrieval::Encoder encoder{nullptr};
  Codebook codebook{nullptr};
  EmbeddingMemory memory{nullptr};
};
TORCH_MODULE(JointModule);

// Stage 1: L = L_rank + lambda L_mse (section 3.1, equations 3 to 5) with the straight-through estimator.
class JointTask final : public retrieval::RetrievalTask {
 public:
  JointTask(std::shared_ptr<const retrieval::Corpus> corpus,
            JointModule model,
            const retrieval::LossOptions& loss,
            JointOptions options);

  torch::nn::Module& module() override { return *model_; }
  // Figures: "rank_loss", "mse", "entropy", "imbalance", "disagreement" and "nearest_imbalance" (of the nearest codewords) as means over
  // blocks, and the first three of these by block as "entropy/07".
  train::StepOutput run(const data::Batch& batch) override;

 private:
  torch::Tensor encode_queries(const retrieval::TokenLists& queries) override;
  torch::Tensor encode_documents() override;
  // Documents of the batch with its hard negatives, each once, and the column of each row's positive.
  std::tuple<torch::Tensor, torch::Tensor> columns(const data::Batch& batch) const;
  Assignment assign(const torch::Tensor& documents, const torch::Tensor& x);
  void watch(double mse);

  JointModule model_;
  JointOptions options_;
  std::optional<HardNegatives> mined_;
  double first_mse_ = -1.0, recent_mse_ = 0.0;
  bool warned_ = false;
};

struct QueryOptions {
  double codeword_rate = 10.0;
  std::int64_t negatives = 200;
  std::string negatives_from = "live";
  std::string loss = "list";
  std::int64_t cut = 200;
  double label_weight = 1.0, distillation_weight = 1.0;

  void visit_fields(auto&& field) {
    field("codeword_rate",
          codeword_rate,
          {.help = "learning rate of the codewords over the encoder's", .min = 1e-6, .max = 1e6});
    field("negatives", negatives, {.help = "documents a query is ranked against", .min = 1, .max = 100000});
    field("negatives_from",
          negatives_from,
          {.help = "the index as it is now, or as it was in the beginning", .choices = {"live", "static"}});
    field("loss",
          loss,
          {.help = "softmax over the list, or JPQ's pairs weighted by reciprocal ranks",
           .choices = {"list", "pairwise"}});
    field("cut", cut, {.help = "ranks beyond it have no weight in the pairs", .min = 1, .max = 100000});
    field("label_weight",
          label_weight,
          {.help = "of the loss by labels; 0: labels are not looked at", .min = 0.0, .max = 1e6});
    field("distillation_weight",
          distillation_weight,
          {.help = "of the loss by the scores of whole vectors, which needs no labels",
           .min = 0.0,
           .max = 1e6});
  }
};

// Stage 2: codes stay as they are; the query encoder and the codewords are trained against the best documents of the current index.
class QueryTask final : public retrieval::RetrievalTask {
 public:
  // The model starts as stage 1 has left it; `teacher` is a copy of its encoder that stays as it is. Codes are those of the nearest
  // codewords.
  QueryTask(std::shared_ptr<const retrieval::Corpus> corpus,
            JointModule model,
            retrieval::Encoder teacher,
            const retrieval::LossOptions& loss,
            QueryOptions options);

  torch::nn::Module& module() override { return *model_; }
  train::StepOutput run(const data::Batch& batch) override;
  const torch::Tensor& codes() const { return codes_; }

 private:
  torch::Tensor encode_queries(const retrieval::TokenLists& queries) override;
  torch::Tensor encode_documents() override { return model_->codebook->decode(codes_); }
  search::CodeIndex index_of(search::ProductQuantizer quantizer) const;
  torch::Tensor mine(const data::Batch& batch, const torch::Tensor& queries) const;
  torch::Tensor teacher_scores(const data::Batch& batch, const torch::Tensor& candidates);
  torch::Tensor label_loss(const data::Batch& batch,
                           const torch::Tensor& candidates,
                           const torch::Tensor& scores,
                           const torch::Tensor& masked) const;

  JointModule model_;
  retrieval::Encoder teacher_{nullptr};
  QueryOptions options_;
  torch::Tensor codes_;                           // [N, M]
  torch::Tensor teacher_documents_;               // [N, d]
  std::vector<std::uint8_t> packed_;              // the same as an index holds them
  std::optional<search::CodeIndex> start_index_;  // of the beginning, for "static"
};

}  // namespace tenfold::repconc
