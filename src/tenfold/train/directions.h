// SPDX-License-Identifier: Apache-2.0
// Random directions for forward gradients and zeroth-order estimators. Every entry is a pure function of (seed, step, micro
// batch, tangent, tensor, index): the same for any thread count, drawn again whenever it is needed, never stored by the
// estimators beyond a step.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "tenfold/kernels/random_fill.h"
#include "tenfold/train/gradient_estimator.h"

namespace tenfold::train {

// Laws with mean 0 and covariance I, so that E[(g.v) v] = g for every vector g. The ratio E|(g.v) v|^2 / |g|^2 with n entries:
enum class DirectionLaw : std::uint8_t {
  kGaussian,    // n + 2; Baydin et al. 2022, arXiv 2202.08587
  kRademacher,  // n: the least that independent entries of variance 1 allow; signs, so also the fastest
  kSphere,      // n; uniform on the sphere of radius sqrt(n) over all perturbed tensors together
  kRankOne,  // n; v = a b^T per tensor of shape [out, ...], a and b of signs: out + in random numbers instead of out x in
};

std::string_view to_string(DirectionLaw law);  // "gaussian", "rademacher", "sphere", "rank1"
// Throws Error(kConfig, "gradient.unknown_direction") with the nearest name.
DirectionLaw parse_direction_law(std::string_view name);

struct DirectionKey {
  EstimateKey estimate;
  std::uint64_t tangent = 0;  // 0 .. K - 1 when an estimate uses K directions
};

// What a random stream of a key is used for.
enum class StreamUse : std::uint32_t { kEntries, kRows, kColumns, kBlock, kActivity };

// The words from which one tensor's entries are drawn (kernels/random_fill.h). Fused layers that never build the direction
// draw from here and agree with it entry by entry: gaussian and rademacher fill kEntries in row-major order; rank1 fills a
// from kRows and b from kColumns.
kernels::RandomStream direction_stream(const DirectionKey& key, std::uint64_t tensor, StreamUse use);

// A tensor to perturb. `index` is its place in trainable_parameters(), whatever else is perturbed with it.
struct Perturbed {
  std::uint64_t index = 0;
  torch::Tensor value;  // floating or complex; a complex entry is two real ones
};

// One direction over a list of tensors, drawn on demand. Immutable; may be read from several threads.
class Direction {
 public:
  virtual ~Direction() = default;

  const std::vector<Perturbed>& tensors() const { return tensors_; }
  std::uint64_t numel() const { return numel_; }  // n: real entries over all tensors

  // The direction of tensors()[i] as a new tensor of its shape and type.
  virtual torch::Tensor draw(std::size_t i) const = 0;
  // target += scale x direction of tensors()[i]; target has its shape. Draws in pieces: no memory of the tensor's size.
  virtual void add_to(std::size_t i, const torch::Tensor& target, double scale) const = 0;
  // Entries first .. first + out.size() of the direction of tensors()[i] in row-major order, real and imaginary parts in turn.
  virtual void fill(std::size_t i, std::uint64_t first, std::span<double> out) const = 0;

 protected:
  explicit Direction(std::vector<Perturbed> tensors);

 private:
  std::vector<Perturbed> tensors_;
  std::uint64_t numel_ = 0;
};

// Throws Error(kData, "gradient.unsupported_dtype") for a tensor that is neither floating nor complex.
std::unique_ptr<Direction> random_direction(DirectionLaw law,
                                            const DirectionKey& key,
                                            std::vector<Perturbed> tensors);

// A direction the user chose (Silver et al., "Learning by directional gradient descent", ICLR 2022). given[i] is the direction of
// tensors[i]; undefined: not moved. Throws Error(kData, "gradient.bad_guess") when a count or shape differs or a value is not
// finite.
std::unique_ptr<Direction> given_direction(std::vector<Perturbed> tensors, std::vector<torch::Tensor> given);

// Real entries of a tensor: numel, twice that for complex types.
std::uint64_t real_numel(const torch::Tensor& tensor);

}  // namespace tenfold::train
