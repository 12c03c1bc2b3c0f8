// SPDX-License-Identifier: Apache-2.0
// Nearest of K vectors by Euclidean distance for many rows: the inner loop of k-means and of encoding by product quantisers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tenfold::kernels {

// K vectors turned so that neighbours in memory are the same coordinate of neighbouring vectors, and half of their squared lengths.
class NearestTable {
 public:
  // centroids: [count, dimension]. Both must be at least 1.
  NearestTable(std::span<const float> centroids, std::size_t dimension);

  std::size_t count() const { return count_; }
  std::size_t dimension() const { return dimension_; }
  std::size_t padded() const { return padded_; }
  const float* columns() const { return columns_.data(); }            // [dimension, padded]
  const float* half_squares() const { return half_squares_.data(); }  // [padded]; infinity behind count()

 private:
  std::size_t count_ = 0;
  std::size_t dimension_ = 0;
  std::size_t padded_ = 0;
  std::vector<float> columns_;
  std::vector<float> half_squares_;
};

// For row i at rows + i * stride: index[i] = argmin over k of |c_k|^2 / 2 - x . c_k, ties to the lowest k, and value[i] that minimum
// (the squared distance is |x|^2 + 2 value). `value` may be null. One thread. The sum runs over the coordinates in their order; whether
// products are rounded before they are added depends on the instruction set, so near ties may fall either way on another processor.
void nearest(const NearestTable& table,
             const float* rows,
             std::ptrdiff_t stride,
             std::span<std::uint32_t> index,
             float* value);

// The same in plain C++ with sums in double: the oracle of the tests.
void nearest_plain(std::span<const float> centroids,
                   std::size_t dimension,
                   const float* rows,
                   std::ptrdiff_t stride,
                   std::span<std::uint32_t> index);

}  // namespace tenfold::kernels
