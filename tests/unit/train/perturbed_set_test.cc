// SPDX-License-Identifier: Apache-2.0
// Selection, blocks and the combination of slopes.
#include "tenfold/train/perturbed_set.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tenfold/base/error.h"
#include "tests/unit/train/estimator_cases.h"

namespace tenfold::train {
namespace {

std::vector<NamedParameter> named(std::vector<std::pair<std::string, std::int64_t>> sizes) {
  std::vector<NamedParameter> parameters;
  for (auto& [name, size] : sizes) parameters.push_back({name, at::zeros({size}, at::kDouble)});
  return parameters;
}

TEST(Blocks, LayersJoinParametersOfOneModule) {
  const auto parameters = named({{"a.0.weight", 6}, {"a.0.bias", 2}, {"a.1.weight", 8}, {"scale", 4}});
  const auto selected = select_parameters(parameters, {});
  const auto layers = make_blocks(parameters, selected, BlockSize::kLayer);
  ASSERT_EQ(layers.size(), 3u);
  EXPECT_EQ(layers[0].tensors.size(), 2u);
  EXPECT_DOUBLE_EQ(layers[0].probability, 8.0 / 20);
  EXPECT_DOUBLE_EQ(layers[2].probability, 4.0 / 20);
  EXPECT_EQ(make_blocks(parameters, selected, BlockSize::kTensor).size(), 4u);
  EXPECT_EQ(make_blocks(parameters, selected, BlockSize::kAll).size(), 1u);
}

TEST(Blocks, AreChosenAsOftenAsTheirSize) {
  const auto parameters = named({{"a", 10}, {"b", 70}, {"c", 20}});
  const auto blocks = make_blocks(parameters, select_parameters(parameters, {}), BlockSize::kTensor);
  double counts[3] = {};
  const int draws = 20'000;
  for (int step = 0; step < draws; ++step) {
    const Block& block = choose_block(blocks, {{.seed = 4, .step = static_cast<std::uint64_t>(step)}, 0});
    counts[&block - blocks.data()] += 1.0 / draws;
  }
  for (std::size_t i = 0; i < 3; ++i) {
    const double p = blocks[i].probability;
    EXPECT_NEAR(counts[i], p, 5 * std::sqrt(p * (1 - p) / draws));
  }
}

std::vector<std::unique_ptr<Direction>> random_directions(std::size_t count, std::int64_t n) {
  std::vector<std::unique_ptr<Direction>> directions;
  for (std::size_t j = 0; j < count; ++j) {
    directions.push_back(
        random_direction(DirectionLaw::kGaussian,
                         {{.seed = 6}, j},
                         {{0, at::zeros({n - 3}, at::kDouble)}, {1, at::zeros({3}, at::kDouble)}}));
  }
  return directions;
}

at::Tensor flat(const Direction& direction) {
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : drawn(direction)) parts.push_back(part.flatten());
  return at::cat(parts);
}

struct Projected {
  at::Tensor estimate, expected;
  Projection projection;
};

// Against V (V^T V)^-1 V^T g by LibTorch's least squares.
Projected project(const std::vector<std::unique_ptr<Direction>>& directions) {
  std::vector<at::Tensor> columns;
  for (const auto& direction : directions) columns.push_back(flat(*direction));
  const at::Tensor v = at::stack(columns, 1);
  at::manual_seed(3);
  const at::Tensor g = at::randn({v.size(0)}, at::kDouble);
  std::vector<double> slopes;
  for (const at::Tensor& column : columns) slopes.push_back(at::dot(column, g).item<double>());
  Projected result{{}, {}, orthogonal_projection(directions, slopes)};
  result.estimate = at::mv(v, at::tensor(result.projection.coefficients, at::kDouble));
  result.expected = at::matmul(v, at::matmul(at::linalg_pinv(v), g));
  if (v.size(1) >= v.size(0)) {
    EXPECT_TRUE(at::allclose(result.expected, g, 1e-6, 1e-8));
  }
  return result;
}

TEST(OrthogonalProjection, EqualsThePseudoInverse) {
  for (const std::size_t count : {1u, 3u, 10u}) {
    const Projected result = project(random_directions(count, 200));
    EXPECT_TRUE(at::allclose(result.estimate, result.expected, 1e-9, 1e-11)) << count;
    EXPECT_EQ(result.projection.dropped, 0u);
  }
}

TEST(OrthogonalProjection, WithAsManyDirectionsAsParametersIsTheGradient) {
  const Projected result = project(random_directions(24, 24));
  EXPECT_TRUE(at::allclose(result.estimate, result.expected, 1e-6, 1e-8));
}

TEST(OrthogonalProjection, LeavesOutDirectionsThatAddNothing) {
  auto directions = random_directions(3, 50);
  directions.push_back(given_direction(directions[0]->tensors(), drawn(*directions[1])));
  directions.push_back(given_direction(directions[0]->tensors(), std::vector<at::Tensor>(2)));
  const Projected result = project(directions);
  EXPECT_EQ(result.projection.dropped, 2u);
  EXPECT_TRUE(at::allclose(result.estimate, result.expected, 1e-9, 1e-11));
  EXPECT_EQ(project(random_directions(30, 24)).projection.dropped, 6u);
}

TEST(OrthogonalProjection, RefusesZeroDirections) {
  std::vector<std::unique_ptr<Direction>> directions;
  directions.push_back(given_direction({{0, at::zeros({4})}}, std::vector<at::Tensor>(1)));
  const std::vector<double> slopes{0.0};
  try {
    orthogonal_projection(directions, slopes);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "gradient.zero_direction");
  }
}

}  // namespace
}  // namespace tenfold::train
