// SPDX-License-Identifier: Apache-2.0
// Stage 1.
#include <ATen/Functions.h>
#include <fmt/format.h>

#include <utility>

#include "tenfold/base/log.h"
#include "tenfold/systems/repconc/losses.h"
#include "tenfold/systems/repconc/tasks.h"

namespace tenfold::repconc {
namespace {

constexpr double kDivergence = 2.0;  // growth of the squared error that is worth a warning
constexpr double kFade = 0.95;       // of the moving average that is compared

using Metrics = std::vector<std::pair<std::string, torch::Tensor>>;

void add_usage(const Assignment& assignment, Metrics& metrics) {
  double entropy = 0, imbalance = 0, disagreement = 0;
  const std::size_t blocks = assignment.usage.size();
  const auto scalar = [](double value) { return at::scalar_tensor(value, at::kDouble); };
  for (std::size_t j = 0; j < blocks; ++j) {
    const search::CodeUsage& usage = assignment.usage[j];
    metrics.emplace_back(fmt::format("entropy/{:02}", j), scalar(usage.entropy));
    metrics.emplace_back(fmt::format("imbalance/{:02}", j), scalar(usage.imbalance));
    metrics.emplace_back(fmt::format("disagreement/{:02}", j), scalar(assignment.disagreement[j]));
    entropy += usage.entropy;
    imbalance += usage.imbalance;
    disagreement += assignment.disagreement[j];
  }
  const auto count = static_cast<double>(blocks);
  metrics.emplace_back("entropy", scalar(entropy / count));
  metrics.emplace_back("imbalance", scalar(imbalance / count));
  metrics.emplace_back("disagreement", scalar(disagreement / count));
}

}  // namespace

JointModuleImpl::JointModuleImpl(Encoder encoder_module, Codebook codebook_module)
    : encoder(register_module("encoder", std::move(encoder_module))),
      codebook(register_module("codebook", std::move(codebook_module))) {}

JointTask::JointTask(std::shared_ptr<const Corpus> corpus,
                     JointModule model,
                     const LossOptions& loss,
                     JointOptions options)
    : RetrievalTask(std::move(corpus), loss.scale), model_(std::move(model)), options_(std::move(options)) {}

train::StepOutput JointTask::run(const data::Batch& batch) {
  // Duplicates would be forced apart by the constraint: each document once.
  const auto [documents, column, unused] = at::_unique2(batch.tensors[1], true, true);
  const std::vector<std::int64_t> rows(documents.data_ptr<std::int64_t>(),
                                       documents.data_ptr<std::int64_t>() + documents.numel());
  const Codebook& codebook = model_->codebook;
  const torch::Tensor x = codebook->rotate(model_->encoder->forward(make_tokens(corpus().documents, rows)));
  const torch::Tensor q = codebook->rotate(model_->encoder->forward(make_tokens(batch.tensors[0])));
  const Assignment assignment = codebook->assign(x, options_.assignment, options_.sinkhorn);
  const torch::Tensor decoded = codebook->decode(assignment.codes);  // [U, d]

  torch::Tensor masked = relevant(batch, documents);
  masked.scatter_(1, column.unsqueeze(1), false);
  const torch::Tensor scores = scale() * at::mm(q, straight_through(x, decoded).t());  // [B, U]
  const torch::Tensor rank_loss = softmax_loss(scores, column, masked).mean();
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

torch::Tensor JointTask::encode_queries(const TokenLists& queries) {
  return model_->codebook->rotate(model_->encoder->encode(queries));
}

torch::Tensor JointTask::encode_documents() {
  const Codebook& codebook = model_->codebook;
  // What is searched later: the nearest codewords, without the constraint.
  return codebook->decode(codebook->nearest(codebook->rotate(model_->encoder->encode(corpus().documents))));
}

}  // namespace tenfold::repconc
