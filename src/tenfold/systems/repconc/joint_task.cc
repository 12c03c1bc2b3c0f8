// SPDX-License-Identifier: Apache-2.0
// Stage 1.
#include <ATen/Functions.h>
#include <fmt/format.h>

#include <utility>

#include "tenfold/base/log.h"
#include "tenfold/systems/repconc/tasks.h"
#include "tenfold/systems/retrieval/losses.h"

namespace tenfold::repconc {
namespace {

constexpr double kDivergence = 2.0;  // growth of the squared error that is worth a warning
constexpr double kFade = 0.95;       // of the moving average that is compared

using Metrics = std::vector<std::pair<std::string, torch::Tensor>>;

void add_usage(const Assignment& assignment, Metrics& metrics) {
  double entropy = 0, imbalance = 0, nearest = 0, disagreement = 0;
  const std::size_t blocks = assignment.usage.size();
  const auto scalar = [](double value) { return at::scalar_tensor(value, at::kDouble); };
  for (std::size_t j = 0; j < blocks; ++j) {
    const search::CodeUsage& usage = assignment.usage[j];
    metrics.emplace_back(fmt::format("entropy/{:02}", j), scalar(usage.entropy));
    metrics.emplace_back(fmt::format("imbalance/{:02}", j), scalar(usage.imbalance));
    metrics.emplace_back(fmt::format("disagreement/{:02}", j), scalar(assignment.disagreement[j]));
    entropy += usage.entropy;
    imbalance += usage.imbalance;
    nearest += assignment.nearest_usage[j].imbalance;
    disagreement += assignment.disagreement[j];
  }
  const auto count = static_cast<double>(blocks);
  metrics.emplace_back("entropy", scalar(entropy / count));
  metrics.emplace_back("imbalance", scalar(imbalance / count));
  metrics.emplace_back("nearest_imbalance", scalar(nearest / count));
  metrics.emplace_back("disagreement", scalar(disagreement / count));
}

}  // namespace

JointModuleImpl::JointModuleImpl(retrieval::Encoder encoder_module,
                                 Codebook codebook_module,
                                 std::int64_t memory_rows)
    : encoder(register_module("encoder", std::move(encoder_module))),
      codebook(register_module("codebook", std::move(codebook_module))) {
  if (memory_rows > 0)
    memory = register_module("memory", EmbeddingMemory(memory_rows, codebook->dimension()));
}

JointTask::JointTask(std::shared_ptr<const retrieval::Corpus> corpus,
                     JointModule model,
                     const retrieval::LossOptions& loss,
                     JointOptions options)
    : RetrievalTask("repconc", std::move(corpus), loss.scale),
      model_(std::move(model)),
      options_(std::move(options)) {
  if (options_.negatives > 0)
    mined_.emplace(this->corpus(), model_->encoder, model_->codebook->quantizer(), options_.negatives_depth);
}

std::tuple<torch::Tensor, torch::Tensor> JointTask::columns(const data::Batch& batch) const {
  // Duplicates would be forced apart by the constraint: each document once, and those of the same words are one.
  torch::Tensor all = first_of_same(batch.tensors[1]);
  if (mined_.has_value()) {
    const torch::Tensor drawn = mined_->draw(batch, options_.negatives).reshape({-1});
    all = at::cat({all, first_of_same(drawn.masked_select(drawn.ge(0)))});
  }
  const auto [documents, column, unused] = at::_unique2(all, true, true);
  return {documents, column.slice(0, 0, batch.tensors[1].size(0))};
}

Assignment JointTask::assign(const torch::Tensor& documents, const torch::Tensor& x) {
  const Codebook& codebook = model_->codebook;
  if (model_->memory.is_empty() || options_.assignment == "nearest")
    return codebook->assign(x, options_.assignment, options_.sinkhorn);
  const torch::Tensor all = at::cat({x.detach(), model_->memory->others(documents)});
  Assignment assignment = codebook->assign(all, options_.assignment, options_.sinkhorn);
  assignment.codes = assignment.codes.slice(0, 0, x.size(0));
  if (model_->is_training()) model_->memory->push(documents, x);
  return assignment;
}

train::StepOutput JointTask::run(const data::Batch& batch) {
  const auto [documents, column] = columns(batch);
  const std::vector<std::int64_t> rows(documents.data_ptr<std::int64_t>(),
                                       documents.data_ptr<std::int64_t>() + documents.numel());
  const Codebook& codebook = model_->codebook;
  const torch::Tensor x =
      codebook->rotate(model_->encoder->forward(retrieval::make_tokens(corpus().documents, rows)));
  const torch::Tensor q =
      codebook->rotate(model_->encoder->forward(retrieval::make_tokens(batch.tensors[0])));
  const Assignment assignment = assign(documents, x);
  const torch::Tensor decoded = codebook->decode(assignment.codes);  // [U, d]

  torch::Tensor masked = relevant(batch, documents);
  masked.scatter_(1, column.unsqueeze(1), false);
  const torch::Tensor scores = scale() * at::mm(q, straight_through(x, decoded).t());  // [B, U]
  if (options_.hardest > 0)
    masked = retrieval::mask_all_but_hardest(scores, column, masked, options_.hardest);
  const torch::Tensor rank_loss = retrieval::softmax_loss(scores, column, masked).mean();
  const torch::Tensor mse = (x - decoded).square().sum(1).mean();
  watch(mse.item<double>());
  Metrics metrics = {{"rank_loss", rank_loss.detach()}, {"mse", mse.detach()}};
  add_usage(assignment, metrics);
  return {.loss = rank_loss + options_.mse_weight * mse, .example_loss = {}, .metrics = std::move(metrics)};
}

void JointTask::watch(double mse) {
  if (first_mse_ < 0) first_mse_ = recent_mse_ = mse;
  recent_mse_ = kFade * recent_mse_ + (1 - kFade) * mse;
  if (warned_ || !(recent_mse_ > kDivergence * first_mse_)) return;
  warned_ = true;
  log::warning(
      "training diverges: the squared error of the codes rose from {:.4g} to {:.4g}; lower the learning "
      "rate, or raise "
      "joint.mse_weight or joint.codeword_rate",
      first_mse_,
      recent_mse_);
}

torch::Tensor JointTask::encode_queries(const retrieval::TokenLists& queries) {
  return model_->codebook->rotate(model_->encoder->encode(queries));
}

torch::Tensor JointTask::encode_documents() {
  const Codebook& codebook = model_->codebook;
  // What is searched later: the nearest codewords, without the constraint.
  return codebook->decode(codebook->nearest(codebook->rotate(model_->encoder->encode(corpus().documents))));
}

}  // namespace tenfold::repconc
