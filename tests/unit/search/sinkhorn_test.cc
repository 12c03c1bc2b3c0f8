// SPDX-License-Identifier: Apache-2.0
// Optimal transport against the log domain, the linear programme and its marginals.
#include "tenfold/search/sinkhorn.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tests/unit/search/search_data.h"

namespace tenfold::search {
namespace {

std::vector<float> random_costs(std::size_t count, std::uint64_t stream) {
  random::Generator generator(5, stream);
  std::vector<float> costs(count);
  for (float& cost : costs)
    cost = static_cast<float>(generator.uniform() * 3 + (generator.below(5) == 0 ? 2 : 0));
  return costs;
}

// The least cost of assigning `copies` rows to each of the columns: the Hungarian method (Kuhn 1955, in the form of shortest augmenting
// paths) on the square matrix in which every column stands `copies` times. Independent of anything entropic.
double least_assignment(const std::vector<double>& costs, std::size_t rows, std::size_t columns) {
  const std::size_t n = rows, copies = rows / columns;
  const auto cost = [&](std::size_t i, std::size_t j) { return costs[i * columns + j / copies]; };
  std::vector<double> u(n + 1), v(n + 1);
  std::vector<std::size_t> match(n + 1), way(n + 1);
  for (std::size_t i = 1; i <= n; ++i) {
    match[0] = i;
    std::size_t j0 = 0;
    std::vector<double> least(n + 1, std::numeric_limits<double>::infinity());
    std::vector<bool> used(n + 1, false);
    do {
      used[j0] = true;
      const std::size_t i0 = match[j0];
      double delta = std::numeric_limits<double>::infinity();
      std::size_t j1 = 0;
      for (std::size_t j = 1; j <= n; ++j) {
        if (used[j]) continue;
        const double now = cost(i0 - 1, j - 1) - u[i0] - v[j];
        if (now < least[j]) {
          least[j] = now;
          way[j] = j0;
        }
        if (least[j] < delta) {
          delta = least[j];
          j1 = j;
        }
      }
      for (std::size_t j = 0; j <= n; ++j) {
        if (used[j]) {
          u[match[j]] += delta;
          v[j] -= delta;
        } else {
          least[j] -= delta;
        }
      }
      j0 = j1;
    } while (match[j0] != 0);
    do {
      const std::size_t j1 = way[j0];
      match[j0] = match[j1];
      j0 = j1;
    } while (j0 != 0);
  }
  double total = 0;
  for (std::size_t j = 1; j <= n; ++j) total += cost(match[j] - 1, j - 1);
  return total;
}

TEST(Sinkhorn, EqualsTheLogDomain) {
  for (int round = 0; round < 200; ++round) {
    const auto costs = random_costs(64 * 16, static_cast<std::uint64_t>(round));
    const SinkhornOptions options{.epsilon = 0.05, .iterations = 50};
    const auto fast = sinkhorn(costs, 16, options), slow = sinkhorn_log_domain(costs, 16, options);
    const auto a = transport_plan(fast, costs, options), b = transport_plan(slow, costs, options);
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-9);
    for (std::size_t i = 0; i < 64; ++i) {
      const auto row = a.begin() + static_cast<std::ptrdiff_t>(16 * i);
      ASSERT_NEAR(std::accumulate(row, row + 16, 0.0), 1.0 / 64, 1e-12);
    }
    ASSERT_EQ(fast.codes, slow.codes);
    ASSERT_NEAR(fast.marginal_error, slow.marginal_error, 1e-9);
  }
}

TEST(Sinkhorn, EqualsTheLogDomainAtSmallEpsilon) {
  for (const double epsilon : {0.003, 0.0031, 0.0005}) {
    const auto costs = random_costs(96 * 8, 1000);
    const SinkhornOptions options{.epsilon = epsilon, .iterations = 100};
    const auto fast = sinkhorn(costs, 8, options), slow = sinkhorn_log_domain(costs, 8, options);
    const auto a = transport_plan(fast, costs, options), b = transport_plan(slow, costs, options);
    for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-9) << epsilon;
  }
}

