// SPDX-License-Identifier: Apache-2.0
// Which parameters an estimate perturbs: a subset by name, or one block a step; and how several slopes become one gradient.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/train/directions.h"
#include "tenfold/train/gradient_estimator.h"

namespace tenfold::train {

// The parameters whose name contains one of `only`; all when `only` is empty. Throws Error(kConfig, "gradient.nothing_selected")
// with the nearest parameter name when an entry selects none, or when there is no parameter at all.
std::vector<Perturbed> select_parameters(std::span<const NamedParameter> parameters,
                                         std::span<const std::string> only);

// Parts of which one is perturbed at a time.
enum class BlockSize : std::uint8_t {
  kAll,     // no blocks
  kTensor,  // one parameter tensor
  kLayer,   // the parameters of one module: those whose names agree up to the last dot
};
// "none", "tensor", "layer". Throws Error(kConfig, "gradient.unknown_block") with the nearest name.
BlockSize parse_block_size(std::string_view name);

// A block is perturbed with probability p = its entries / all entries and its estimate divided by p. That is unbiased, and with
// signs the second moment stays n |g|^2: sum_l p_l (n_l / p_l^2) |g_l|^2 with p_l = n_l / n.
struct Block {
  std::vector<Perturbed> tensors;
  double probability = 1.0;
};
std::vector<Block> make_blocks(std::span<const NamedParameter> parameters,
                               const std::vector<Perturbed>& selected,
                               BlockSize size);

// The block of one tangent, drawn from its key.
const Block& choose_block(std::span<const Block> blocks, const DirectionKey& key);

// Coefficients c of the estimate sum_j c_j v_j from slopes d_j = g.v_j.
//
// Mean: c_j = d_j / K. With one direction law the second moment ratio is (n + K + 1) / K for Gaussians, (n + K - 1) / K for signs.
std::vector<double> mean_coefficients(std::span<const double> slopes);

// Orthogonal projection of g on the span of the directions (Fluegel et al. 2024, arXiv 2410.17764): V (V^T V)^-1 V^T g, solved by
// Cholesky. A direction that depends on those before it adds nothing to the span and is left out (`dropped` counts them), so more
// directions than parameters are fine. The projection of random directions has mean (K / n) g, not g: the learning rate absorbs
// the factor. Throws Error(kData, "gradient.zero_direction") when all directions are zero.
struct Projection {
  std::vector<double> coefficients;
  std::size_t dropped = 0;
};
Projection orthogonal_projection(std::span<const std::unique_ptr<Direction>> directions,
                                 std::span<const double> slopes);

}  // namespace tenfold::train
