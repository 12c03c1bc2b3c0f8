// SPDX-License-Identifier: Apache-2.0
// Loads the batches a sampler plans, ahead of time in several threads, and hands them out in the sampler's order.
#pragma once

#include <cstdint>
#include <memory>

#include "tenfold/data/dataset.h"
#include "tenfold/data/sampler.h"

namespace tenfold::data {

struct LoaderOptions {
  int threads = 1;   // 0: load in next() itself
  int prefetch = 2;  // batches kept ready a thread
};

struct LoadedBatch {
  Batch batch;
  BatchPlan plan;
};

// The batches are the same for any number of threads. An exception of the data set reaches the caller of next() at its
// place in the order, after which the loader must not be used.
class Loader {
 public:
  // `dataset` must outlive the loader.
  Loader(const Dataset& dataset, Sampler sampler, LoaderOptions options = {});
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  LoadedBatch next();
  // Position after the last batch that was handed out, whatever was loaded ahead: what a checkpoint keeps.
  SamplerState state() const;
  double waited_seconds() const;  // time next() spent waiting: 0 when loading keeps up

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tenfold::data
