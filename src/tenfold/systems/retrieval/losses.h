// SPDX-License-Identifier: Apache-2.0
// The ranking losses of all stages.
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace tenfold::retrieval {

// What is taken off the score of a document that must not count as a negative.
inline constexpr double kMasked = 1e4;

// -log softmax of the positive's score, per row: scores [B, C] already scaled, positive [B] columns, masked [B, C] bool or undefined.
// Returns [B].
torch::Tensor softmax_loss(torch::Tensor scores, const torch::Tensor& positive, const torch::Tensor& masked);

// Masks all but the `count` best negatives of each row ("dynamic" hard negatives): scores [B, C], positive [B], masked [B, C] bool.
// Returns [B, C]; masked columns never count as negatives, and the positive stays. Carries no gradient.
torch::Tensor mask_all_but_hardest(const torch::Tensor& scores,
                                   const torch::Tensor& positive,
                                   const torch::Tensor& masked,
                                   std::int64_t count);

// Pairwise logistic loss weighted by the change of reciprocal rank (JPQ, section 3.2, after LambdaRank):
//
//   mean over negatives j of |w_0 - w_j| log(1 + exp(s_j - s_0)),   w = 1 / rank, 0 beyond `cut`
//
// scores [B, C] with the positive in column 0; ranks [B, C] int64 from 1 in the whole index, masked [B, C] bool. Returns [B].
torch::Tensor pairwise_loss(const torch::Tensor& scores,
                            const torch::Tensor& ranks,
                            const torch::Tensor& masked,
                            std::int64_t cut);

// Cross entropy from the teacher's distribution over the same candidates (Distill-VQ, equation 5): both [B, C]. Returns [B].
torch::Tensor distillation_loss(const torch::Tensor& scores, const torch::Tensor& teacher_scores);

}  // namespace tenfold::retrieval
