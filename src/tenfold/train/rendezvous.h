// SPDX-License-Identifier: Apache-2.0
// How the ranks of a run find each other: a c10d TCPStore on rank 0, and the address at which a rank is reached. Internal
// to communicator.h.
#pragma once

#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

#include "tenfold/train/communicator.h"

namespace tenfold::train {

// The shared table of a run, with what every rank says about itself. Not thread-safe.
class Rendezvous {
 public:
  // Waits for all ranks. Throws as make_communicator().
  explicit Rendezvous(const CommunicatorOptions& options);

  const c10::intrusive_ptr<c10d::Store>& store() const { return store_; }

  // Tells the others that this rank met a failure, gives them half a second to say the same, and returns the ranks that did
  // not: those are the ones to look at. {0} when the table itself, which rank 0 keeps, is gone.
  std::vector<int> ranks_without_a_sign();

 private:
  void arrive();
  void check_world_size();
  std::vector<int> missing(const std::string& prefix);

  const CommunicatorOptions& options_;
  c10::intrusive_ptr<c10d::Store> store_;
};

// The numeric address of this machine on the way to the master.
std::string local_address(const CommunicatorOptions& options);

// Text of an exception without LibTorch's stack trace.
std::string short_text(const std::exception& failure);

// "rank 1", "ranks 1, 2 and 5"
std::string name_ranks(const std::vector<int>& ranks);

}  // namespace tenfold::train
