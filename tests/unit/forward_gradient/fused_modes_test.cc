// SPDX-License-Identifier: Apache-2.0
// What the fast modes promise: unbiased estimates, the same directions on any thread count and as the generic estimator, updates
// that do not depend on when they are applied, and a bias of bfloat16 tangents that is not there.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "tenfold/kernels/gemm.h"
#include "tenfold/systems/forward_gradient/fused_net.h"
#include "tenfold/train/gradient_options.h"
#include "tests/unit/forward_gradient/fused_cases.h"

namespace tenfold::forward_gradient {
namespace {

std::vector<torch::Tensor> values_of(const FusedNet& net) {
  std::vector<torch::Tensor> values;
  for (const auto& parameter : net.parameters()) values.push_back(parameter.value.detach().clone());
  return values;
}

double distance(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b) {
  std::vector<torch::Tensor> difference;
  for (std::size_t i = 0; i < a.size(); ++i)
    difference.push_back(a[i].to(at::kDouble) - b[i].to(at::kDouble));
  return norm(difference);
}

torch::nn::Sequential copy_of(const Case& own, const torch::nn::Sequential& module) {
  torch::nn::Sequential copy = own.make();
  const c10::NoGradGuard no_grad;
  const auto to = train::trainable_parameters(*copy), from = train::trainable_parameters(*module);
  for (std::size_t i = 0; i < to.size(); ++i) torch::Tensor(to[i].value).copy_(from[i].value);
  return copy;
}

TEST(FusedModes, StepsMoveAgainstTheSlopeAlongTheDirection) {
  constexpr double kRate = 1e-3;
  for (const Case& own : all_cases()) {
    for (const char* mode : {"rank1", "block", "dense"}) {
      SCOPED_TRACE(own.name + " " + mode);
      FusedNet net(own.make());
      const TestBatch batch = make_batch(own);
      const FusedOptions options{.mode = mode, .tangent_bf16 = false, .apply_every = 3};
      std::vector<torch::Tensor> expected = values_of(net);
      net.logits(batch.inputs);  // directions need the layers
      for (std::uint64_t step = 0; step < 5; ++step) {
        const train::EstimateKey key{.seed = 3, .step = step};
        const FusedNet::Figures figures = net.step(batch.inputs, batch.targets, options, key, kRate);
        const std::vector<torch::Tensor> direction = net.direction(options, key, 0);
        for (std::size_t i = 0; i < expected.size(); ++i) {
          expected[i] -= direction[i] * (kRate * figures.slopes[0] / figures.probability);
        }
      }
      net.flush();
      EXPECT_LT(distance(values_of(net), expected), 1e-6 * norm(expected));
    }
  }
}

TEST(FusedModes, UpdatesAppliedLaterGiveTheSameWeights) {
  constexpr double kRate = 1e-3;
  for (const Case& own : all_cases()) {
    SCOPED_TRACE(own.name);
    torch::nn::Sequential one = own.make(), sixteen = copy_of(own, one);
    FusedNet first(one), second(sixteen);
    std::vector<torch::Tensor> start = values_of(first);
    for (std::uint64_t step = 0; step < 40; ++step) {
      const TestBatch batch = make_batch(own, step);
      const train::EstimateKey key{.seed = 5, .step = step};
      const std::int64_t tangents = step < 20 ? 1 : 2;  // also over a change of the options
      FusedOptions options{.mode = "rank1", .tangent_bf16 = false, .apply_every = 1, .tangents = tangents};
      const double a = first.step(batch.inputs, batch.targets, options, key, kRate).slopes[0];
      options.apply_every = 16;
      const double b = second.step(batch.inputs, batch.targets, options, key, kRate).slopes[0];
      EXPECT_NEAR(a, b, 1e-3 * (1 + std::abs(a)));
    }
    first.flush();
    second.flush();
    const double moved = distance(values_of(first), start);
    EXPECT_GT(moved, 0.0);
    EXPECT_LT(distance(values_of(first), values_of(second)), 1e-4 * moved);
  }
}

TEST(FusedModes, RankOneAgreesWithTheGenericEstimator) {
  for (const Case& own : all_cases()) {
    for (const char* block : {"none", "layer"}) {
      SCOPED_TRACE(own.name + " " + block);
      torch::nn::Sequential module = own.make();
      const TestBatch batch = make_batch(own);
      const auto generic =
          train::make_gradient_estimator({.name = "forward", .direction = "rank1", .block = block});
      FusedNet net(module);
      const FusedOptions options{.mode = std::string(block) == "none" ? "rank1" : "block",
                                 .tangent_bf16 = false};
      for (std::uint64_t step = 0; step < 4; ++step) {
        const train::EstimateKey key{.seed = 11, .step = step, .micro_batch = 2};
        module->zero_grad();
        generic->accumulate(
            [&] {
              return train::StepOutput{
                  .loss = at::cross_entropy_loss(module->forward(batch.inputs), batch.targets)};
            },
            net.parameters(),
            key,
            1.0);
        const FusedNet::Figures figures = net.directional(batch.inputs, batch.targets, options, key);
        const double slope = generic->figures().at("directional_derivative");
        EXPECT_NEAR(figures.slopes[0], slope, 1e-4 * (1 + std::abs(slope)));
        const std::vector<torch::Tensor> direction = net.direction(options, key, 0);
        for (std::size_t i = 0; i < direction.size(); ++i) {
          const torch::Tensor expected = direction[i] * (slope / figures.probability);
          const torch::Tensor error = net.parameters()[i].value.grad() - expected;
          EXPECT_LT(error.abs().max().item<double>(), 1e-5 * (1 + std::abs(slope) / figures.probability));
        }
      }
    }
  }
}

// The mean of many estimates against the gradient, entry by entry: z = (mean - g) / standard error, whose squares have mean 1.
TEST(FusedModes, EstimatesAreUnbiased) {
  constexpr int kDraws = 4000;
  const Case own{"tiny", [] { return deep_mlp(2, 6, 5, 3); }, {5}, 7, 3};
  torch::nn::Sequential module = own.make();
  const TestBatch batch = make_batch(own);
  const Reference reference = reference_of(module, batch);
  FusedNet net(module);
  for (const char* mode : {"rank1", "block", "dense"}) {
    SCOPED_TRACE(mode);
    const FusedOptions options{.mode = mode, .tangent_bf16 = false};
    std::vector<torch::Tensor> sum, squares;
    for (const torch::Tensor& gradient : reference.gradients) {
      sum.push_back(at::zeros_like(gradient));
      squares.push_back(at::zeros_like(gradient));
    }
    double second_moment = 0.0;
    for (int draw = 0; draw < kDraws; ++draw) {
      const train::EstimateKey key{.seed = 17, .step = static_cast<std::uint64_t>(draw)};
      const FusedNet::Figures figures = net.directional(batch.inputs, batch.targets, options, key);
      const std::vector<torch::Tensor> direction = net.direction(options, key, 0);
      for (std::size_t i = 0; i < sum.size(); ++i) {
        const torch::Tensor estimate =
            direction[i].to(at::kDouble) * (figures.slopes[0] / figures.probability);
        sum[i] += estimate;
        squares[i] += estimate * estimate;
        second_moment += estimate.pow(2).sum().item<double>() / kDraws;
      }
    }
    double chi2 = 0.0, entries = 0.0, worst = 0.0;
    for (std::size_t i = 0; i < sum.size(); ++i) {
      const torch::Tensor mean = sum[i] / kDraws, variance = (squares[i] / kDraws - mean * mean) / kDraws;
      const torch::Tensor z = (mean - reference.gradients[i]) / (variance.sqrt() + 1e-12);
      chi2 += z.pow(2).sum().item<double>();
      entries += static_cast<double>(z.numel());
      worst = std::max(worst, z.abs().max().item<double>());
    }
    EXPECT_LT(worst, 5.0);
    EXPECT_NEAR(chi2 / entries, 1.0, 0.6);  // entries of one estimate are correlated
    // n |g|^2 for signs, whole or in blocks; heavier tails of products of signs make its spread larger.
    EXPECT_NEAR(second_moment / (entries * std::pow(norm(reference.gradients), 2)), 1.0, 0.25);
  }
}

TEST(FusedModes, DirectionsAndSlopesDoNotDependOnTheThreadCount) {
  const int before = at::get_num_threads();
  for (const Case& own : all_cases()) {
    SCOPED_TRACE(own.name);
    torch::nn::Sequential module = own.make();
    const TestBatch batch = make_batch(own);
    for (const char* mode : {"rank1", "block", "dense"}) {
      for (const bool bf16 : {false, true}) {
        const FusedOptions options{.mode = mode, .tangent_bf16 = bf16};
        std::vector<double> slopes;
        std::vector<std::vector<torch::Tensor>> directions;
        for (const int threads : {1, 2, 5}) {
          at::set_num_threads(threads);
          FusedNet net(module);
          const train::EstimateKey key{.seed = 1, .step = 2};
          slopes.push_back(net.directional(batch.inputs, batch.targets, options, key).slopes[0]);
          directions.push_back(net.direction(options, key, 0));
        }
        EXPECT_EQ(slopes[0], slopes[1]);
        EXPECT_EQ(slopes[0], slopes[2]);
        EXPECT_EQ(distance(directions[0], directions[1]), 0.0);
      }
    }
  }
  at::set_num_threads(before);
}

TEST(FusedModes, BackpropagationDoesNotDependOnTheThreadCount) {
  const int before = at::get_num_threads();
  for (const Case& own : all_cases()) {
    SCOPED_TRACE(own.name);
    torch::nn::Sequential module = own.make();
    std::vector<std::vector<torch::Tensor>> values;
    for (const int threads : {1, 3}) {
      at::set_num_threads(threads);
      FusedNet net(copy_of(own, module));
      for (std::uint64_t step = 0; step < 3; ++step) {
        const TestBatch batch = make_batch(own, step);
        net.step(batch.inputs, batch.targets, {.mode = "backprop"}, {}, 0.05);
      }
      net.flush();
      values.push_back(values_of(net));
    }
    EXPECT_EQ(distance(values[0], values[1]), 0.0);
  }
  at::set_num_threads(before);
}

// What bfloat16 tangents do to the estimate (g.v) v: with d = g.v and its rounded form d', the error of the mean estimate along
// g is E[(d' - d) d] / E[d^2]. (The mean of d' - d itself is zero for any rounding that is odd in v.)
struct RoundingError {
  double along = 0.0;           // of the mean estimate along g, relative
  double standard_error = 0.0;  // of `along`
  double spread = 0.0;          // standard deviation of d' - d over |g|, which is that of d
};

RoundingError rounding_error(const Case& own, const std::string& rounding) {
  constexpr int kDraws = 1000;
  torch::nn::Sequential module = own.make();
  const TestBatch batch = make_batch(own);
  FusedNet net(module), exact(module);
  const double scale = norm(reference_of(module, batch).gradients);
  double sum = 0.0, squares = 0.0, errors = 0.0;
  for (int draw = 0; draw < kDraws; ++draw) {
    const train::EstimateKey key{.seed = 23, .step = static_cast<std::uint64_t>(draw)};
    FusedOptions options{.mode = "rank1", .rounding = rounding, .apply_every = 1};
    // Steps of size zero: the weights are rounded anew after each.
    const double rounded = net.step(batch.inputs, batch.targets, options, key, 0.0).slopes[0] / scale;
    options.tangent_bf16 = false;
    const double slope = exact.directional(batch.inputs, batch.targets, options, key).slopes[0] / scale;
    const double product = (rounded - slope) * slope;
    sum += product;
    squares += product * product;
    errors += (rounded - slope) * (rounded - slope);
  }
  RoundingError result;
  result.along = sum / kDraws;
  result.standard_error = std::sqrt((squares / kDraws - result.along * result.along) / kDraws);
  result.spread = std::sqrt(errors / kDraws);
  return result;
}

TEST(FusedModes, BfloatTangentsHaveASmallErrorWithoutBias) {
  const std::vector<Case> cases = {
      {"mlp", [] { return deep_mlp(3, 64, 40, 10); }, {40}, 16, 10},
      {"cnn",
       [] {
         return cnn({.channels = {16, 16, 16, 16}, .hidden = 48, .image_size = 8});
       },
       {1, 8, 8},
       8,
       10}};
  for (const Case& own : cases) {
    for (const char* rounding : {"stochastic", "nearest"}) {
      SCOPED_TRACE(own.name + " " + rounding);
      const RoundingError error = rounding_error(own, rounding);
      EXPECT_GT(error.spread, 0.0);
      // Each rounding is off by at most 2^-7 (2^-8 to nearest) of the number, and there are two a layer.
      EXPECT_LT(error.spread, 8 * 0x1p-7);
      if (std::string(rounding) == "stochastic") {
        EXPECT_LT(std::abs(error.along), 4 * error.standard_error);
      } else {
        EXPECT_LT(std::abs(error.along), 8 * 0x1p-8);
      }
    }
  }
}

}  // namespace
}  // namespace tenfold::forward_gradient
