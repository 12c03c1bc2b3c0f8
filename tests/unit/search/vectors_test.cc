// SPDX-License-Identifier: Apache-2.0
// Checks of vectors, rotations against their definition, and k-means.
#include "tenfold/search/vectors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "tenfold/base/threads.h"
#include "tenfold/search/kmeans.h"
#include "tests/unit/search/search_data.h"

namespace tenfold::search {
namespace {

double trace_of_product(const SquareMatrix& a, const SquareMatrix& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a.size(); ++j) sum += static_cast<double>(a.at(i, j)) * b.at(i, j);
  }
  return sum;
}

double distance_from_orthogonal(const SquareMatrix& r) {
  double worst = 0;
  for (std::size_t i = 0; i < r.size(); ++i) {
    for (std::size_t j = 0; j < r.size(); ++j) {
      double dot = i == j ? -1.0 : 0.0;
      for (std::size_t k = 0; k < r.size(); ++k) dot += static_cast<double>(r.at(i, k)) * r.at(j, k);
      worst = std::max(worst, std::abs(dot));
    }
  }
  return worst;
}

TEST(Vectors, RefusesWrongDimensionsAndNumbersThatAreNotFinite) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  EXPECT_EQ(code_of([&] { as_vectors(values, 4); }), "vectors.dimension");
  EXPECT_EQ(code_of([&] { as_vectors(values, 0); }), "vectors.dimension");
  EXPECT_EQ(code_of([&] { check_vectors(as_vectors(values, 3), 2, "queries"); }), "vectors.dimension");
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    std::vector<float> wrong = values;
    wrong[4] = bad;
    EXPECT_EQ(code_of([&] { check_vectors(as_vectors(wrong, 3), 3, "queries"); }), "vectors.not_finite");
  }
  // The sum overflows, no number does.
  const std::vector<float> large(4, 3e38f);
  EXPECT_EQ(code_of([&] { check_vectors(as_vectors(large, 4), 4, "queries"); }), "no error");
}

TEST(Vectors, SamplesRowsInTheirOrderWithoutRepetition) {
  std::vector<float> values(100);
  for (std::size_t i = 0; i < 100; ++i) values[i] = static_cast<float>(i);
  const auto sample = sample_rows(as_vectors(values, 1), 30, 7);
  EXPECT_EQ(std::set<float>(sample.begin(), sample.end()).size(), 30u);
  EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end()));
  EXPECT_EQ(sample_rows(as_vectors(values, 1), 100, 7), values);
}

TEST(Rotation, RandomOnesAreOrthogonal) {
  for (std::size_t size : {1u, 2u, 17u, 64u})
    EXPECT_LT(distance_from_orthogonal(random_rotation(size, 5)), 1e-5) << size;
}

TEST(Rotation, AppliesToRowsAsTheDefinitionSays) {
  const SquareMatrix r = random_rotation(19, 1);
  const auto values = skewed_vectors(300, 19, 1);
  std::vector<float> turned(values.size());
  apply(r.transposed(), as_vectors(values, 19), turned);
  for (std::size_t i = 0; i < 300; i += 37) {
    for (std::size_t a = 0; a < 19; ++a) {
      double sum = 0;
      for (std::size_t b = 0; b < 19; ++b) sum += static_cast<double>(r.at(a, b)) * values[i * 19 + b];
      ASSERT_NEAR(turned[i * 19 + a], sum, 1e-4);
    }
  }
}

TEST(Rotation, OuterProductsEqualTheirSum) {
  const auto x = skewed_vectors(700, 21, 2), y = skewed_vectors(700, 21, 3);
  const SquareMatrix sums = outer_products(as_vectors(y, 21), as_vectors(x, 21));
  for (std::size_t a = 0; a < 21; ++a) {
    for (std::size_t b = 0; b < 21; ++b) {
      double sum = 0, scale = 0;
      for (std::size_t i = 0; i < 700; ++i) {
        sum += static_cast<double>(y[i * 21 + a]) * x[i * 21 + b];
        scale += std::abs(static_cast<double>(y[i * 21 + a]) * x[i * 21 + b]);
      }
      ASSERT_NEAR(sums.at(a, b), sum, 1e-5 * scale);
    }
  }
}

