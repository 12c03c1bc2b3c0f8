// SPDX-License-Identifier: Apache-2.0
// The interface of a data set: random access by row, batches as tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tenfold/base/random.h"

namespace tenfold::data {

// Examples side by side. Which tensors there are, and their shapes, is the data set's promise.
struct Batch {
  std::vector<at::Tensor> tensors;  // each [B, ...]: images [B, C, H, W] and labels [B], tokens [B, T], ...
  std::vector<std::int64_t> ids;    // row of each example in the data set

  std::int64_t size() const { return static_cast<std::int64_t>(ids.size()); }
};

// Key of the random numbers an example may use (crops, flips, noise).
struct DrawKey {
  std::uint64_t seed = 0;
  std::int64_t epoch = 0;
};

// The random numbers of row `id` in this epoch, a pure function of the three: they depend neither on threads nor on the
// order of loading. The stream is Philox4x32-10 of (epoch, id), so it meets no other stream of the seed but by chance.
random::Generator example_draws(const DrawKey& key, std::int64_t id);

// Const methods may be called from several threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::int64_t size() const = 0;
  // The rows `ids`, in this order, each in [0, size()).
  virtual Batch get(std::span<const std::int64_t> ids, const DrawKey& key) const = 0;
  // Names content and preparation: two data sets with one fingerprint give the same batches.
  virtual std::string fingerprint() const = 0;
};

// Throws Error(kInternal) for an id outside of [0, rows): the first line of every get().
void check_rows(std::span<const std::int64_t> ids, std::int64_t rows);

}  // namespace tenfold::data
