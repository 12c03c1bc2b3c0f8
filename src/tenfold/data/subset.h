// SPDX-License-Identifier: Apache-2.0
// Some rows of another data set: the parts of a split.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tenfold/data/dataset.h"

namespace tenfold::data {

// Row i is row rows[i] of `whole`, with the random numbers it has there; Batch::ids are rows of the subset.
class Subset final : public Dataset {
 public:
  // Throws Error(kInternal) for a row that `whole` does not have.
  Subset(std::shared_ptr<const Dataset> whole, std::vector<std::int64_t> rows);

  std::int64_t size() const override { return static_cast<std::int64_t>(rows_.size()); }
  Batch get(std::span<const std::int64_t> ids, const DrawKey& key) const override;
  std::string fingerprint() const override;  // of `whole` and the rows

  const std::vector<std::int64_t>& rows() const { return rows_; }

 private:
  std::shared_ptr<const Dataset> whole_;
  std::vector<std::int64_t> rows_;
};

struct SplitOptions {
  double valid_fraction = 0.1;  // of all rows; when positive, at least one row
  double test_fraction = 0.0;
  std::int64_t limit = 0;  // most rows for training, drawn likewise; 0: all that are left
  std::uint64_t seed = 1;
};

struct SplitRows {
  std::vector<std::int64_t> train;  // each in ascending order
  std::vector<std::int64_t> valid;
  std::vector<std::int64_t> test;
};

// Draws the parts by a permutation of the rows, a pure function of (seed, rows): no row is in two parts, none is lost (but
// by `limit`), and the test rows do not depend on valid_fraction. Throws Error(kConfig, "split.bad_option"): a fraction outside of 0..1, a negative limit, no row
// left for training, no rows, 2^32 rows or more.
SplitRows split_rows(std::int64_t rows, const SplitOptions& options);

}  // namespace tenfold::data
