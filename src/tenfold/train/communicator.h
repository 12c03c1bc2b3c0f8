// SPDX-License-Identifier: Apache-2.0
// The ranks of a distributed run. One process is a world of one, with no cost. Over several processes: LibTorch's c10d with
// Gloo. No c10d header here.
#pragma once

#include <torch/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "tenfold/train/gradient_estimator.h"

namespace tenfold::train {

struct CommunicatorOptions {
  int rank = 0;
  int world_size = 1;
  std::string master_address = "127.0.0.1";  // rank 0 listens here
  int master_port = 29500;
  std::string
      interface;  // network interface of Gloo; empty: "lo" when the master is this machine, else by host name
  std::chrono::seconds timeout{60};
};

// From RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT (`tenfold launch`, torchrun), OMPI_COMM_WORLD_* or PMI_* (mpirun), SLURM_* (srun);
// a world of one when none is set. Throws Error(kConfig, "distributed.bad_environment").
CommunicatorOptions communicator_options_from_environment();

// A collective that a dead or stuck rank cannot finish throws Error(kResource, "distributed.lost_rank") within the time-out.
// Not thread-safe. All ranks call the same collectives in the same order.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int world_size() const = 0;
  virtual void all_reduce_sum(torch::Tensor& tensor) = 0;  // in place
  virtual void broadcast(torch::Tensor& tensor, int root) = 0;
  virtual void barrier() = 0;
  // Payload this rank sent in reductions of gradients so far, by the ring formula 2 (n-1)/n x bytes.
  virtual std::uint64_t bytes_reduced() const = 0;  // bytes of all tensors handed to all_reduce_sum

  // Starts a sum in the background; wait() finishes it. `tensor` must live until then.
  class Pending {
   public:
    virtual ~Pending() = default;
    virtual void wait() = 0;
  };
  virtual std::unique_ptr<Pending> start_all_reduce_sum(torch::Tensor tensor) = 0;
};

std::unique_ptr<Communicator> make_communicator(const CommunicatorOptions& options);

// Sums gradients over ranks in buckets while the backward pass still runs: hooks on the parameters' gradient accumulators
// start a bucket's reduction when its last gradient is there.
class GradientReducer {
 public:
  GradientReducer(Communicator& communicator,
                  std::vector<NamedParameter> parameters,
                  std::uint64_t bucket_bytes = std::uint64_t{4} << 20);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  // Before the last micro-batch of a step: gradients from here on are reduced as they become ready.
  void prepare();
  // Waits for all buckets (those that no hook started are started now) and leaves the sum over ranks in p.grad().
  void finish();
  double overlapped_share() const;  // share of buckets of the last step that were started by a hook

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tenfold::train