// The entropic optimum costs at most eps ln K more than the linear programme's (scaled units, plan of mass 1).
TEST(Sinkhorn, IsNearTheLinearProgrammeAtConvergence) {
  for (int round = 0; round < 200; ++round) {
    const auto costs = random_costs(64 * 16, 2000 + static_cast<std::uint64_t>(round));
    const SinkhornOptions options{.epsilon = 0.05, .iterations = 2000};
    const auto result = sinkhorn(costs, 16, options);
    ASSERT_LT(result.marginal_error, 1e-6);
    const auto plan = transport_plan(result, costs, options);
    const auto [least, largest] = std::minmax_element(costs.begin(), costs.end());
    std::vector<double> scaled;
    for (const float cost : costs)
      scaled.push_back(2 * (static_cast<double>(cost) - *least) / (*largest - *least) - 1);
    const double found = std::inner_product(plan.begin(), plan.end(), scaled.begin(), 0.0);
    const double best = least_assignment(scaled, 64, 16) / 64;
    ASSERT_LE(found, best + 0.05 * std::log(16.0) + 1e-6);
    ASSERT_GE(found, best - 1e-5);
  }
}

TEST(Sinkhorn, SurvivesExtremeCosts) {
  std::vector<float> costs = random_costs(200 * 8, 3);
  for (std::size_t k = 0; k < 8; ++k) costs[k] = 1e6f;    // a constant row
  for (std::size_t k = 8; k < 16; ++k) costs[k] *= 1e6f;  // a wide one
  std::copy_n(&costs[32], 8, &costs[40]);                 // the same row twice
  for (const bool scaled : {true, false}) {
    for (const double epsilon : {1e-6, 0.003, 10.0}) {
      const auto result = sinkhorn(costs, 8, {.epsilon = epsilon, .iterations = 20, .scale_costs = scaled});
      for (const auto code : result.codes) ASSERT_LT(code, 8u);
      for (const double u : result.log_u) ASSERT_TRUE(std::isfinite(u)) << epsilon;
      for (const double v : result.log_v) ASSERT_TRUE(std::isfinite(v)) << epsilon;
    }
  }
  const std::vector<float> constant(60, 2.5f);
  for (const auto code : sinkhorn(constant, 6).codes) EXPECT_EQ(code, 0u);
}

// Nearest codewords of skewed rows use few of them; the constraint brings the use near to even.
TEST(Sinkhorn, BalancesSkewedRows) {
  const std::size_t rows = 1024, words = 32;
  const auto x = skewed_vectors(rows, 8, 9);
  random::Generator generator(4, 4);
  std::vector<float> centroids(words * 8);
  for (float& c : centroids) c = static_cast<float>(generator.normal());
  for (const auto& result : balanced_codes(as_vectors(x, 8), centroids, 2)) {
    EXPECT_LT(result.usage.imbalance, 0.6 * result.nearest_usage.imbalance);
    EXPECT_GT(result.usage.entropy, result.nearest_usage.entropy);
    EXPECT_GT(result.disagreement, 0.0);
    EXPECT_LT(result.disagreement, 1.0);
  }
}

TEST(Sinkhorn, UsageIsByDefinition) {
  const std::vector<std::uint32_t> codes{0, 0, 1, 1, 2, 2, 3, 3};
  EXPECT_DOUBLE_EQ(code_usage(codes, 4).entropy, 2.0);
  EXPECT_DOUBLE_EQ(code_usage(codes, 4).imbalance, 0.0);
  EXPECT_DOUBLE_EQ(code_usage(codes, 8).entropy, 2.0);
  EXPECT_DOUBLE_EQ(code_usage(codes, 8).imbalance, 1.0);
}

TEST(Sinkhorn, RefusesWrongShapesAndNumbers) {
  EXPECT_EQ(code_of([] { sinkhorn({}, 4); }), "sinkhorn.shape");
  EXPECT_EQ(code_of([] { sinkhorn(std::vector<float>(7), 4); }), "sinkhorn.shape");
  EXPECT_EQ(code_of([] { sinkhorn(std::vector<float>(8), 0); }), "sinkhorn.shape");
  EXPECT_EQ(code_of([] { sinkhorn(std::vector<float>{1, std::nanf("")}, 2); }), "sinkhorn.not_finite");
  EXPECT_EQ(code_of([] { sinkhorn(std::vector<float>{1, 2}, 2, {.epsilon = 0}); }), "config.out_of_range");
  const std::vector<float> x(12), words(6);
  EXPECT_EQ(code_of([&] { balanced_codes(as_vectors(x, 3), words, 2); }), "sinkhorn.shape");
}

}  // namespace
}  // namespace tenfold::search
