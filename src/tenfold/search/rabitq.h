// SPDX-License-Identifier: Apache-2.0
// RaBitQ: codes of one bit a coordinate after a random rotation, with an unbiased estimate of inner products and nothing to train but a
// centre (Gao and Long 2024, arXiv 2405.12497), and its extension to more bits (Gao et al. 2024, arXiv 2409.09913).
//
//   r = P (x - c);  code_j = grid point nearest to r_j / t, t chosen for the largest cosine of y and r;  y_j = code_j - (2^B - 1) / 2
//   <q, x> ~ <q, c> + f <P q, y>,  f = |r|^2 / <y, r>
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tenfold/search/quantizer.h"
#include "tenfold/search/vectors.h"

namespace tenfold::search {

struct RabitqParts {
  std::size_t dimension = 0;
  std::size_t bits = 1;         // of a coordinate: 1, 2, 4 or 8
  std::vector<float> rotation;  // P, [d, d]
  std::vector<float> centre;    // c, [d]
};

class Rabitq final : public Quantizer {
 public:
  // Throws Error(kData): "rabitq.shape", "rabitq.not_finite".
  explicit Rabitq(RabitqParts parts);

  std::string_view kind() const override { return "rabitq"; }
  std::size_t dimension() const override { return parts_.dimension; }
  // The bits of all coordinates, lowest first, and f as a float.
  std::size_t code_bytes() const override { return bit_bytes() + sizeof(float); }
  void encode(const Vectors& rows, std::span<std::uint8_t> codes) const override;
  // c + P^T (f y): unbiased along every query, and so longer than the vector of least squares.
  void decode(std::span<const std::uint8_t> codes, std::span<float> rows) const override;
  void score(std::span<const float> query,
             std::span<const std::uint8_t> codes,
             std::span<float> scores) const override;

  const RabitqParts& parts() const { return parts_; }

 private:
  std::size_t bit_bytes() const { return (parts_.dimension * parts_.bits + 7) / 8; }
  void encode_row(std::span<const float> residual, std::uint8_t* code) const;

  RabitqParts parts_;
  SquareMatrix rotation_;
  SquareMatrix rotation_transposed_;
};

// The centre is the mean of the rows, the rotation random. Throws what check_vectors() throws, and "kmeans.too_few_rows" for none.
Rabitq train_rabitq(const Vectors& rows, std::size_t bits, std::uint64_t seed);

}  // namespace tenfold::search
