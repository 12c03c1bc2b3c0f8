// SPDX-License-Identifier: Apache-2.0
// LAMB: Adam's direction with a length in proportion to the weights, for large batches.
#pragma once

#include <memory>
#include <vector>

#include "tenfold/train/optimizer.h"

namespace tenfold::train {

// You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020, algorithm 2 with
// phi(x) = x, a tensor being a layer:
//   m, v as Adam;  u = m^ / (sqrt(v^) + epsilon) + weight_decay x;  x <- x - rate |x| / |u| u
// The ratio is 1 when |x| or |u| is 0, and for tensors that are not decayed: gains and biases start at 0 or 1 and would hardly
// move with a ratio (the authors leave the same ones out). Two passes over the memory; norms are summed in double in a fixed
// order. State: "moment1/NAME", "moment2/NAME", "step/NAME".
// Other types than float and double: Error(kConfig, "optimizer.bad_type").
std::unique_ptr<Optimizer> make_lamb(const OptimizerOptions& options, std::vector<NamedParameter> parameters);

}  // namespace tenfold::train
