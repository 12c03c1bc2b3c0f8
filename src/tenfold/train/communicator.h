// SPDX-License-Identifier: Apache-2.0
// The ranks of a distributed run, and the sum of their gradients. One process is a world of one, at no cost. Over several
// processes: LibTorch's c10d with Gloo (TCP). No c10d header here.
//
//   auto communicator = make_communicator(communicator_options_from_environment());
//   broadcast_parameters(*communicator, parameters, 0);
//   GradientReducer reducer(*communicator, parameters);
//   ... every step: all micro-batches but the last, then
//   reducer.prepare();
//   (loss * local_examples / global_examples).backward();  // buckets leave while it runs
//   reducer.finish();                                      // p.grad() is the sum over ranks
//
// The network is trusted: rank 0 listens on master_port on all addresses of its machine, without a password, until the run ends.
#pragma once

#include <torch/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tenfold/base/stop.h"
#include "tenfold/train/gradient_estimator.h"

namespace tenfold::train {

struct CommunicatorOptions {
  int rank = 0;
  int world_size = 1;
  std::string master_address = "127.0.0.1";  // rank 0 listens here
  int master_port = 29500;
  std::string job;        // the same on all ranks; keeps a stray rank of another job out
  std::string interface;  // network interface of Gloo ("eth0"); empty: the one that reaches the master
  std::chrono::milliseconds timeout = std::chrono::seconds(300);
  const StopToken* stop = nullptr;  // ends the wait for the other ranks at start; may be null
};

// From the environment of this process (base/rank_environment.h says which variables). Throws Error(kConfig,
// "distributed.bad_environment").
CommunicatorOptions communicator_options_from_environment();

// A collective operation that a dead or stuck rank cannot finish throws Error(kResource, "distributed.lost_rank") with the
// operation, the ranks that gave no sign, and the time-out. A dead rank is noticed at once, because its connections close; a
// stuck one after the time-out. After that error every later call throws it again.
// Not thread-safe. All ranks call the same operations with the same shapes and types in the same order. Sums are done in the
// same order on every run, and all ranks get the same bits. Tensors: CPU, float16/32/64 or (u)int8/32/64, any strides; another
// type throws Error(kUsage, "distributed.dtype").
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int world_size() const = 0;
  virtual void all_reduce_sum(torch::Tensor& tensor) = 0;       // in place
  virtual void broadcast(torch::Tensor& tensor, int root) = 0;  // in place
  virtual void barrier() = 0;

  // A sum that runs in the background. The tensor must not be touched until wait() returns.
  class Pending {
   public:
    virtual ~Pending() = default;
    virtual void wait() = 0;
  };
  virtual std::unique_ptr<Pending> start_all_reduce_sum(torch::Tensor tensor) = 0;

  // Payload: bytes of all tensors that this rank handed to the two sums so far. 0 in a world of one.
  virtual std::uint64_t bytes_reduced() const = 0;
  // What Gloo's ring sends for that payload B, mean over the n ranks: 2 (n-1)/n B, rounded down. (A ring passes each byte
  // over n-1 links while it is summed and n-1 more while the sum is handed out: 2 (n-1) B over all ranks. The headers
  // of its messages, 48 bytes each, come on top.)
  std::uint64_t bytes_sent() const;
};

// Waits until all ranks are there. Throws Error(kResource, "distributed.lost_rank") naming the missing ones after the
// time-out, "distributed.port_in_use", "distributed.stopped"; Error(kConfig, "distributed.bad_address"), or
// "distributed.bad_environment" when ranks disagree on the world size or two have the same rank.
std::unique_ptr<Communicator> make_communicator(const CommunicatorOptions& options);

// Every rank gets the values of `root`.
void broadcast_parameters(Communicator& communicator, std::span<const NamedParameter> parameters, int root);

struct GradientReducerOptions {
  std::uint64_t bucket_bytes = std::uint64_t{4} << 20;  // a larger parameter has a bucket of its own
  // false: all buckets start in finish(). Needed when a gradient changes after its backward pass: an estimator that scales
  // p.grad() afterwards, or a parameter used by two checkpointed segments.
  bool overlap = true;
};

// Sums gradients over ranks in buckets while the backward pass still runs. Buckets are filled in reverse order of the
// parameters, because the last layers' gradients are ready first; hooks on the parameters' gradient accumulators start a
// bucket when its last gradient is there and the buckets before it have started, so all ranks start them in one order.
//
// p.grad() becomes a view of its bucket's buffer, which is reused in every step: nothing is copied when the gradients
// are zeroed in place, one copy when they are reset to undefined. A parameter without a gradient counts as zeros, also when no
// rank used it. Sparse gradients become dense ones. In a world of one nothing happens at all.
// Construction compares names, shapes and types over ranks: Error(kConfig, "distributed.different_models").
class GradientReducer {
 public:
  GradientReducer(Communicator& communicator,
                  std::vector<NamedParameter> parameters,
                  GradientReducerOptions options = {});
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  // Before the last micro-batch of a step: gradients are reduced as they become ready. No other collective operation until
  // finish() has returned.
  void prepare();
  // Starts what no hook has started (all, after an estimator without a backward pass), waits, and leaves the sum over
  // ranks in p.grad(). Throws Error(kConfig, "distributed.late_gradient") when a gradient changed after its bucket started.
  void finish();

  std::size_t buckets() const;
  double overlapped_share() const;  // share of buckets of the last step that a hook started

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with the hooks
};

}  // namespace tenfold::train