// M = Q S with S symmetric and positive: the nearest rotation of M is Q.
TEST(Rotation, NearestOneOfARotatedStretchIsTheRotation) {
  for (std::size_t size : {1u, 3u, 32u, 50u}) {
    const SquareMatrix q = random_rotation(size, 11), basis = random_rotation(size, 12);
    SquareMatrix product(size), start(size);
    for (std::size_t i = 0; i < size; ++i) {
      start.at(i, i) = 1;
      for (std::size_t j = 0; j < size; ++j) {
        double sum = 0;
        for (std::size_t l = 0; l < size; ++l) {
          double qb = 0;
          for (std::size_t k = 0; k < size; ++k) qb += static_cast<double>(q.at(i, k)) * basis.at(l, k);
          sum +=
              qb * std::pow(10.0, -3.0 * static_cast<double>(l) / static_cast<double>(size)) * basis.at(l, j);
        }
        product.at(i, j) = static_cast<float>(100 * sum);
      }
    }
    const SquareMatrix found = nearest_rotation(product, start);
    EXPECT_LT(distance_from_orthogonal(found), 1e-4) << size;
    for (std::size_t i = 0; i < size; ++i) {
      for (std::size_t j = 0; j < size; ++j) ASSERT_NEAR(found.at(i, j), q.at(i, j), 5e-3) << size;
    }
    EXPECT_NEAR(trace_of_product(found, product) / trace_of_product(q, product), 1.0, 1e-5);
  }
}

TEST(Rotation, NearestOneStaysOrthogonalWithoutAnyData) {
  const SquareMatrix zero(8), near = random_rotation(8, 3);
  const SquareMatrix found = nearest_rotation(zero, near);
  EXPECT_LT(distance_from_orthogonal(found), 1e-4);
  EXPECT_NEAR(trace_of_product(found, near), 8.0, 1e-3);
}

TEST(KMeans, FindsSeparateClusters) {
  random::Generator generator(2, 2);
  std::vector<float> values;
  for (int i = 0; i < 400; ++i) {
    values.push_back(static_cast<float>(i % 4 * 10 + generator.normal() * 0.1));
    values.push_back(static_cast<float>(i % 4 * -5 + generator.normal() * 0.1));
  }
  const KMeansResult result = kmeans(as_vectors(values, 2), 4, {.start = "kmeans++"});
  std::vector<float> firsts;
  for (std::size_t k = 0; k < 4; ++k) firsts.push_back(std::round(result.centroids[2 * k]));
  EXPECT_THAT(firsts, testing::UnorderedElementsAre(0, 10, 20, 30));
  EXPECT_NEAR(result.objective.back(), 2 * 0.01, 0.005);
}

TEST(KMeans, ObjectiveNeverRises) {
  const auto values = skewed_vectors(3000, 12, 4);
  for (const char* start : {"random", "kmeans++"}) {
    const KMeansResult result = kmeans(as_vectors(values, 12), 64, {.start = start});
    ASSERT_GT(result.objective.size(), 3u);
    for (std::size_t i = 1; i < result.objective.size(); ++i) {
      EXPECT_LE(result.objective[i], result.objective[i - 1] * (1 + 1e-6)) << start;
    }
  }
}

TEST(KMeans, FillsEmptyClusters) {
  std::vector<float> values(100, 1.0f);  // one point a hundred times: all other clusters are empty at first
  for (std::size_t i = 0; i < 10; ++i) values[i] = 5.0f;
  const std::vector<float> start{1.0f, 100.0f, 200.0f};
  const KMeansResult result = refine_kmeans(as_vectors(values, 1), start, 10);
  EXPECT_GE(result.splits, 2u);
  EXPECT_LT(result.objective.back(), 1e-4);
}

TEST(KMeans, DoesNotDependOnTheThreadCount) {
  const auto values = skewed_vectors(5000, 8, 5);
  const int before = thread_count();
  set_thread_count(1);
  const auto one = kmeans(as_vectors(values, 8), 32, {.seed = 3});
  set_thread_count(4);
  const auto four = kmeans(as_vectors(values, 8), 32, {.seed = 3});
  set_thread_count(before);
  EXPECT_EQ(one.centroids, four.centroids);
  EXPECT_NE(kmeans(as_vectors(values, 8), 32, {.seed = 4}).centroids, one.centroids);
}

TEST(KMeans, RefusesFewerRowsThanClusters) {
  const auto values = skewed_vectors(10, 4, 6);
  EXPECT_EQ(code_of([&] { kmeans(as_vectors(values, 4), 11); }), "kmeans.too_few_rows");
  EXPECT_EQ(code_of([&] { kmeans(as_vectors(values, 4), 0); }), "kmeans.clusters");
  EXPECT_EQ(code_of([&] { kmeans(as_vectors(values, 4), 10); }), "no error");
  auto wrong = values;
  wrong[7] = std::nanf("");
  EXPECT_EQ(code_of([&] { kmeans(as_vectors(wrong, 4), 2); }), "vectors.not_finite");
}

}  // namespace
}  // namespace tenfold::search
