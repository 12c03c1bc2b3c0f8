// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/retrieval/losses.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <tuple>

namespace tenfold::retrieval {

torch::Tensor softmax_loss(torch::Tensor scores, const torch::Tensor& positive, const torch::Tensor& masked) {
  if (masked.defined()) scores = scores - masked.to(scores.scalar_type()) * kMasked;
  return -at::log_softmax(scores, 1).gather(1, positive.unsqueeze(1)).squeeze(1);
}

torch::Tensor mask_all_but_hardest(const torch::Tensor& scores,
                                   const torch::Tensor& positive,
                                   const torch::Tensor& masked,
                                   std::int64_t count) {
  const torch::Tensor negative = scores.detach() - masked.to(scores.scalar_type()) * kMasked;
  const torch::Tensor column = positive.unsqueeze(1);
  const torch::Tensor others = negative.scatter(1, column, -2 * kMasked);
  const torch::Tensor best = std::get<1>(others.topk(std::min(count, scores.size(1)), 1));
  const torch::Tensor result = at::ones_like(masked).scatter_(1, best, false).logical_or_(masked);
  return result.scatter_(1, column, false);
}

torch::Tensor pairwise_loss(const torch::Tensor& scores,
                            const torch::Tensor& ranks,
                            const torch::Tensor& masked,
                            std::int64_t cut) {
  const torch::Tensor w = at::where(ranks.le(cut), 1.0 / ranks.to(at::kFloat), at::zeros({1}));
  const torch::Tensor weight = (w.slice(1, 0, 1) - w.slice(1, 1)).abs();  // [B, C - 1]
  const torch::Tensor counted = masked.slice(1, 1).logical_not().to(scores.scalar_type());
  const torch::Tensor loss = weight * at::softplus(scores.slice(1, 1) - scores.slice(1, 0, 1)) * counted;
  return loss.sum(1) / counted.sum(1).clamp_min(1);
}

torch::Tensor distillation_loss(const torch::Tensor& scores, const torch::Tensor& teacher_scores) {
  return -(at::softmax(teacher_scores.detach(), 1) * at::log_softmax(scores, 1)).sum(1);
}

}  // namespace tenfold::retrieval
