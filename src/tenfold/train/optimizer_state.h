// SPDX-License-Identifier: Apache-2.0
// What all optimisers share: which parameters are decayed, and loading state by name. Internal to train/.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "tenfold/train/optimizer.h"

namespace tenfold::train {

// Weights with two or more dimensions whose name has none of options.no_decay in it.
bool is_decayed(const OptimizerOptions& options, const NamedParameter& parameter);

torch::Tensor counter_tensor(std::int64_t value);  // int64 scalar
// The counter `key` of a state that copy_state() has accepted.
std::int64_t counter_value(const TensorMap& state, const std::string& key);

// Checks that `given` has exactly the names, shapes and types of `own`, then copies its values into the tensors of `own`.
// Throws Error(kFile, "optimizer.bad_state") before anything has changed.
void copy_state(const TensorMap& own, const TensorMap& given);

// Throws Error(kConfig, "optimizer.sparse_gradient").
[[noreturn]] void throw_sparse_gradient(const std::string& optimizer, const std::string& parameter);

}  // namespace tenfold::train
