// SPDX-License-Identifier: Apache-2.0
#include "tenfold/search/vectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "tenfold/base/error.h"
#include "tenfold/base/random.h"
#include "tenfold/base/threads.h"
#include "tenfold/kernels/gemm.h"

namespace tenfold::search {
namespace {

constexpr std::uint64_t kSampleStream = 0x73616d70;
constexpr std::uint64_t kRotationStream = 0x726f7461;
constexpr std::size_t kGrainRows = 256;

// c = a^T b or a b for padded square matrices.
SquareMatrix product(const SquareMatrix& a, bool transpose_a, const SquareMatrix& b) {
  SquareMatrix c(b.size());
  const std::size_t n = b.padded();
  const auto stride = static_cast<std::ptrdiff_t>(n);
  parallel_for(n, 64, [&](std::size_t begin, std::size_t end) {
    const kernels::GemmTerm term{.a = a.data() + (transpose_a ? begin : begin * n),
                                 .row_stride = transpose_a ? 1 : stride,
                                 .step_stride = transpose_a ? stride : 1,
                                 .b = b.data(),
                                 .steps = n,
                                 .b_step = stride};
    kernels::gemm({&term, 1}, end - begin, n, {.c = c.data() + begin * n, .row_stride = stride});
  });
  return c;
}

double frobenius_norm(const SquareMatrix& matrix) {
  double sum = 0;
  for (std::size_t i = 0; i < matrix.padded() * matrix.padded(); ++i) {
    sum += static_cast<double>(matrix.data()[i]) * matrix.data()[i];
  }
  return std::sqrt(sum);
}

// Rows of length `size` made orthonormal in place, in double; twice, because once loses digits.
void orthonormalise(std::vector<double>& rows, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    double* x = &rows[i * size];
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t j = 0; j < i; ++j) {
        const double* y = &rows[j * size];
        const double dot = std::inner_product(x, x + size, y, 0.0);
        for (std::size_t k = 0; k < size; ++k) x[k] -= dot * y[k];
      }
    }
    const double norm = std::sqrt(std::inner_product(x, x + size, x, 0.0));
    for (std::size_t k = 0; k < size; ++k) x[k] /= norm;
  }
}

}  // namespace

Vectors as_vectors(std::span<const float> values, std::size_t dimension) {
  if (dimension == 0 || values.size() % dimension != 0) {
    throw Error(ErrorClass::kData,
                "vectors.dimension",
                {.what = "values are no whole number of vectors",
                 .seen = fmt::format("{} values, dimension {}", values.size(), dimension),
                 .wanted = "a dimension from 1 on that divides the number of values"});
  }
  return {values.data(), values.size() / dimension, dimension};
}

void check_vectors(const Vectors& vectors, std::size_t dimension, std::string_view noun) {
  if (dimension == 0 || vectors.dimension != dimension) {
    throw Error(ErrorClass::kData,
                "vectors.dimension",
                {.what = fmt::format("the {} have another dimension than the index", noun),
                 .seen = fmt::format("{}", vectors.dimension),
                 .wanted = dimension == 0 ? "at least 1" : fmt::format("{}", dimension),
                 .remedy = "encode documents and queries with the same model"});
  }
  parallel_for(vectors.rows, 4096, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const auto row = vectors.row(i);
      // A sum is finite only when all numbers are; one that overflows is looked at again.
      if (std::isfinite(std::accumulate(row.begin(), row.end(), 0.0f))) continue;
      const auto bad = std::find_if(row.begin(), row.end(), [](float x) { return !std::isfinite(x); });
      if (bad == row.end()) continue;
      throw Error(ErrorClass::kData,
                  "vectors.not_finite",
                  {.what = fmt::format("row {} of the {} is not finite", i, noun),
                   .seen = fmt::format("{} at coordinate {}", *bad, bad - row.begin()),
                   .wanted = "finite numbers",
                   .remedy = "look for a division by 0 in the model that made them"});
    }
  });
}

std::vector<float> sample_rows(const Vectors& vectors, std::size_t count, std::uint64_t seed) {
  std::vector<std::uint32_t> rows(vectors.rows);
  std::iota(rows.begin(), rows.end(), 0u);
  if (vectors.rows > count) {
    random::permutation(seed, kSampleStream, rows);
    rows.resize(count);
    std::sort(rows.begin(), rows.end());
  }
  std::vector<float> sample(rows.size() * vectors.dimension);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(vectors.data + rows[i] * vectors.stride, vectors.dimension, &sample[i * vectors.dimension]);
  }
  return sample;
}

SquareMatrix::SquareMatrix(std::size_t size)
    : size_(size), padded_(kernels::padded_columns(size)), values_(padded_ * padded_, 0.0f) {}

SquareMatrix::SquareMatrix(std::span<const float> values, std::size_t size) : SquareMatrix(size) {
  check_internal(values.size() == size * size, "a square matrix of its size");
  for (std::size_t i = 0; i < size; ++i) {
    std::copy_n(values.data() + i * size, size, &values_[i * padded_]);
  }
}

