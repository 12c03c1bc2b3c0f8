// SPDX-License-Identifier: Apache-2.0
// The order in which rows are visited: a pure function of (seed, epoch), resumable anywhere by two numbers.
#pragma once

#include <cstdint>
#include <vector>

namespace tenfold::data {

struct SamplerOptions {
  std::int64_t batch_size = 64;  // rows of the global batch, over all ranks
  bool shuffle = true;           // a new permutation each epoch
  bool drop_last = false;        // leave the short last batch of an epoch out
  std::uint64_t seed = 0;
  // A rank sees its contiguous part of every global batch: the union over ranks, in their order, is the batch of one
  // process. Parts differ by at most one row, the lower ranks have more.
  int rank = 0;
  int world_size = 1;
};

// After the last batch of an epoch: {epoch + 1, 0}.
struct SamplerState {
  std::int64_t epoch = 0;
  std::int64_t batch = 0;  // batches handed out in this epoch, less than batches_per_epoch()
  bool operator==(const SamplerState&) const = default;
};

struct BatchPlan {
  std::int64_t epoch = 0;
  std::int64_t batch = 0;         // number of the batch in its epoch
  std::int64_t global_size = 0;   // rows over all ranks
  std::vector<std::int64_t> ids;  // of this rank; empty when the last batch has fewer rows than ranks
};

// Not thread-safe.
class Sampler {
 public:
  // Throws Error(kConfig, "sampler.bad_option"): no rows, 2^32 rows or more to shuffle, batch_size < 1 or < world_size, a
  // rank outside of the world, or drop_last with fewer rows than one batch.
  Sampler(std::int64_t rows, SamplerOptions options);

  BatchPlan next();                        // goes on to the next epoch by itself
  std::int64_t batches_per_epoch() const;  // at least 1
  SamplerState state() const;              // position after the last next()
  // Throws Error(kFile, "sampler.bad_state") when the numbers do not fit this data set and batch size.
  void restore(const SamplerState& state);
  const SamplerOptions& options() const { return options_; }

 private:
  void shuffle();  // order_ of the current epoch, when it is not there yet

  std::int64_t rows_;
  SamplerOptions options_;
  SamplerState state_;
  std::int64_t shuffled_epoch_ = -1;
  std::vector<std::uint32_t> order_;  // of that epoch: 4 bytes a row
};

}  // namespace tenfold::data
