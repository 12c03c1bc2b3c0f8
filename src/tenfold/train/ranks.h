// SPDX-License-Identifier: Apache-2.0
// What the trainer does with the other processes of a run. A run of one process costs nothing here.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "tenfold/train/tensor_file.h"

namespace tenfold::train {

class Communicator;

class Ranks {
 public:
  explicit Ranks(Communicator* communicator) : communicator_(communicator) {}  // nullptr: one process

  int rank() const;
  int count() const;
  bool alone() const { return count() == 1; }
  bool writes() const { return rank() == 0; }
  std::uint64_t bytes_sent() const;  // by this process since it started, see Communicator

  // Sums over ranks, in place.
  void sum(std::span<double> values) const;
  void sum(std::span<std::uint64_t> counts) const;  // exact
  // Rank 0's values, to all.
  void share(std::span<double> values) const;
  void share(const TensorMap& tensors) const;
  void share(std::span<const torch::Tensor> tensors) const;  // in one message: for many small ones
  // What `make` gives on rank 0. An Error it throws there is thrown by all ranks.
  std::string share(const std::function<std::string()>& make) const;

 private:
  void share_bytes(std::string& bytes) const;

  Communicator* communicator_;
};

}  // namespace tenfold::train
