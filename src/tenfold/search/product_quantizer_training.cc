// SPDX-License-Identifier: Apache-2.0
// Training of product quantisers: k-means a block, alternating rotations, and the anisotropic loss.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/search/kmeans.h"
#include "tenfold/search/product_quantizer.h"

namespace tenfold::search {
namespace {

// Iterations of k-means in the first and in each later round of learning a rotation, as Faiss has them.
constexpr std::int64_t kFirstRound = 40, kLaterRounds = 4;

struct Shape {
  std::size_t dimension, blocks, bits;
  std::size_t words() const { return std::size_t{1} << bits; }
  std::size_t width() const { return dimension / blocks; }
};

Shape shape_of(std::size_t dimension, const QuantizerOptions& options) {
  const auto bytes = static_cast<std::size_t>(options.bytes), bits = static_cast<std::size_t>(options.bits);
  const bool known_bits = bits == 4 || bits == 8;
  const std::size_t blocks = known_bits ? bytes * 8 / bits : 0;
  if (known_bits && dimension > 0 && dimension % blocks == 0) return {dimension, blocks, bits};
  std::string possible;
  for (std::size_t b = 1; known_bits && b <= dimension * bits / 8; ++b) {
    if (dimension % (b * 8 / bits) == 0) possible += (possible.empty() ? "" : ", ") + std::to_string(b);
  }
  throw Error(
      ErrorClass::kData,
      "quantizer.blocks",
      {.what = "vectors of this dimension cannot be cut into equal blocks, one a code",
       .seen = fmt::format("dimension {}, {} bytes of {} bits: {} blocks", dimension, bytes, bits, blocks),
       .wanted = known_bits ? fmt::format("bytes from {}", possible) : "4 or 8 bits",
       .remedy = "change bytes or bits"});
}

// K-means in every block, at once.
std::vector<float> train_blocks(const Vectors& rotated, const Shape& shape, const KMeansOptions& options) {
  const std::size_t size = shape.words() * shape.width();
  std::vector<float> centroids(shape.blocks * size);
  parallel_for(shape.blocks, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t m = begin; m < end; ++m) {
      KMeansOptions own = options;
      own.seed += static_cast<std::int64_t>(m);
      const KMeansResult result =
          kmeans(rotated.columns(m * shape.width(), shape.width()), shape.words(), own);
      std::copy(result.centroids.begin(),
                result.centroids.end(),
                centroids.begin() + static_cast<std::ptrdiff_t>(m * size));
    }
  });
  return centroids;
}

std::vector<float> mean_of(const Vectors& rows) {
  std::vector<double> sum(rows.dimension, 0.0);
  for (std::size_t i = 0; i < rows.rows; ++i) {
    for (std::size_t j = 0; j < rows.dimension; ++j) sum[j] += rows.row(i)[j];
  }
  std::vector<float> mean;
  for (const double s : sum) mean.push_back(static_cast<float>(s / static_cast<double>(rows.rows)));
  return mean;
}

// OPQ's non-parametric solution: codes and codewords for the rotated rows, then the rotation that brings the rows nearest to what their
// codes stand for, in turn. The codewords of each round start from the rows again: those that go on from the round before keep their codes,
// and the rotation with them. The mean of the rows has no say, because blocks take it up by their codewords.
std::vector<float> learn_rotation(const Vectors& rows, const Shape& shape, const QuantizerOptions& options) {
  const std::vector<float> mean = mean_of(rows);
  std::vector<float> centred(rows.rows * rows.dimension), rotated(centred.size()), decoded(centred.size());
  for (std::size_t i = 0; i < centred.size(); ++i) {
    centred[i] = rows.row(i / rows.dimension)[i % rows.dimension] - mean[i % rows.dimension];
  }
  const Vectors around = as_vectors(centred, shape.dimension), turned = as_vectors(rotated, shape.dimension);
  SquareMatrix rotation = random_rotation(shape.dimension, static_cast<std::uint64_t>(options.seed));
  KMeansOptions few{.points_per_cluster = 0, .seed = options.seed};
  for (std::int64_t round = 0; round < options.rotations; ++round) {
    apply(rotation.transposed(), around, rotated);
    few.iterations = round == 0 ? kFirstRound : kLaterRounds;
    const ProductQuantizer quantizer(
        {shape.dimension, shape.blocks, shape.bits, train_blocks(turned, shape, few)});
    std::vector<std::uint8_t> packed(rows.rows * quantizer.code_bytes());
    quantizer.pack(quantizer.codes_of_rotated(turned), packed);
    quantizer.decode(packed, decoded);
    rotation = nearest_rotation(outer_products(as_vectors(decoded, shape.dimension), around), rotation);
  }
  return rotation.dense();
}

