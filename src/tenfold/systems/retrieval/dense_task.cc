// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/dense_task.h"

#include <ATen/Functions.h>

#include <utility>
#include <vector>

#include "tenfold/systems/retrieval/losses.h"

namespace tenfold::retrieval {

DenseModuleImpl::DenseModuleImpl(Encoder encoder_module, MinedNegatives mined_module)
    : encoder(register_module("encoder", std::move(encoder_module))),
      mined(register_module("mined", std::move(mined_module))) {}

DenseTask::DenseTask(std::string system,
                     std::shared_ptr<const Corpus> corpus,
                     const EncoderOptions& encoder,
                     const LossOptions& loss,
                     const DenseOptions& options)
    : RetrievalTask(std::move(system), std::move(corpus), loss.scale),
      options_(options),
      encoder_(make_encoder(encoder, *this->corpus().vocabulary)) {
  if (options_.negatives == 0) return;
  with_negatives_ = DenseModule(encoder_,
                                MinedNegatives(static_cast<std::int64_t>(this->corpus().size()),
                                               static_cast<std::int64_t>(this->corpus().queries.size()),
                                               options_.negatives_depth));
}

torch::nn::Module& DenseTask::module() {
  if (with_negatives_.is_empty()) return *encoder_;
  return *with_negatives_;
}

std::tuple<torch::Tensor, torch::Tensor> DenseTask::documents_of(const data::Batch& batch) {
  torch::Tensor wanted = batch.tensors[1];
  const std::int64_t rows = wanted.size(0), epoch = batch.tensors[3].item<std::int64_t>();
  if (!with_negatives_.is_empty() && epoch > 0) {
    MinedNegativesImpl& mined = *with_negatives_->mined;
    if (mined.epoch() < epoch) mined.mine(corpus(), encoder_, epoch);
    wanted = at::cat({wanted, mined.draw(batch, options_.negatives)});
  }
  // Each document once: a document cannot be its own negative.
  const auto [documents, column, unused] = at::_unique2(wanted, true, true);
  return {documents, column.slice(0, 0, rows)};
}

train::StepOutput DenseTask::run(const data::Batch& batch) {
  const auto [documents, column] = documents_of(batch);
  const std::vector<std::int64_t> rows(documents.data_ptr<std::int64_t>(),
                                       documents.data_ptr<std::int64_t>() + documents.numel());
  const torch::Tensor d =
      forward_in_chunks(encoder_, make_tokens(corpus().documents, rows), options_.chunk);  // [U, d]
  const torch::Tensor q =
      forward_in_chunks(encoder_, make_tokens(batch.tensors[0]), options_.chunk);  // [B, d]
  torch::Tensor masked = relevant(batch, documents);
  masked.scatter_(1, column.unsqueeze(1), false);
  const torch::Tensor loss = softmax_loss(scale() * at::mm(q, d.t()), column, masked);
  return {.loss = loss.mean(), .example_loss = {}, .metrics = {}};
}

}  // namespace tenfold::retrieval
