// SPDX-License-Identifier: Apache-2.0
// The parts of a step: micro-batches, and the random numbers of each.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tenfold/data/loader.h"
#include "tenfold/train/gradient_estimator.h"

namespace tenfold::train {

struct MicroBatch {
  data::Batch batch;    // rows in the order of the whole batch; tensors share its memory
  double weight = 1.0;  // share of these rows in the batch of all ranks
  std::uint64_t index =
      0;  // within the step, over all ranks: the part rank r of n takes is that of one process with
          // n times as many micro-batches
  bool last = true;  // of this rank
};

// Cuts this rank's rows into `count` contiguous parts whose sizes differ by at most one; parts without rows are left out.
std::vector<MicroBatch> micro_batches(const data::LoadedBatch& loaded, std::int64_t count, int rank);

// Seeds LibTorch's default CPU generator with a pure function of the key. All draws after that repeat. LibTorch uses 32 bits
// of the seed.
void seed_generator(const EstimateKey& key);

// What a step's micro-batches gave.
class StepSum {
 public:
  void add(StepOutput output, double weight);

  double loss = 0.0;        // weighted mean: over this rank until reduced, then over all
  Figures metrics() const;  // weighted means over this rank's part; reads the tensors

 private:
  struct Part {
    std::vector<std::pair<std::string, torch::Tensor>> metrics;
    double weight;
  };
  std::vector<Part> parts_;
};

}  // namespace tenfold::train
