// SPDX-License-Identifier: Apache-2.0
// Loss and accuracy of a classifier over a whole data set.
#pragma once

#include <torch/types.h>

#include <functional>

#include "tenfold/data/dataset.h"

namespace tenfold::forward_gradient {

struct Score {
  double loss = 0.0;      // mean cross entropy
  double accuracy = 0.0;  // share of rows whose largest logit is that of their label
};

// `predict`: inputs [B, ...] to logits [B, classes]. Batches hold inputs and labels. No gradient is recorded.
using Predict = std::function<torch::Tensor(const torch::Tensor& inputs)>;
Score score(const data::Dataset& rows, const Predict& predict);

}  // namespace tenfold::forward_gradient
