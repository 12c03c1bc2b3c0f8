// SPDX-License-Identifier: Apache-2.0
// Stage 2.
#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "tenfold/systems/repconc/tasks.h"
#include "tenfold/systems/retrieval/losses.h"

namespace tenfold::repconc {

QueryTask::QueryTask(std::shared_ptr<const retrieval::Corpus> corpus,
                     JointModule model,
                     retrieval::Encoder teacher,
                     const retrieval::LossOptions& loss,
                     QueryOptions options)
    : RetrievalTask("repconc", std::move(corpus), loss.scale),
      model_(std::move(model)),
      teacher_(std::move(teacher)),
      options_(std::move(options)) {
  const c10::NoGradGuard no_grad;
  teacher_documents_ = teacher_->encode(this->corpus().documents);
  codes_ = model_->codebook->nearest(model_->codebook->rotate(teacher_documents_));
  search::ProductQuantizer start = model_->codebook->quantizer_of_rotated();
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(codes_.numel()));
  const auto* values = codes_.data_ptr<std::int64_t>();
  std::transform(values, values + codes_.numel(), bytes.begin(), [](std::int64_t code) {
    return static_cast<std::uint8_t>(code);
  });
  packed_.resize(this->corpus().size() * start.code_bytes());
  start.pack(bytes, packed_);
  if (options_.negatives_from == "static") start_index_.emplace(index_of(std::move(start)));
}

search::CodeIndex QueryTask::index_of(search::ProductQuantizer quantizer) const {
  search::CodeIndex index(std::move(quantizer));
  index.add_codes(packed_);
  return index;
}

torch::Tensor QueryTask::encode_queries(const retrieval::TokenLists& queries) {
  return model_->codebook->rotate(model_->encoder->encode(queries));
}

// The best documents of the index for each query, best first: [B, negatives]. "static": of the index and the query encoder of the beginning.
torch::Tensor QueryTask::mine(const data::Batch& batch, const torch::Tensor& queries) const {
  const c10::NoGradGuard no_grad;
  const std::size_t count = std::min(corpus().size(), static_cast<std::size_t>(options_.negatives));
  const bool live = !start_index_.has_value();
  retrieval::Encoder teacher = teacher_;
  const torch::Tensor asked =
      (live ? queries.detach()
            : model_->codebook->rotate(teacher->forward(retrieval::make_tokens(batch.tensors[0]))))
          .contiguous();
  const search::Vectors rows(asked.data_ptr<float>(),
                             static_cast<std::size_t>(asked.size(0)),
                             static_cast<std::size_t>(asked.size(1)));
  // Codes stay, so that the index of this step is the same codes under the codewords of this step.
  const std::vector<search::Hits> hits =
      live ? index_of(model_->codebook->quantizer_of_rotated()).search(rows, {.k = count})
           : start_index_->search(rows, {.k = count});
  torch::Tensor found = at::empty({asked.size(0), static_cast<std::int64_t>(count)}, at::kLong);
  auto* out = found.data_ptr<std::int64_t>();
  for (const search::Hits& row : hits)
    out = std::transform(
        row.begin(), row.end(), out, [](const search::Hit& hit) { return std::int64_t{hit.row}; });
  return found;
}

torch::Tensor QueryTask::teacher_scores(const data::Batch& batch, const torch::Tensor& candidates) {
  const c10::NoGradGuard no_grad;
  const torch::Tensor whole = teacher_documents_.index_select(0, candidates.reshape({-1}))
                                  .reshape({candidates.size(0), candidates.size(1), -1});
  const torch::Tensor t =
      teacher_->forward(retrieval::make_tokens(batch.tensors[0])).unsqueeze(2);  // [B, d, 1]
  return scale() * at::bmm(whole, t).squeeze(2);
}

torch::Tensor QueryTask::label_loss(const data::Batch& batch,
                                    const torch::Tensor& candidates,
                                    const torch::Tensor& scores,
                                    const torch::Tensor& masked) const {
  if (options_.loss == "list")
    return retrieval::softmax_loss(scores, at::zeros({scores.size(0)}, at::kLong), masked);
  // Negatives come best first, so that their places are their ranks; a positive that is not among them is beyond all ranks.
  const std::int64_t count = candidates.size(1) - 1;
  const torch::Tensor negatives = candidates.slice(1, 1);
  const torch::Tensor places = (at::arange(count, at::kLong) + 1).expand_as(negatives);
  const torch::Tensor beyond = at::full_like(places, std::max(options_.cut, count) + 1);
  const torch::Tensor own =
      at::where(negatives.eq(batch.tensors[1].unsqueeze(1)), places, beyond).amin(1, true);
  return retrieval::pairwise_loss(scores, at::cat({own, places}, 1), masked, options_.cut);
}

train::StepOutput QueryTask::run(const data::Batch& batch) {
  const Codebook& codebook = model_->codebook;
  const torch::Tensor q =
      codebook->rotate(model_->encoder->forward(retrieval::make_tokens(batch.tensors[0])));  // [B, d]
  torch::Tensor candidates = mine(batch, q);                                                 // [B, negatives]
  torch::Tensor masked = at::zeros_like(candidates, at::kBool);
  const bool labels = options_.label_weight > 0.0;
  if (labels) {
    masked = at::cat({at::zeros({q.size(0), 1}, at::kBool), relevant(batch, candidates)}, 1);
    candidates = at::cat({batch.tensors[1].unsqueeze(1), candidates}, 1);  // [B, C]
  }
  // s = sum over blocks of the table entries that the codes name.
  const std::int64_t rows = candidates.size(0), count = candidates.size(1);
  const torch::Tensor codes = codes_.index_select(0, candidates.reshape({-1}))
                                  .reshape({rows, count, codebook->blocks()})
                                  .transpose(1, 2);
  const torch::Tensor scores = scale() * codebook->tables(q).gather(2, codes).sum(1);  // [B, C]

  torch::Tensor loss = at::zeros({rows});
  if (labels) loss = loss + options_.label_weight * label_loss(batch, candidates, scores, masked);
  if (options_.distillation_weight > 0.0) {
    const torch::Tensor penalty = masked.to(at::kFloat) * retrieval::kMasked;
    loss = loss +
           options_.distillation_weight *
               retrieval::distillation_loss(scores - penalty, teacher_scores(batch, candidates) - penalty);
  }
  return {.loss = loss.mean(), .example_loss = {}, .metrics = {}};
}

}  // namespace tenfold::repconc
