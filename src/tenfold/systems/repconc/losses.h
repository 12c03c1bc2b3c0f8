// SPDX-License-Identifier: Apache-2.0
// The ranking losses of all stages.
#pragma once

#include <torch/types.h>

namespace tenfold::repconc {

// What is taken off the score of a document that must not count as a negative.
inline constexpr double kMasked = 1e4;

// -log softmax of the positive's score, per row: scores [B, C] already scaled, positive [B] columns, masked [B, C] bool or undefined.
// Returns [B].
torch::Tensor softmax_loss(torch::Tensor scores, const torch::Tensor& positive, const torch::Tensor& masked);

// Cross entropy from the teacher's distribution over the same candidates (Distill-VQ, equation 5): both [B, C]. Returns [B].
torch::Tensor distillation_loss(const torch::Tensor& scores, const torch::Tensor& teacher_scores);

}  // namespace tenfold::repconc
