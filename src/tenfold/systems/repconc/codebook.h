// SPDX-License-Identifier: Apache-2.0
// Codewords that are trained: assignment of vectors to them, the straight-through estimator, and scores of coded documents.
//
//   x = R f(text);  phi_j(x) = code of block j;  x^ = [c_{1,phi_1} ; ... ; c_{M,phi_M}];   s(q, x) = <R f(q), x^>     (section 3.1)
//
// With unit blocks ("centroid cosine") each sub-vector and codeword is scaled to length 1 / sqrt(M) first, so that a score is the mean over
// blocks of their cosine, and settings carry over from one M to another.
//
// R is a rotation found by OPQ and stays fixed. While training, codes are balanced over the batch by Sinkhorn's algorithm
// (section 3.2, search/sinkhorn.h); afterwards a code is the nearest codeword.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tenfold/search/product_quantizer.h"
#include "tenfold/search/sinkhorn.h"

namespace tenfold::repconc {

// How a batch was assigned, by block.
struct Assignment {
  torch::Tensor codes;                                  // [B, M] int64
  std::vector<search::CodeUsage> usage, nearest_usage;  // of these codes, and of the nearest codewords
  std::vector<double> disagreement;  // share of rows whose code is not the nearest codeword
};

class CodebookImpl : public torch::nn::Module {
 public:
  // Starts from the rotation and the codewords of a trained quantiser; without a rotation R = 1. The parameter holds the codewords
  // divided by `rate`: for an optimiser whose steps do not depend on the scale of the gradient (Adam) their learning rate
  // is then `rate` times that of the other parameters.
  CodebookImpl(const search::ProductQuantizer& start, double rate, bool unit_blocks = false);

  std::int64_t blocks() const { return blocks_; }
  std::int64_t size() const { return size_; }  // K
  std::int64_t dimension() const { return blocks_ * width_; }

  torch::Tensor codewords() const;                                // [M, K, d / M]
  torch::Tensor rotate(const torch::Tensor& x) const;             // [B, d] -> R x, [B, d]
  torch::Tensor rotate_back(const torch::Tensor& rotated) const;  // [B, d] -> R^T x
  torch::Tensor nearest(const torch::Tensor& rotated) const;  // [B, d] -> codes [B, M]; ties to the lowest
  // mode: "sinkhorn" or "nearest". Carries no gradient.
  Assignment assign(const torch::Tensor& rotated,
                    const std::string& mode,
                    const search::SinkhornOptions& options) const;
  torch::Tensor decode(const torch::Tensor& codes) const;  // [B, M] -> x^, [B, d]
  // <q, c_{j,k}> of every block and codeword: [Q, d] -> [Q, M, K].
  torch::Tensor tables(const torch::Tensor& rotated_queries) const;

  // The same as a quantiser of the search library; takes vectors before the rotation.
  search::ProductQuantizer quantizer() const;
  // For vectors that are rotated already.
  search::ProductQuantizer quantizer_of_rotated() const;

 private:
  torch::Tensor by_block(const torch::Tensor& x) const;  // [B, d] -> [M, B, d / M]

  std::int64_t blocks_, size_, width_;
  std::size_t bits_;
  double rate_;
  bool rotated_, unit_blocks_;
  torch::Tensor scaled_;    // parameter, [M, K, d / M]
  torch::Tensor rotation_;  // buffer, [d, d]
};
TORCH_MODULE(Codebook);

// x^ + x - stopgrad(x): the value of x^, the gradient of which reaches x and the codewords alike (section 3.3).
torch::Tensor straight_through(const torch::Tensor& x, const torch::Tensor& decoded);

}  // namespace tenfold::repconc
