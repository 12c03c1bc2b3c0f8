// SPDX-License-Identifier: Apache-2.0
// Quantisers: codes by their definition, the order of the methods, unbiased estimates, and clear errors.
#include "tenfold/search/quantizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tenfold/base/threads.h"
#include "tenfold/search/product_quantizer.h"
#include "tenfold/search/rabitq.h"
#include "tests/unit/search/search_data.h"

namespace tenfold::search {
namespace {

constexpr std::size_t kDimension = 32, kRows = 2000;

QuantizerOptions quick(const std::string& method, std::int64_t bytes, std::int64_t bits) {
  return {.method = method,
          .bytes = bytes,
          .bits = bits,
          .kmeans_iterations = 8,
          .rotations = 12,
          .anisotropic_rounds = 3};
}

double dot(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

class Quantizers : public testing::Test {
 protected:
  const std::vector<float> values_ = skewed_vectors(kRows, kDimension, 1);
  const Vectors rows_ = as_vectors(values_, kDimension);
  const std::vector<float> other_ = skewed_vectors(200, kDimension, 2);
  const Vectors queries_ = as_vectors(other_, kDimension);
};

TEST_F(Quantizers, CodesAreTheNearestCodewordOfEveryBlock) {
  for (const std::int64_t bits : {4, 8}) {
    const ProductQuantizer pq = train_product_quantizer(rows_, quick("pq", 4, bits));
    ASSERT_EQ(pq.code_bytes(), 4u);
    ASSERT_EQ(pq.blocks(), bits == 8 ? 4u : 8u);
    std::vector<std::uint8_t> codes(queries_.rows * 4), bytes(queries_.rows * pq.blocks());
    pq.encode(queries_, codes);
    pq.unpack(codes, bytes);
    for (std::size_t i = 0; i < queries_.rows; ++i) {
      for (std::size_t m = 0; m < pq.blocks(); ++m) {
        const auto distance = [&](std::size_t k) {
          double sum = 0;
          for (std::size_t j = 0; j < pq.width(); ++j) {
            const double difference = static_cast<double>(queries_.row(i)[m * pq.width() + j]) -
                                      pq.parts().centroids[(m * pq.codewords() + k) * pq.width() + j];
            sum += difference * difference;
          }
          return sum;
        };
        double least = distance(0);
        for (std::size_t k = 1; k < pq.codewords(); ++k) least = std::min(least, distance(k));
        ASSERT_NEAR(distance(bytes[i * pq.blocks() + m]), least, 1e-5 * (1 + least));
      }
    }
  }
}

TEST_F(Quantizers, ScoreIsTheProductWithTheDecodedVector) {
  for (const auto& options : {quick("pq", 4, 8),
                              quick("opq", 4, 4),
                              quick("anisotropic", 4, 8),
                              quick("rabitq", 4, 1),
                              quick("rabitq", 4, 4)}) {
    const auto quantizer = train_quantizer(rows_, options);
    EXPECT_EQ(quantizer->kind(), options.method);
    std::vector<std::uint8_t> codes(rows_.rows * quantizer->code_bytes());
    std::vector<float> decoded(values_.size()), scores(rows_.rows);
    quantizer->encode(rows_, codes);
    quantizer->decode(codes, decoded);
    quantizer->score(queries_.row(0), codes, scores);
    for (std::size_t i = 0; i < rows_.rows; i += 7) {
      const double exact = dot(queries_.row(0), std::span(decoded).subspan(i * kDimension, kDimension));
      ASSERT_NEAR(scores[i], exact, 1e-3 * (1 + std::abs(exact))) << options.method << i;
    }
  }
}

TEST_F(Quantizers, MoreBytesAndARotationMakeTheErrorSmaller) {
  const auto error = [&](const char* method, std::int64_t bytes, std::int64_t bits) {
    return reconstruction_error(*train_quantizer(rows_, quick(method, bytes, bits)), rows_);
  };
  const double pq4 = error("pq", 4, 8), pq8 = error("pq", 8, 8), opq4 = error("opq", 4, 8);
  EXPECT_LT(pq8, pq4);
  EXPECT_LT(opq4, 0.8 * pq4);  // a few directions carry most of the variance, mixed over all blocks
  EXPECT_LT(error("opq", 4, 4), error("pq", 4, 4));
}

// The loss that the anisotropic method minimises, computed from its definition.
TEST_F(Quantizers, AnisotropicCodesLowerTheirOwnLoss) {
  const double eta = anisotropy_of(0.5, kDimension);
  EXPECT_NEAR(eta, 31 * 0.25 / 0.75, 1e-12);
  const auto loss = [&](const Quantizer& quantizer) {
    std::vector<std::uint8_t> codes(rows_.rows * quantizer.code_bytes());
    std::vector<float> decoded(values_.size());
    quantizer.encode(rows_, codes);
    quantizer.decode(codes, decoded);
    double total = 0;
    for (std::size_t i = 0; i < rows_.rows; ++i) {
      double square = 0, along = 0, error = 0;
      for (std::size_t j = 0; j < kDimension; ++j) {
        const double x = rows_.row(i)[j], r = x - decoded[i * kDimension + j];
        square += x * x;
        along += x * r;
        error += r * r;
      }
      total += error + (eta - 1) * along * along / square;
    }
    return total;
  };
  QuantizerOptions options = quick("anisotropic", 4, 4);
  options.parallel_threshold = 0.5;
  options.anisotropic_rounds = 6;
  const auto anisotropic = train_quantizer(rows_, options);
  options.method = "opq";
  EXPECT_LT(loss(*anisotropic), 0.99 * loss(*train_quantizer(rows_, options)));
}

// Mean over many rotations of the estimate is the product itself; the error falls with every bit.
TEST_F(Quantizers, RabitqIsUnbiasedAndGetsBetterWithBits) {
  const auto x = rows_.slice(5, 1), q = queries_.slice(3, 1);
  const double exact = dot(x.row(0), q.row(0));
  double last_spread = std::numeric_limits<double>::infinity();
  for (const std::size_t bits : {1u, 2u, 4u, 8u}) {
    double sum = 0, squares = 0;
    constexpr int kTries = 400;
    for (int seed = 0; seed < kTries; ++seed) {
      const Rabitq rabitq({kDimension,
                           bits,
                           random_rotation(kDimension, static_cast<std::uint64_t>(seed)).dense(),
                           std::vector<float>(kDimension, 0.1f)});
      std::vector<std::uint8_t> code(rabitq.code_bytes());
      float score = 0;
      rabitq.encode(x, code);
      rabitq.score(q.row(0), code, {&score, 1});
      sum += score - exact;
      squares += (score - exact) * (score - exact);
    }
    const double spread = std::sqrt(squares / kTries);
    EXPECT_LT(std::abs(sum / kTries), 3.5 * spread / std::sqrt(kTries)) << bits;
    EXPECT_LT(spread, 0.75 * last_spread) << bits;
    last_spread = spread;
  }
}

TEST_F(Quantizers, TrainingIsAFunctionOfTheSeedAlone) {
  const int before = thread_count();
  for (const char* method : {"opq", "anisotropic", "rabitq"}) {
    std::vector<std::uint8_t> one(rows_.rows * 36), four(rows_.rows * 36);
    set_thread_count(1);
    auto quantizer = train_quantizer(rows_, quick(method, 4, 4));
    quantizer->encode(rows_, std::span(one).first(rows_.rows * quantizer->code_bytes()));
    set_thread_count(4);
    quantizer = train_quantizer(rows_, quick(method, 4, 4));
    quantizer->encode(rows_, std::span(four).first(rows_.rows * quantizer->code_bytes()));
    EXPECT_EQ(one, four) << method;
  }
  set_thread_count(before);
}

TEST_F(Quantizers, KeepsAZeroVectorFinite) {
  const std::vector<float> zero(kDimension, 0.0f);
  for (const auto& options : {quick("pq", 4, 8), quick("anisotropic", 4, 8), quick("rabitq", 4, 2)}) {
    const auto quantizer = train_quantizer(rows_, options);
    std::vector<std::uint8_t> code(quantizer->code_bytes());
    float score = 0;
    quantizer->encode(as_vectors(zero, kDimension), code);
    quantizer->score(queries_.row(0), code, {&score, 1});
    EXPECT_TRUE(std::isfinite(score));
  }
}

TEST_F(Quantizers, RefusesWhatDoesNotFit) {
  EXPECT_EQ(code_of([&] { train_quantizer(rows_, quick("pq", 5, 8)); }), "quantizer.blocks");
  EXPECT_EQ(code_of([&] { train_quantizer(rows_, quick("pq", 64, 8)); }), "quantizer.blocks");
  EXPECT_EQ(code_of([&] { train_quantizer(rows_, quick("pq", 4, 5)); }), "quantizer.blocks");
  EXPECT_EQ(code_of([&] { train_quantizer(rows_, quick("pca", 4, 8)); }), "config.not_a_choice");
  EXPECT_EQ(code_of([&] { train_quantizer(rows_.slice(0, 255), quick("pq", 4, 8)); }), "kmeans.too_few_rows");
  EXPECT_EQ(code_of([&] { train_quantizer(rows_.slice(0, 0), quick("rabitq", 4, 1)); }),
            "kmeans.too_few_rows");
  EXPECT_EQ(code_of([&] { train_quantizer(rows_, quick("rabitq", 4, 3)); }), "rabitq.shape");
  EXPECT_EQ(code_of([&] { train_quantizer(Vectors(), quick("pq", 4, 8)); }), "vectors.dimension");
  auto wrong = values_;
  wrong[100] = std::nanf("");
  EXPECT_EQ(code_of([&] { train_quantizer(as_vectors(wrong, kDimension), quick("opq", 4, 8)); }),
            "vectors.not_finite");
  const auto quantizer = train_quantizer(rows_, quick("pq", 4, 4));
  std::vector<std::uint8_t> codes(rows_.rows * 4);
  EXPECT_EQ(code_of([&] { quantizer->encode(as_vectors(wrong, kDimension), codes); }), "vectors.not_finite");
  EXPECT_EQ(code_of([&] { quantizer->encode(as_vectors(values_, 16), codes); }), "vectors.dimension");
}

TEST(ProductQuantizerParts, AreChecked) {
  const std::vector<float> words(8 * 16, 1.0f);
  EXPECT_EQ(code_of([&] { ProductQuantizer({8, 2, 4, words}); }), "no error");
  EXPECT_EQ(code_of([&] { ProductQuantizer({8, 3, 4, words}); }), "pq.shape");
  EXPECT_EQ(code_of([&] { ProductQuantizer({8, 0, 4, words}); }), "pq.shape");
  EXPECT_EQ(code_of([&] { ProductQuantizer({8, 2, 8, words}); }), "pq.shape");
  EXPECT_EQ(code_of([&] { ProductQuantizer({8, 2, 4, words, {1, 0}}); }), "pq.shape");
  EXPECT_EQ(code_of([&] { ProductQuantizer({8, 2, 4, words, {}, -1.0}); }), "pq.anisotropy");
  auto wrong = words;
  wrong[3] = std::numeric_limits<float>::infinity();
  EXPECT_EQ(code_of([&] { ProductQuantizer({8, 2, 4, wrong}); }), "pq.not_finite");
}

}  // namespace
}  // namespace tenfold::search
