// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/verbs/estimate_draws.h"

#include <ATen/Context.h>
#include <ATen/Functions.h>

#include <cmath>

namespace tenfold::forward_gradient {
namespace {

torch::Tensor random_gradient(std::uint64_t seed) {
  at::manual_seed(seed);
  return at::randn({kGradientRows, kGradientColumns}, at::kDouble);
}

}  // namespace

Draws draw_estimates(train::DirectionLaw law, std::uint64_t seed, int draws) {
  const torch::Tensor gradient = random_gradient(seed);
  const double norm = gradient.norm().item<double>();
  torch::Tensor sum = at::zeros_like(gradient);
  double squares = 0.0, along = 0.0, along_squared = 0.0;
  for (int draw = 0; draw < draws; ++draw) {
    const train::DirectionKey key{.estimate = {.seed = seed, .step = static_cast<std::uint64_t>(draw)}};
    const torch::Tensor v = train::random_direction(law, key, {{0, gradient}})->draw(0);
    const double slope = v.mul(gradient).sum().item<double>();
    sum.add_(v, slope);
    squares += slope * slope * v.square().sum().item<double>();
    const double part = slope * slope / (norm * norm);  // <estimate, g> / |g|^2
    along += part;
    along_squared += part * part;
  }
  const double mean = along / draws;
  const double variance = (along_squared / draws - mean * mean) * draws / (draws - 1.0);
  return {.cosine = sum.mul(gradient).sum().item<double>() / (sum.norm().item<double>() * norm),
          .second_moment = squares / draws / (norm * norm),
          .z = (mean - 1.0) / std::sqrt(variance / draws)};
}

double mean_cosine(std::uint64_t seed, std::uint64_t tangents, int estimates) {
  const torch::Tensor gradient = random_gradient(seed);
  const double norm = gradient.norm().item<double>();
  double sum = 0.0;
  for (int i = 0; i < estimates; ++i) {
    torch::Tensor estimate = at::zeros_like(gradient);
    for (std::uint64_t tangent = 0; tangent < tangents; ++tangent) {
      const train::DirectionKey key{
          .estimate = {.seed = seed, .step = static_cast<std::uint64_t>(i), .micro_batch = tangents},
          .tangent = tangent};
      const torch::Tensor v =
          train::random_direction(train::DirectionLaw::kRademacher, key, {{0, gradient}})->draw(0);
      estimate.add_(v, v.mul(gradient).sum().item<double>());
    }
    sum += std::abs(estimate.mul(gradient).sum().item<double>()) / (estimate.norm().item<double>() * norm);
  }
  return sum / estimates;
}

// |mean of D estimates|^2 = |g|^2 (1 + (m - 1) / D) with second moment m = n.
double expected_cosine(double n, double draws) {
  return std::sqrt(draws / (n + draws));
}

}  // namespace tenfold::forward_gradient
