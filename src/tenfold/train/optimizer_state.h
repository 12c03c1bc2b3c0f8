// SPDX-License-Identifier: Apache-2.0
// What all optimisers share: which parameters are decayed, and loading state by name. Internal to train/.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "tenfold/train/optimizer.h"

namespace tenfold::train {

// Weights with two or more dimensions whose name has none of options.no_decay in it.
bool is_decayed(const OptimizerOptions& options, const NamedParameter& parameter);

torch::Tensor counter_tensor(std::int64_t value);  // int64 scalar
// The counter `key` of a state that copy_state() has accepted.
std::int64_t counter_value(const TensorMap& state, const std::string& key);

// The state of an optimiser of our own.
class StateTable {
 public:
  void add(const std::string& key, torch::Tensor tensor);  // which the optimiser goes on using
  std::int64_t& add_counter(const std::string& key);       // starts at 0; the reference stays valid

  TensorMap state() const;
  void load(const TensorMap& given);

 private:
  TensorMap tensors_;
  std::deque<std::pair<std::string, std::int64_t>> counters_;
};

// Parameters whose arrays our kernels can run over: float or double, strided, every element in memory once.
bool has_plain_memory(const torch::Tensor& value);
// Throws Error(kConfig, "optimizer.bad_type") for others.
void check_plain_memory(const std::string& optimizer, const NamedParameter& parameter);
// The same for those whose slices of the first dimension are not contiguous in memory.
void check_contiguous_rows(const std::string& optimizer, const NamedParameter& parameter);
// Kernels write behind LibTorch's back: with this, a graph that still needs the old values notices.
void mark_changed(const torch::Tensor& value);
// The gradient in the memory order of the parameter: itself, or a copy. Undefined when there is none; throws for a sparse one.
torch::Tensor in_memory_order_of(const torch::Tensor& value,
                                 const torch::Tensor& dense);  // `dense`, or a copy
torch::Tensor gradient_like_value(const std::string& optimizer, const NamedParameter& parameter);

// Checks that `given` has exactly the names, shapes and types of `own`, then copies its values into the tensors of `own`.
// Throws Error(kFile, "optimizer.bad_state") before anything has changed.
void copy_state(const TensorMap& own, const TensorMap& given);

// Throws Error(kConfig, "optimizer.sparse_gradient").
[[noreturn]] void throw_sparse_gradient(const std::string& optimizer, const std::string& parameter);

}  // namespace tenfold::train
