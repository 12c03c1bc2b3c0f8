// SPDX-License-Identifier: Apache-2.0
// Balanced assignment of rows to codewords by optimal transport (Cuturi 2013; RepCONC, Zhan et al. 2022, section 3.2): every codeword
// gets the same share of a batch.
//
//   min over Q >= 0 of sum Q_ik C_ik - eps H(Q),  rows of Q sum to 1 / B, columns to 1 / K;   Q = diag(u) exp(-C / eps) diag(v)
//
// Start with Q = exp(-C / eps); T times columns, then rows are scaled to their sums, so that rows are exact in the end. The code of a
// row is argmax_k Q_ik.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tenfold/config/field.h"
#include "tenfold/search/vectors.h"

namespace tenfold::search {

struct SinkhornOptions {
  double epsilon = 0.003;  // in units of the scaled costs
  std::int64_t iterations = 100;
  bool scale_costs =
      true;  // to [-1, 1], from their least and largest; without it epsilon is in the costs' own unit

  void visit_fields(auto&& field) {
    field("epsilon",
          epsilon,
          {.help = "weight of the entropy; costs are scaled to [-1, 1]", .min = 1e-6, .max = 1e6});
    field("iterations", iterations, {.help = "rounds of scaling columns and rows", .min = 1, .max = 1e6});
    field("scale_costs", scale_costs, {.help = "scale the costs to [-1, 1]"});
  }
};

// How evenly codes 0..K-1 are used by B rows.
struct CodeUsage {
  double entropy = 0;    // bits, at most log2 K
  double imbalance = 0;  // mean over codewords of |1 - n_k K / B|
};
CodeUsage code_usage(std::span<const std::uint32_t> codes, std::size_t codewords);

struct SinkhornResult {
  std::vector<std::uint32_t> codes;    // [B]: argmax of the plan's rows, ties to the lowest
  std::vector<std::uint32_t> nearest;  // [B]: argmin of the costs
  std::vector<double> log_u, log_v;    // log Q_ik = log_u_i + log_v_k - cost_ik / eps, with costs as scaled
  double marginal_error = 0;  // mean over codewords of |1 - K sum_i Q_ik|: how far the plan is from converged
  CodeUsage usage, nearest_usage;
  double disagreement = 0;  // share of rows whose code is not the nearest codeword
};

// costs: [rows, codewords]. In double where exp(-C / eps) can hold the range of costs, else in the log domain; both give the same plan.
// Throws Error(kData): "sinkhorn.shape" (no rows or codewords, or another number of costs), "sinkhorn.not_finite"; Error(kConfig) for
// options out of range.
SinkhornResult sinkhorn(std::span<const float> costs,
                        std::size_t codewords,
                        const SinkhornOptions& options = {});

// The same, always in the log domain: slower, and the oracle of the tests.
SinkhornResult sinkhorn_log_domain(std::span<const float> costs,
                                   std::size_t codewords,
                                   const SinkhornOptions& options = {});

// The plan itself, [rows, codewords]; its sum is 1.
std::vector<double> transport_plan(const SinkhornResult& result,
                                   std::span<const float> costs,
                                   const SinkhornOptions& options = {});

// For each block j of a product quantiser: squared distances of the sub-vectors to the block's codewords, then sinkhorn(). Blocks run
// on the threads of base/threads.h; one block's matrix is in memory per thread. centroids: [blocks, codewords, dimension / blocks].
std::vector<SinkhornResult> balanced_codes(const Vectors& rows,
                                           std::span<const float> centroids,
                                           std::size_t blocks,
                                           const SinkhornOptions& options = {});

}  // namespace tenfold::search
