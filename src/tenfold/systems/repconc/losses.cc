// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/repconc/losses.h"

#include <ATen/Functions.h>

namespace tenfold::repconc {

torch::Tensor softmax_loss(torch::Tensor scores, const torch::Tensor& positive, const torch::Tensor& masked) {
  if (masked.defined()) scores = scores - masked.to(scores.scalar_type()) * kMasked;
  return -at::log_softmax(scores, 1).gather(1, positive.unsqueeze(1)).squeeze(1);
}

torch::Tensor distillation_loss(const torch::Tensor& scores, const torch::Tensor& teacher_scores) {
  return -(at::softmax(teacher_scores.detach(), 1) * at::log_softmax(scores, 1)).sum(1);
}

}  // namespace tenfold::repconc
