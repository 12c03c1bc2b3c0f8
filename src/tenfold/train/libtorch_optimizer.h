// SPDX-License-Identifier: Apache-2.0
// LibTorch's SGD, Adam and AdamW behind our interface. Internal to train/.
#pragma once

#include <memory>
#include <vector>

#include "tenfold/train/optimizer.h"

namespace tenfold::train {

// options.name is "sgd", "adam" or "adamw"; options as make_optimizer() has checked them.
// State: "momentum/NAME" for sgd with momentum; "moment1/NAME", "moment2/NAME" and "step/NAME" for the others.
std::unique_ptr<Optimizer> make_libtorch_optimizer(const OptimizerOptions& options,
                                                   std::vector<NamedParameter> parameters);

}  // namespace tenfold::train
