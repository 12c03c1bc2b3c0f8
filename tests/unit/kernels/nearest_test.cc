// SPDX-License-Identifier: Apache-2.0
// The nearest centroid against sums in double, and one round of Sinkhorn's scaling against its formula.
#include "tenfold/kernels/nearest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tenfold/kernels/sinkhorn_pass.h"
#include "tests/unit/kernels/every_target.h"

namespace tenfold::kernels {
namespace {

double squared_distance(const float* a, const float* b, std::size_t dimension) {
  double sum = 0;
  for (std::size_t j = 0; j < dimension; ++j) {
    sum += (static_cast<double>(a[j]) - b[j]) * (static_cast<double>(a[j]) - b[j]);
  }
  return sum;
}

TEST_F(EveryTarget, NearestIsAsNearAsThePlainOne) {
  for_each_target([] {
    TestNumbers numbers(21);
    for (int round = 0; round < 400; ++round) {
      const std::size_t dimension = numbers.size(1, 20), count = numbers.size(1, 70),
                        rows = numbers.size(0, 20);
      const std::size_t stride = dimension + numbers.below(3);
      const auto centroids = numbers.numbers(count * dimension), x = numbers.numbers(rows * stride + 1);
      const NearestTable table(centroids, dimension);
      std::vector<std::uint32_t> index(rows, 999), plain(rows);
      std::vector<float> value(rows);
      nearest(table, x.data(), static_cast<std::ptrdiff_t>(stride), index, value.data());
      nearest_plain(centroids, dimension, x.data(), static_cast<std::ptrdiff_t>(stride), plain);
      for (std::size_t i = 0; i < rows; ++i) {
        ASSERT_LT(index[i], count);
        const float* row = x.data() + i * stride;
        const double least = squared_distance(row, &centroids[plain[i] * dimension], dimension);
        ASSERT_NEAR(squared_distance(row, &centroids[index[i] * dimension], dimension), least, 1e-4);
        const std::vector<float> origin(dimension);
        ASSERT_NEAR(squared_distance(row, origin.data(), dimension) + 2 * value[i], least, 1e-3);
      }
    }
  });
}

// Whole numbers are exact in float: a tie is a tie.
TEST_F(EveryTarget, TiesGoToTheLowestIndex) {
  for_each_target([] {
    for (std::size_t count : {2u, 33u, 256u}) {
      const std::vector<float> centroids(count * 3, 1.0f), rows{1, 1, 1, 5, 0, 2};
      std::vector<std::uint32_t> index(2, 9);
      nearest(NearestTable(centroids, 3), rows.data(), 3, index, nullptr);
      EXPECT_EQ(index, (std::vector<std::uint32_t>{0, 0}));
    }
  });
}

TEST_F(EveryTarget, SinkhornPassScalesRowsAndSumsColumns) {
  for_each_target([] {
    TestNumbers numbers(22);
    for (int round = 0; round < 200; ++round) {
      const std::size_t rows = numbers.size(1, 30), columns = numbers.size(1, 40);
      std::vector<double> a(rows * columns), v(columns), u(rows), sums(columns, -1.0), expected(columns);
      for (double& x : a) x = 2.1 + static_cast<double>(numbers.number());
      for (double& x : v) x = 2.1 + static_cast<double>(numbers.number());
      sinkhorn_pass(a, v, 0.25, u, sums);
      for (std::size_t i = 0; i < rows; ++i) {
        double dot = 0;
        for (std::size_t k = 0; k < columns; ++k) dot += a[i * columns + k] * v[k];
        ASSERT_NEAR(u[i], 0.25 / dot, 1e-13 * u[i]);
        for (std::size_t k = 0; k < columns; ++k) expected[k] += a[i * columns + k] * 0.25 / dot;
      }
      for (std::size_t k = 0; k < columns; ++k) ASSERT_NEAR(sums[k], expected[k], 1e-12 * expected[k]);
    }
  });
}

TEST_F(EveryTarget, ExponentialsOfCostsAreAccurate) {
  for_each_target([] {
    std::vector<float> costs;
    for (int i = 0; i < 1003; ++i) costs.push_back(static_cast<float>(i) / 501.0f - 1.0f);
    std::vector<double> values(costs.size());
    exp_of_costs(costs, -1.0, -1 / 0.003, values);
    for (std::size_t i = 0; i < costs.size(); ++i) {
      const double exact = std::exp((static_cast<double>(costs[i]) + 1.0) / -0.003);
      ASSERT_NEAR(values[i], exact, 1e-12 * exact) << costs[i];
    }
    exp_of_costs(std::vector<float>{2e6f}, -1.0, -1 / 0.003, std::span(values).first(1));
    EXPECT_EQ(values[0], 0.0);
  });
}

}  // namespace
}  // namespace tenfold::kernels
