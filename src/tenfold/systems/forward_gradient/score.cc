// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/score.h"

#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace tenfold::forward_gradient {
namespace {

constexpr std::int64_t kScoreBatch = 500;

}  // namespace

Score score(const data::Dataset& rows, const Predict& predict) {
  const c10::NoGradGuard no_grad;
  Score sum;
  for (std::int64_t begin = 0; begin < rows.size(); begin += kScoreBatch) {
    std::vector<std::int64_t> ids(static_cast<std::size_t>(std::min(kScoreBatch, rows.size() - begin)));
    std::iota(ids.begin(), ids.end(), begin);
    const data::Batch batch = rows.get(ids, {});
    const torch::Tensor logits = predict(batch.tensors[0]);
    sum.loss += at::cross_entropy_loss(logits, batch.tensors[1], {}, at::Reduction::Sum).item<double>();
    sum.accuracy += logits.argmax(1).eq(batch.tensors[1]).sum().item<double>();
  }
  const auto n = static_cast<double>(rows.size());
  return {sum.loss / n, sum.accuracy / n};
}

}  // namespace tenfold::forward_gradient
