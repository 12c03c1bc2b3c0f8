// SPDX-License-Identifier: Apache-2.0
// Loads the batches a sampler plans, ahead of time in several threads, and hands them out in the sampler's order.
#pragma once

#include <cstdint>
#include <memory>

#include "tenfold/data/dataset.h"
#include "tenfold/data/sampler.h"

namespace tenfold::data {

struct LoaderOptions {
  int threads = 1;   // 0: load in next() itself; at most 256
  int prefetch = 2;  // batches kept ready a thread, 1 to 1024
};

struct LoadedBatch {
  Batch batch;  // of this rank
  BatchPlan plan;
};

// The batches are the same for any number of threads. An exception of the data set reaches the caller of next() at its
// place in the order, and again at each further call; state() stays before the batch that failed. The threads of the loader
// use one core each: operators of LibTorch called by the data set do not start more. One caller at a time.
class Loader {
 public:
  // `dataset` must outlive the loader. The order starts at the sampler's state. Throws Error(kConfig, "loader.bad_option")
  // and, when the system gives no more threads, Error(kResource, "loader.no_threads").
  Loader(const Dataset& dataset, Sampler sampler, LoaderOptions options = {});
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  LoadedBatch next();
  // Position after the last batch that was handed out, whatever was loaded ahead: what a checkpoint keeps.
  SamplerState state() const;
  // Wall time next() spent waiting for batches, or loading them when there are no threads: near 0 when loading keeps up.
  double waited_seconds() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tenfold::data
