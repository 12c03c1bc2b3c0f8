// SPDX-License-Identifier: Apache-2.0
// The loops of optimal transport against plain ones in long double, on every instruction set.
#include "tenfold/kernels/sinkhorn_pass.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/unit/kernels/every_target.h"

namespace tenfold::kernels {
namespace {

std::vector<double> positive(TestNumbers& numbers, std::size_t count) {
  std::vector<double> values(count);
  for (double& value : values) value = std::exp(4.0 * numbers.number());
  return values;
}

TEST_F(EveryTarget, SinkhornPassEqualsThePlainLoop) {
  for_each_target([] {
    TestNumbers numbers(21);
    for (int round = 0; round < 1000; ++round) {
      const std::size_t rows = numbers.size(1, 40), columns = numbers.size(1, 37);
      const auto a = positive(numbers, rows * columns), v = positive(numbers, columns);
      std::vector<double> u(rows, -1), sums(columns, -1);
      sinkhorn_pass(a, v, 0.25, u, sums);
      std::vector<long double> expected(columns, 0);
      for (std::size_t i = 0; i < rows; ++i) {
        long double dot = 0;
        for (std::size_t k = 0; k < columns; ++k) dot += static_cast<long double>(a[i * columns + k]) * v[k];
        ASSERT_NEAR(u[i] * static_cast<double>(dot), 0.25, 1e-13) << rows << " x " << columns;
        for (std::size_t k = 0; k < columns; ++k) expected[k] += a[i * columns + k] * (0.25L / dot);
      }
      for (std::size_t k = 0; k < columns; ++k)
        ASSERT_NEAR(sums[k] / static_cast<double>(expected[k]), 1.0, 1e-12) << rows << " x " << columns;
    }
  });
}

// As the formula says: such a row has no mass to give.
TEST_F(EveryTarget, SinkhornPassGivesInfinityToARowOfZeros) {
  for_each_target([] {
    std::vector<double> a(10 * 4, 1.0), v(4, 1.0), u(10), sums(4);
    std::fill_n(a.begin() + 8, 4, 0.0);
    sinkhorn_pass(a, v, 1.0, u, sums);
    EXPECT_EQ(u[2], std::numeric_limits<double>::infinity());
    EXPECT_EQ(u[3], 0.25);
  });
}

TEST_F(EveryTarget, ExponentialsOfCostsAreExact) {
  for_each_target([] {
    TestNumbers numbers(22);
    for (int round = 0; round < 300; ++round) {
      const auto costs = numbers.numbers(numbers.size(1, 50));
      const double least = *std::min_element(costs.begin(), costs.end()),
                   scale = -static_cast<double>(numbers.size(0, 400));
      std::vector<double> values(costs.size());
      exp_of_costs(costs, least, scale, values);
      for (std::size_t i = 0; i < costs.size(); ++i) {
        const double x = scale * (costs[i] - least), expected = std::exp(x);
        if (x < -708) {
          ASSERT_EQ(values[i], 0.0);
        } else {
          ASSERT_NEAR(values[i] / expected, 1.0, 1e-13) << x;
        }
      }
    }
  });
}

TEST_F(EveryTarget, RangesAndFirstPlacesEqualTheStandardLibrary) {
  for_each_target([] {
    TestNumbers numbers(23);
    for (int round = 0; round < 1000; ++round) {
      auto costs = numbers.numbers(numbers.size(1, 70));
      for (float& cost : costs) cost = std::round(4 * cost);  // so that numbers stand twice
      const auto [least, largest] = std::minmax_element(costs.begin(), costs.end());
      const CostRange range = range_of_costs(costs);
      ASSERT_EQ(range.least, *least);
      ASSERT_EQ(range.largest, *largest);
      ASSERT_TRUE(range.finite);
      ASSERT_EQ(first_least(costs), static_cast<std::size_t>(least - costs.begin()));
      costs[numbers.below(costs.size())] =
          round % 2 == 0 ? std::nanf("") : -std::numeric_limits<float>::infinity();
      ASSERT_FALSE(range_of_costs(costs).finite);

      std::vector<double> a(costs.size()), v(costs.size()), products(costs.size()), sums(costs.size(), 1.0);
      for (std::size_t k = 0; k < a.size(); ++k) {
        a[k] = static_cast<double>(numbers.below(5));
        v[k] = static_cast<double>(numbers.below(5));
        products[k] = a[k] * v[k];
      }
      ASSERT_EQ(
          first_largest_product(a, v),
          static_cast<std::size_t>(std::max_element(products.begin(), products.end()) - products.begin()));
      add_scaled(a, 3.0, sums);
      for (std::size_t k = 0; k < a.size(); ++k) ASSERT_EQ(sums[k], 1.0 + 3.0 * a[k]);
    }
  });
}

}  // namespace
}  // namespace tenfold::kernels
