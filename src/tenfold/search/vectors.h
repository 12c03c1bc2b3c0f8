// SPDX-License-Identifier: Apache-2.0
// Rows of floats in somebody else's memory, the checks that every quantiser and index makes before it trusts them, and the two dense
// products that training needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tenfold::search {

struct Vectors {
  const float* data = nullptr;
  std::size_t rows = 0;
  std::size_t dimension = 0;
  std::size_t stride = 0;  // floats from one row to the next

  Vectors() = default;
  Vectors(const float* values, std::size_t row_count, std::size_t width)
      : data(values), rows(row_count), dimension(width), stride(width) {}

  std::span<const float> row(std::size_t i) const { return {data + i * stride, dimension}; }
  Vectors slice(std::size_t first, std::size_t count) const {
    Vectors part = *this;
    part.data += first * stride;
    part.rows = count;
    return part;
  }
  // Coordinates [first, first + width) of every row.
  Vectors columns(std::size_t first, std::size_t width) const {
    Vectors part = *this;
    part.data += first;
    part.dimension = width;
    return part;
  }
};

// `values` as rows of `dimension`. Throws Error(kData): "vectors.dimension" when it is 0 or does not divide the number of values.
Vectors as_vectors(std::span<const float> values, std::size_t dimension);

// Throws Error(kData): "vectors.dimension" (another than `dimension`), "vectors.not_finite" (NaN or infinity; names the row).
// `noun` is what messages call them: "documents", "queries".
void check_vectors(const Vectors& vectors, std::size_t dimension, std::string_view noun);

// At most `count` rows, drawn without repetition and kept in their order, as a dense copy; all of them when there are not more.
std::vector<float> sample_rows(const Vectors& vectors, std::size_t count, std::uint64_t seed);

// A square matrix of any size, stored with rows and columns padded by zeros to a multiple of 16, as kernels/gemm.h wants them.
class SquareMatrix {
 public:
  explicit SquareMatrix(std::size_t size = 0);
  // values: [size, size]
  SquareMatrix(std::span<const float> values, std::size_t size);

  std::size_t size() const { return size_; }
  std::size_t padded() const { return padded_; }
  float* data() { return values_.data(); }
  const float* data() const { return values_.data(); }
  float& at(std::size_t i, std::size_t j) { return values_[i * padded_ + j]; }
  float at(std::size_t i, std::size_t j) const { return values_[i * padded_ + j]; }
  std::vector<float> dense() const;  // [size, size]
  SquareMatrix transposed() const;

 private:
  std::size_t size_ = 0;
  std::size_t padded_ = 0;
  std::vector<float> values_;
};

// out[i] = matrix x row i: [rows, size]. `transposed` is the transpose of the matrix. Uses the threads of base/threads.h.
void apply(const SquareMatrix& transposed, const Vectors& rows, std::span<float> out);

// sum over rows of y_i x_i^T: [size, size] with y along rows. Both have the same number of rows and dimension.
SquareMatrix outer_products(const Vectors& y, const Vectors& x);

// The orthogonal matrix R nearest to `matrix`: it maximises trace(R^T matrix) (orthogonal Procrustes; Schonemann 1966). By Newton-Schulz
// iterations in float, which are matrix products only. `near` is an orthogonal matrix that decides where `matrix` has no say (a
// direction without any data). R^T R = 1 to about 1e-5.
SquareMatrix nearest_rotation(const SquareMatrix& matrix, const SquareMatrix& near);

// Uniform over all rotations and reflections: Gram-Schmidt of normal numbers. A pure function of (size, seed).
SquareMatrix random_rotation(std::size_t size, std::uint64_t seed);

}  // namespace tenfold::search
