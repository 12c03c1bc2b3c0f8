// SPDX-License-Identifier: Apache-2.0
// SGD, Adam and AdamW in one pass over the memory of all parameters (kernels/optimizer_update.h). Same options, same state by
// name and, but for the last bits, the same numbers as train/libtorch_optimizer.h. Internal to train/.
#pragma once

#include <memory>
#include <vector>

#include "tenfold/train/optimizer.h"

namespace tenfold::train {

// nullptr when a parameter has another type than float and double, or memory with holes.
std::unique_ptr<Optimizer> make_fused_optimizer(const OptimizerOptions& options,
                                                const std::vector<NamedParameter>& parameters);

}  // namespace tenfold::train