std::vector<float> SquareMatrix::dense() const {
  std::vector<float> values(size_ * size_);
  for (std::size_t i = 0; i < size_; ++i) std::copy_n(&values_[i * padded_], size_, &values[i * size_]);
  return values;
}

SquareMatrix SquareMatrix::transposed() const {
  SquareMatrix result(size_);
  for (std::size_t i = 0; i < size_; ++i) {
    for (std::size_t j = 0; j < size_; ++j) result.at(j, i) = at(i, j);
  }
  return result;
}

void apply(const SquareMatrix& transposed, const Vectors& rows, std::span<float> out) {
  const std::size_t size = transposed.size(), n = transposed.padded();
  parallel_for(rows.rows, kGrainRows, [&](std::size_t begin, std::size_t end) {
    const kernels::GemmTerm term{.a = rows.data + begin * rows.stride,
                                 .row_stride = static_cast<std::ptrdiff_t>(rows.stride),
                                 .b = transposed.data(),
                                 .steps = size,
                                 .b_step = static_cast<std::ptrdiff_t>(n)};
    if (n == size) {
      kernels::gemm({&term, 1},
                    end - begin,
                    n,
                    {.c = out.data() + begin * n, .row_stride = static_cast<std::ptrdiff_t>(n)});
      return;
    }
    std::vector<float> wide((end - begin) * n);
    kernels::gemm(
        {&term, 1}, end - begin, n, {.c = wide.data(), .row_stride = static_cast<std::ptrdiff_t>(n)});
    for (std::size_t i = begin; i < end; ++i) {
      std::copy_n(&wide[(i - begin) * n], size, out.data() + i * size);
    }
  });
}

SquareMatrix outer_products(const Vectors& y, const Vectors& x) {
  SquareMatrix result(x.dimension);
  const std::size_t n = result.padded();
  // A block of rows of x, padded to whole panels, stays in the cache while all of the result is updated from it.
  constexpr std::size_t kBlock = 256;
  std::vector<float> block(kBlock * n, 0.0f);
  for (std::size_t first = 0; first < x.rows; first += kBlock) {
    const std::size_t count = std::min(kBlock, x.rows - first);
    for (std::size_t i = 0; i < count; ++i) {
      std::copy_n(x.data + (first + i) * x.stride, x.dimension, &block[i * n]);
    }
    parallel_for(x.dimension, 56, [&](std::size_t begin, std::size_t end) {
      const kernels::GemmTerm term{.a = y.data + first * y.stride + begin,
                                   .row_stride = 1,
                                   .step_stride = static_cast<std::ptrdiff_t>(y.stride),
                                   .b = block.data(),
                                   .steps = count,
                                   .b_step = static_cast<std::ptrdiff_t>(n)};
      kernels::gemm(
          {&term, 1},
          end - begin,
          n,
          {.c = result.data() + begin * n, .row_stride = static_cast<std::ptrdiff_t>(n), .add = true});
    });
  }
  return result;
}

SquareMatrix nearest_rotation(const SquareMatrix& matrix, const SquareMatrix& near) {
  const std::size_t count = matrix.padded() * matrix.padded();
  const double norm = frobenius_norm(matrix), root = std::sqrt(static_cast<double>(matrix.size()));
  // Singular values between about 1e-7 and 1; where `matrix` has none, `near` decides.
  SquareMatrix x(matrix.size());
  for (std::size_t i = 0; i < count; ++i) {
    const double scaled = norm > 0 ? matrix.data()[i] / norm : 0.0;
    x.data()[i] = static_cast<float>(scaled + 1e-6 * near.data()[i]);
  }
  // First x <- a x + b x g + c x g g with g = x^T x, whose slope 3.4445 at 0 lifts small singular values; it keeps all of them in
  // (0.3, 1.3). Then x <- 1.5 x - 0.5 x g, which converges quadratically from there.
  constexpr int kLifts = 14, kPolish = 12;
  for (int step = 0; step < kLifts + kPolish; ++step) {
    const SquareMatrix gram = product(x, true, x);
    double error = 0;
    for (std::size_t i = 0; i < matrix.size(); ++i) error += std::abs(gram.at(i, i) - 1.0);
    if (step >= kLifts && error < 1e-6 * root) break;
    const SquareMatrix once = product(x, false, gram);
    if (step < kLifts) {
      const SquareMatrix twice = product(once, false, gram);
      for (std::size_t i = 0; i < count; ++i) {
        x.data()[i] = 3.4445f * x.data()[i] - 4.7750f * once.data()[i] + 2.0315f * twice.data()[i];
      }
    } else {
      for (std::size_t i = 0; i < count; ++i) x.data()[i] = 1.5f * x.data()[i] - 0.5f * once.data()[i];
    }
  }
  return x;
}

SquareMatrix random_rotation(std::size_t size, std::uint64_t seed) {
  random::Generator generator(seed, kRotationStream);
  std::vector<double> rows(size * size);
  for (double& x : rows) x = generator.normal();
  orthonormalise(rows, size);
  SquareMatrix result(size);
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t j = 0; j < size; ++j) result.at(i, j) = static_cast<float>(rows[i * size + j]);
  }
  return result;
}

}  // namespace tenfold::search
