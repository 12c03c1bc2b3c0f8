// SPDX-License-Identifier: Apache-2.0
// Product quantisation (Jegou, Douze and Schmid 2011), with a rotation before it (OPQ: Ge, He, Ke and Sun 2014) and, on request, codes
// chosen for inner products (anisotropic loss: Guo et al. 2020, "ScaNN").
//
//   y = R x, cut into M blocks y_j of width d / M;  code_j = argmin_k |y_j - c_jk|^2;  x^ = R^T [c_1,code_1 ; ... ; c_M,code_M]
//   <q, x^> = sum_j table_j[code_j],  table_j[k] = <(R q)_j, c_jk>
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tenfold/kernels/nearest.h"
#include "tenfold/search/quantizer.h"
#include "tenfold/search/vectors.h"

namespace tenfold::search {

struct ProductQuantizerParts {
  std::size_t dimension = 0;     // d
  std::size_t blocks = 0;        // M, divides d
  std::size_t bits = 8;          // 4 or 8; K = 2^bits codewords a block
  std::vector<float> centroids;  // [M, K, d / M]
  std::vector<float> rotation;   // [d, d], y = R x; empty: none
  // Weight of the error along the vector over that across it, when codes are chosen; 1: plain distance. Not part of Faiss files.
  double anisotropy = 1.0;
};

class ProductQuantizer final : public Quantizer {
 public:
  // Throws Error(kData): "pq.shape" (0, M that does not divide d, bits other than 4 or 8, another number of centroids or of the
  // rotation's entries), "pq.not_finite", "pq.anisotropy" (below 0 or not finite).
  explicit ProductQuantizer(ProductQuantizerParts parts);

  std::string_view kind() const override;
  std::size_t dimension() const override { return parts_.dimension; }
  // Codes of 8 bits are bytes; codes of 4 bits share one, the earlier block in its low half (as Faiss packs them).
  std::size_t code_bytes() const override { return (parts_.blocks * parts_.bits + 7) / 8; }
  void encode(const Vectors& rows, std::span<std::uint8_t> codes) const override;
  void decode(std::span<const std::uint8_t> codes, std::span<float> rows) const override;
  void score(std::span<const float> query,
             std::span<const std::uint8_t> codes,
             std::span<float> scores) const override;

  std::size_t blocks() const { return parts_.blocks; }
  std::size_t bits() const { return parts_.bits; }
  std::size_t codewords() const { return std::size_t{1} << parts_.bits; }
  std::size_t width() const { return parts_.dimension / parts_.blocks; }
  bool has_rotation() const { return !parts_.rotation.empty(); }
  const ProductQuantizerParts& parts() const { return parts_; }

  // R x for every row: [rows, d]; a copy without a rotation.
  std::vector<float> rotate(const Vectors& rows) const;
  // Codes of vectors that are rotated already, one byte a code whatever the bits: [rows, M].
  std::vector<std::uint8_t> codes_of_rotated(const Vectors& rotated) const;
  // Inner products of the queries' blocks with all codewords: [queries, M, K]. The queries are not rotated yet.
  std::vector<float> tables(const Vectors& queries) const;
  std::vector<float> tables_of_rotated(const Vectors& queries) const;

  // Between packed codes [rows, code_bytes()] and one byte a code [rows, M].
  void pack(std::span<const std::uint8_t> bytes, std::span<std::uint8_t> codes) const;
  void unpack(std::span<const std::uint8_t> codes, std::span<std::uint8_t> bytes) const;

 private:
  void choose_for_inner_products(const Vectors& rotated, std::span<std::uint8_t> codes) const;

  ProductQuantizerParts parts_;
  SquareMatrix rotation_transposed_;
  SquareMatrix rotation_;
  std::vector<kernels::NearestTable> tables_;  // one a block
};

// Trains by options.method "pq", "opq" or "anisotropic" (which rotates as "opq" does). Errors as train_quantizer().
ProductQuantizer train_product_quantizer(const Vectors& rows, const QuantizerOptions& options);

// eta of the anisotropic loss for vectors of unit length: (d - 1) T^2 / (1 - T^2) (Guo et al. 2020, theorem 3.4), at least 1.
double anisotropy_of(double threshold, std::size_t dimension);

}  // namespace tenfold::search