// Solves a symmetric positive definite system in place (Cholesky); `a` is [n, n], the result stands in `b`.
void solve(std::vector<double>& a, std::vector<double>& b) {
  const std::size_t n = b.size();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = a[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = i == j ? std::sqrt(sum) : sum / a[j * n + j];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
}

// Codewords of block m that minimise the anisotropic loss while all other blocks and all codes stay:
// (n I + sum w x x^T) c = sum (1 + w (s + |x|^2)) x over the members x = y_m, w = (eta - 1) / |y|^2, s the error along y elsewhere.
class AnisotropicUpdate {
 public:
  AnisotropicUpdate(const Vectors& rotated, const Shape& shape, double anisotropy)
      : rows_(rotated), shape_(shape), weights_(rotated.rows), along_(rotated.rows) {
    for (std::size_t i = 0; i < rows_.rows; ++i) {
      double square = 0;
      for (const float y : rows_.row(i)) square += static_cast<double>(y) * y;
      weights_[i] = square > 0 ? (anisotropy - 1) / square : 0.0;
    }
  }

  void run(std::span<const std::uint8_t> codes, std::vector<float>& centroids) {
    for (std::size_t i = 0; i < rows_.rows; ++i) {
      along_[i] = 0;
      for (std::size_t m = 0; m < shape_.blocks; ++m) along_[i] += error_along(i, m, codes, centroids);
    }
    for (std::size_t m = 0; m < shape_.blocks; ++m) update_block(m, codes, centroids);
  }

 private:
  const float* part(std::size_t i, std::size_t m) const {
    return rows_.data + i * rows_.stride + m * shape_.width();
  }

  double error_along(std::size_t i,
                     std::size_t m,
                     std::span<const std::uint8_t> codes,
                     std::span<const float> centroids) const {
    const float* x = part(i, m);
    const float* c = &centroids[(m * shape_.words() + codes[i * shape_.blocks + m]) * shape_.width()];
    double sum = 0;
    for (std::size_t j = 0; j < shape_.width(); ++j) sum += (static_cast<double>(x[j]) - c[j]) * x[j];
    return sum;
  }

  void update_block(std::size_t m, std::span<const std::uint8_t> codes, std::vector<float>& centroids) {
    const std::size_t n = shape_.width(), words = shape_.words();
    std::vector<std::vector<std::uint32_t>> members(words);
    for (std::uint32_t i = 0; i < rows_.rows; ++i) {
      along_[i] -= error_along(i, m, codes, centroids);
      members[codes[i * shape_.blocks + m]].push_back(i);
    }
    for (std::size_t k = 0; k < words; ++k) {
      if (members[k].empty()) continue;
      std::vector<double> a(n * n, 0.0), b(n, 0.0);
      for (const std::uint32_t i : members[k]) add_member(i, m, a, b);
      for (std::size_t j = 0; j < n; ++j) a[j * n + j] += static_cast<double>(members[k].size());
      solve(a, b);
      for (std::size_t j = 0; j < n; ++j) centroids[(m * words + k) * n + j] = static_cast<float>(b[j]);
    }
    for (std::size_t i = 0; i < rows_.rows; ++i) along_[i] += error_along(i, m, codes, centroids);
  }

  void add_member(std::size_t i, std::size_t m, std::vector<double>& a, std::vector<double>& b) const {
    const std::size_t n = b.size();
    const float* x = part(i, m);
    double square = 0;
    for (std::size_t j = 0; j < n; ++j) square += static_cast<double>(x[j]) * x[j];
    const double pull = 1 + weights_[i] * (along_[i] + square);
    for (std::size_t j = 0; j < n; ++j) {
      b[j] += pull * x[j];
      for (std::size_t l = 0; l <= j; ++l) a[j * n + l] += weights_[i] * static_cast<double>(x[j]) * x[l];
    }
  }

  Vectors rows_;
  Shape shape_;
  std::vector<double> weights_, along_;
};

std::vector<float> train_anisotropic(const Vectors& rotated,
                                     const Shape& shape,
                                     const QuantizerOptions& options,
                                     std::vector<float> centroids) {
  const double anisotropy = anisotropy_of(options.parallel_threshold, shape.dimension);
  AnisotropicUpdate update(rotated, shape, anisotropy);
  for (std::int64_t round = 0; round < options.anisotropic_rounds; ++round) {
    const ProductQuantizer quantizer({shape.dimension, shape.blocks, shape.bits, centroids, {}, anisotropy});
    update.run(quantizer.codes_of_rotated(rotated), centroids);
  }
  return centroids;
}

}  // namespace

ProductQuantizer train_product_quantizer(const Vectors& rows, const QuantizerOptions& options) {
  QuantizerOptions copy = options;
  config::check_all(config::Fields(copy));
  check_vectors(rows, rows.dimension, "training vectors");
  const Shape shape = shape_of(rows.dimension, options);
  const KMeansOptions iterations{
      .iterations = options.kmeans_iterations, .points_per_cluster = 0, .seed = options.seed};
  const auto per_word = static_cast<std::size_t>(options.points_per_cluster);
  const std::size_t wanted = per_word == 0 ? rows.rows : per_word * shape.words();
  const std::vector<float> sample = sample_rows(rows, wanted, static_cast<std::uint64_t>(options.seed));
  const Vectors part = as_vectors(sample, rows.dimension);

  ProductQuantizerParts parts{.dimension = shape.dimension, .blocks = shape.blocks, .bits = shape.bits};
  std::vector<float> rotated = sample;
  if (options.method != "pq") {
    parts.rotation = learn_rotation(part, shape, options);
    apply(SquareMatrix(parts.rotation, shape.dimension).transposed(), part, rotated);
  }
  const Vectors turned = as_vectors(rotated, shape.dimension);
  parts.centroids = train_blocks(turned, shape, iterations);
  if (options.method == "anisotropic") {
    parts.centroids = train_anisotropic(turned, shape, options, std::move(parts.centroids));
    parts.anisotropy = anisotropy_of(options.parallel_threshold, shape.dimension);
  }
  return ProductQuantizer(std::move(parts));
}

}  // namespace tenfold::search
