// SPDX-License-Identifier: Apache-2.0
// Whether new documents still look like those that a product quantiser was trained on: the error of their codes, and how evenly each block
// uses its codewords.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/search/product_quantizer.h"
#include "tenfold/search/vectors.h"

namespace tenfold::search {

// Codes of some vectors, counted; what a bundle keeps of the training vectors.
struct CodeCounts {
  std::vector<std::uint64_t> counts;  // [blocks, codewords]
  std::uint64_t rows = 0;
  double squared_error = 0;   // sum over rows of |x - x^|^2
  double squared_length = 0;  // sum over rows of |x|^2

  // Bits of each block, with the correction of Miller (1955) for few rows: what a sample of any size estimates without much bias. At most
  // log2 of the codewords.
  std::vector<double> entropy(std::size_t blocks) const;
};
// Throws Error(kData) as check_vectors(). Uses the threads of base/threads.h.
CodeCounts count_codes(const ProductQuantizer& quantizer, const Vectors& rows);

struct DriftOptions {
  double max_error_ratio = 1.25;
  double max_entropy_loss = 0.5;
  std::int64_t min_rows = 1000;

  void visit_fields(auto&& field) {
    field("max_error_ratio",
          max_error_ratio,
          {.help = "error of new rows, as a share of their length, over that of the training rows",
           .min = 1.0,
           .max = 1e6});
    field("max_entropy_loss",
          max_entropy_loss,
          {.help = "by which the codes of a block may say less than in training",
           .unit = "bit",
           .min = 0.0,
           .max = 8.0});
    field("min_rows", min_rows, {.help = "new rows before anything is said", .min = 1, .max = 1e9});
  }
};

struct DriftReport {
  std::uint64_t rows = 0;
  double error = 0, training_error = 0;  // |x - x^|^2 / |x|^2, sums over sums
  double error_ratio = 1;
  std::vector<double> entropy, training_entropy;  // bits, by block
  std::size_t worst_block = 0;                    // the one that lost most
  double entropy_loss = 0;                        // there; below 0 when no block lost any
  bool enough = false;                            // rows reach min_rows; otherwise `drifted` is false
  bool drifted = false;
  std::string reason;  // why, with the remedy; empty when nothing drifted
};

// Not thread-safe.
class DriftMonitor {
 public:
  // `training`: counts of vectors like those the quantiser was trained on. Throws Error(kData, "drift.shape") when they are of another
  // quantiser or of no rows; Error(kConfig) for options out of range. The quantiser must outlive the object.
  DriftMonitor(const ProductQuantizer& quantizer, CodeCounts training, DriftOptions options = {});

  // Takes rows that are added to an index into account. Throws as check_vectors(), and has then taken none.
  void observe(const Vectors& rows);
  void forget() { seen_ = {}; }
  DriftReport report() const;

 private:
  const ProductQuantizer& quantizer_;
  CodeCounts training_, seen_;
  DriftOptions options_;
};

}  // namespace tenfold::search
