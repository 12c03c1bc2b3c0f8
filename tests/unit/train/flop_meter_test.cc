// SPDX-License-Identifier: Apache-2.0
// The FLOP meter against counts by hand, one formula beside each operator.
#include "tenfold/train/flop_meter.h"

#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/rnn.h>
#include <torch/optim/adam.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "tenfold/base/error.h"
#include "tenfold/train/flop_scopes.h"

namespace tenfold::train {
namespace {

using torch::nn::Conv2dOptions;

at::Tensor leaf(at::IntArrayRef shape) {
  return at::randn(shape).requires_grad_(true);
}

template <typename Body>
FlopReport count(Body body, FlopMeterOptions options = {}) {
  FlopMeter meter(std::move(options));
  body();
  return meter.report();
}

template <typename Body>
FlopReport count_training(Body forward) {
  return count([&] { forward().sum().backward(); });
}

TEST(FlopMeter, CountsLinearForwardAndBothGradients) {
  torch::nn::Linear layer(8, 4);
  const FlopReport report = count_training([&] { return layer->forward(leaf({3, 8})); });
  EXPECT_EQ(report.forward, 2u * 3 * 8 * 4);
  EXPECT_EQ(report.backward, 2u * 2 * 3 * 8 * 4);
  EXPECT_EQ(report.other, 0u);
  EXPECT_TRUE(report.uncounted.empty());
}

TEST(FlopMeter, FirstLayerHasNoDataGradient) {
  torch::nn::Linear layer(8, 4);
  const FlopReport report = count_training([&] { return layer->forward(at::randn({3, 8})); });
  EXPECT_EQ(report.backward, 2u * 3 * 8 * 4);
}

TEST(FlopMeter, FrozenLayerHasNoWeightGradient) {
  torch::nn::Linear frozen(8, 6), trained(6, 4), frozen_top(4, 5);
  for (const auto& parameter : frozen->parameters()) parameter.requires_grad_(false);
  for (const auto& parameter : frozen_top->parameters()) parameter.requires_grad_(false);
  const FlopReport report = count_training([&] {
    return frozen_top->forward(trained->forward(frozen->forward(at::randn({3, 8}))));
  });
  EXPECT_EQ(report.forward, 2u * 3 * (8 * 6 + 6 * 4 + 4 * 5));
  // frozen: nothing; trained: weight gradient only, its input needs none; frozen_top: data gradient only.
  EXPECT_EQ(report.backward, 2u * 3 * (6 * 4) + 2u * 3 * (4 * 5));
}

TEST(FlopMeter, LinearOnThreeDimensionsCountsAllRows) {
  torch::nn::Linear with_bias(8, 4), without(torch::nn::LinearOptions(8, 4).bias(false));
  EXPECT_EQ(count([&] { with_bias->forward(at::randn({2, 3, 8})); }).forward, 2u * 2 * 3 * 8 * 4);
  EXPECT_EQ(count([&] { without->forward(at::randn({2, 3, 8})); }).forward, 2u * 2 * 3 * 8 * 4);
}

TEST(FlopMeter, CountsOnceWithoutGradients) {
  torch::nn::Linear layer(8, 4);
  const FlopReport no_grad = count([&] {
    const torch::NoGradGuard guard;
    layer->forward(at::randn({3, 8}));
  });
  EXPECT_EQ(no_grad.total(), 2u * 3 * 8 * 4);
  const FlopReport inference = count([&] {
    const c10::InferenceMode mode;
    layer->forward(at::randn({3, 8}));
  });
  EXPECT_EQ(inference.total(), 2u * 3 * 8 * 4);
}

struct ProductCase {
  const char* name;
  std::function<at::Tensor()> run;
  std::uint64_t flops;
};

class MatrixProducts : public testing::TestWithParam<ProductCase> {};

TEST_P(MatrixProducts, MatchTheFormula) {
  const FlopReport report = count([&] { GetParam().run(); });
  EXPECT_EQ(report.forward, GetParam().flops);
  EXPECT_TRUE(report.uncounted.empty());
}

INSTANTIATE_TEST_SUITE_P(
    FlopMeter,
    MatrixProducts,
    testing::Values(
        ProductCase{"mm",
                    [] {
                      return at::mm(at::rand({3, 4}), at::rand({4, 5}));
                    },
                    2 * 3 * 4 * 5},
        ProductCase{"addmm",
                    [] {
                      return at::addmm(at::rand({5}), at::rand({3, 4}), at::rand({4, 5}));
                    },
                    2 * 3 * 4 * 5},
        ProductCase{"addmm_in_place",
                    [] {
                      return at::rand({3, 5}).addmm_(at::rand({3, 4}), at::rand({4, 5}));
                    },
                    2 * 3 * 4 * 5},
        ProductCase{"bmm",
                    [] {
                      return at::bmm(at::rand({2, 3, 4}), at::rand({2, 4, 5}));
                    },
                    2 * 2 * 3 * 4 * 5},
        ProductCase{"baddbmm",
                    [] {
                      return at::baddbmm(at::rand({2, 3, 5}), at::rand({2, 3, 4}), at::rand({2, 4, 5}));
                    },
                    2 * 2 * 3 * 4 * 5},
        ProductCase{"addbmm",
                    [] {
                      return at::addbmm(at::rand({3, 5}), at::rand({2, 3, 4}), at::rand({2, 4, 5}));
                    },
                    2 * 2 * 3 * 4 * 5},
        ProductCase{"mv",
                    [] {
                      return at::mv(at::rand({3, 4}), at::rand({4}));
                    },
                    2 * 3 * 4},
        ProductCase{"addmv",
                    [] {
                      return at::addmv(at::rand({3}), at::rand({3, 4}), at::rand({4}));
                    },
                    2 * 3 * 4},
        ProductCase{"dot", [] { return at::dot(at::rand({7}), at::rand({7})); }, 2 * 7},
        ProductCase{"matmul_4d",
                    [] {
                      return at::matmul(at::rand({2, 3, 4, 5}), at::rand({2, 3, 5, 6}));
                    },
                    2 * 2 * 3 * 4 * 5 * 6},
        ProductCase{"matmul_broadcast",
                    [] {
                      return at::matmul(at::rand({2, 3, 4, 5}), at::rand({5, 6}));
                    },
                    2 * 2 * 3 * 4 * 5 * 6},
        ProductCase{"einsum",
                    [] {
                      return at::einsum("bij,bjk->bik", {at::rand({2, 3, 4}), at::rand({2, 4, 5})});
                    },
                    2 * 2 * 3 * 4 * 5},
        ProductCase{"einsum_two_sums",
                    [] {
                      return at::einsum("bhtd,bhsd->bhts", {at::rand({2, 3, 4, 5}), at::rand({2, 3, 6, 5})});
                    },
                    2 * 2 * 3 * 4 * 6 * 5},
        ProductCase{"tensordot",
                    [] {
                      return at::tensordot(at::rand({3, 4, 5}), at::rand({4, 5, 6}), {1, 2}, {0, 1});
                    },
                    2 * 3 * 20 * 6},
        ProductCase{"complex_mm",
                    [] {
                      return at::mm(at::rand({3, 4}, at::kComplexFloat), at::rand({4, 5}, at::kComplexFloat));
                    },
                    8 * 3 * 4 * 5},
        ProductCase{"double_mm",
                    [] {
                      return at::mm(at::rand({3, 4}, at::kDouble), at::rand({4, 5}, at::kDouble));
                    },
                    2 * 3 * 4 * 5},
        ProductCase{"empty_mm",
                    [] {
                      return at::mm(at::rand({0, 4}), at::rand({4, 5}));
                    },
                    0}),
    [](const auto& test) { return test.param.name; });

TEST(FlopMeter, ConvolutionCountsEveryKernelTap) {
  // 8x8 with padding 1 stays 8x8; stride 2 halves it.
  torch::nn::Conv2d layer(Conv2dOptions(4, 6, 3).padding(1).stride(2));
  const FlopReport report = count_training([&] { return layer->forward(leaf({2, 4, 8, 8})); });
  const std::uint64_t forward = 2u * 2 * 4 * 4 * 6 * 4 * 3 * 3;
  EXPECT_EQ(report.forward, forward);
  EXPECT_EQ(report.backward, 2 * forward);
  EXPECT_TRUE(report.uncounted.empty());
}

TEST(FlopMeter, ConvolutionOnDataHasNoDataGradient) {
  torch::nn::Conv2d layer(Conv2dOptions(4, 6, 3).padding(1));
  const FlopReport report = count_training([&] { return layer->forward(at::randn({2, 4, 8, 8})); });
  EXPECT_EQ(report.backward, report.forward);
}

TEST(FlopMeter, GroupsDivideTheInputChannels) {
  torch::nn::Conv2d grouped(Conv2dOptions(4, 6, 3).padding(1).groups(2));
  EXPECT_EQ(count([&] {
              grouped->forward(at::randn({2, 4, 8, 8}));
            }).forward,
            2u * 2 * 8 * 8 * 6 * (4 / 2) * 9);
  torch::nn::Conv2d depthwise(Conv2dOptions(4, 4, 3).padding(1).groups(4));
  const FlopReport report = count_training([&] { return depthwise->forward(leaf({2, 4, 8, 8})); });
  EXPECT_EQ(report.forward, 2u * 2 * 8 * 8 * 4 * 1 * 9);
  EXPECT_EQ(report.backward, 2 * report.forward);
}

TEST(FlopMeter, DilationShrinksTheOutput) {
  torch::nn::Conv2d layer(Conv2dOptions(4, 6, 3).dilation(2));  // reach 5: 8 -> 4
  const FlopReport report = count_training([&] { return layer->forward(leaf({2, 4, 8, 8})); });
  EXPECT_EQ(report.forward, 2u * 2 * 4 * 4 * 6 * 4 * 9);
  EXPECT_EQ(report.backward, 2 * report.forward);
}

TEST(FlopMeter, TransposedConvolutionUsesTheInputMap) {
  torch::nn::ConvTranspose2d layer(torch::nn::ConvTranspose2dOptions(4, 6, 3).stride(2));
  const FlopReport report = count_training([&] { return layer->forward(leaf({2, 4, 8, 8})); });
  EXPECT_EQ(report.forward, 2u * 2 * 8 * 8 * 4 * 6 * 9);
  EXPECT_EQ(report.backward, 2 * report.forward);
  torch::nn::ConvTranspose2d grouped(torch::nn::ConvTranspose2dOptions(4, 6, 3).groups(2));
  EXPECT_EQ(count([&] {
              grouped->forward(at::randn({2, 4, 8, 8}));
            }).forward,
            2u * 2 * 8 * 8 * 4 * (6 / 2) * 9);
}

TEST(FlopMeter, ConvolutionsOfOneAndThreeDimensions) {
  torch::nn::Conv1d line(torch::nn::Conv1dOptions(4, 6, 3).padding(1));
  EXPECT_EQ(count([&] { line->forward(at::randn({2, 4, 8})); }).forward, 2u * 2 * 8 * 6 * 4 * 3);
  torch::nn::Conv3d volume(torch::nn::Conv3dOptions(4, 6, 3));  // 8 -> 6
  const FlopReport report = count_training([&] { return volume->forward(leaf({2, 4, 8, 8, 8})); });
  EXPECT_EQ(report.forward, 2u * 2 * 6 * 6 * 6 * 6 * 4 * 27);
  EXPECT_EQ(report.backward, 2 * report.forward);
}

TEST(FlopMeter, NamedPaddingAndUnbatchedImages) {
  const auto same = [] {
    return at::conv2d(at::rand({2, 4, 8, 8}), at::rand({6, 4, 3, 3}), {}, 1, "same", 1, 1);
  };
  EXPECT_EQ(count(same).forward, 2u * 2 * 8 * 8 * 6 * 4 * 9);
  const auto unbatched = [] { return at::conv2d(at::rand({4, 8, 8}), at::rand({6, 4, 3, 3})); };
  EXPECT_EQ(count(unbatched).forward, 2u * 6 * 6 * 6 * 4 * 9);
}

TEST(FlopMeter, GruHasThreeGates) {
  torch::nn::GRU gru(torch::nn::GRUOptions(5, 7).batch_first(true));
  const FlopReport report = count([&] { gru->forward(at::randn({2, 3, 5})); });
  EXPECT_EQ(report.forward, 2u * 3 * 7 * 2 * 3 * (5 + 7));
}

TEST(FlopMeter, BidirectionalStackedLstm) {
  torch::nn::LSTM lstm(torch::nn::LSTMOptions(5, 7).num_layers(2).bidirectional(true).batch_first(true));
  const FlopReport report = count([&] { lstm->forward(at::randn({2, 3, 5})); });
  // Two directions; the second layer reads both: 14 inputs.
  EXPECT_EQ(report.forward, 2u * 8 * 2 * 3 * 7 * (5 + 7) + 2u * 8 * 2 * 3 * 7 * (14 + 7));
}

TEST(FlopMeter, FourierTransformsAreFiveNLogN) {
  const FlopReport complex = count([] { at::fft_fft(at::rand({4, 16}, at::kComplexFloat)); });
  EXPECT_EQ(complex.forward, 5u * 4 * 16 * 4);
  const FlopReport real = count([] { at::fft_irfft(at::fft_rfft(at::rand({4, 16}))); });
  EXPECT_EQ(real.forward, 2u * 5 * 4 * 16 * 4 / 2);
}

TEST(FlopMeter, EmbeddingsAndMovementAreFree) {
  const FlopReport report = count([] {
    const at::Tensor table = leaf({10, 4});
    at::embedding(table, at::randint(10, {2, 3}, at::kLong)).transpose(1, 2).contiguous().sum().backward();
  });
  EXPECT_EQ(report.total(), 0u);
  EXPECT_TRUE(report.uncounted.empty());
}

TEST(FlopMeter, ElementwiseOperatorsCountOnRequestOnly) {
  const auto body = [] { return at::relu(at::add(at::ones({3, 4}), at::ones({3, 4}), 2.0)).sum(); };
  EXPECT_EQ(count(body).total(), 0u);
  // add with a factor: 2 per element; relu: 1; sum: 1, counted once although it calls another sum.
  EXPECT_EQ(count(body, {.count_elementwise = true}).total(), 12u * (2 + 1 + 1));
}

TEST(FlopMeter, OptimizerIsAPhaseOfItsOwn) {
  torch::nn::Linear layer(8, 4);
  torch::optim::Adam adam(layer->parameters(), torch::optim::AdamOptions(1e-3));
  layer->forward(at::randn({3, 8})).sum().backward();
  adam.step();  // makes the state
  const auto step = [&] {
    const OptimizerScope scope;
    adam.step();
  };
  EXPECT_EQ(count(step).total(), 0u);
  EXPECT_EQ(count(step, {.count_elementwise = true}).total(), 0u);
  const FlopReport report = count(step, {.count_optimizer = true});
  EXPECT_EQ(report.forward + report.backward, 0u);
  // m *= b1 (1); m += c g (2); v *= b2 (1); v += c g g (3); sqrt (1); divide (1); + eps (1); p += c m / d (3)
  EXPECT_EQ(report.other, 13u * (8 * 4 + 4));
}

TEST(FlopMeter, ElementwiseOptimizerSwitchesIdleMetersOff) {
  const auto product = [] { at::mm(at::rand({3, 4}), at::rand({4, 5})); };
  FlopMeter idle, counting({.count_optimizer = true}), paused;
  paused.pause();
  {
    const OptimizerScope scope(OptimizerScope::Work::kElementwise);
    product();  // stands for work that a meter would see
  }
  EXPECT_EQ(idle.total(), 0u);
  EXPECT_EQ(counting.total(), 120u);
  product();
  EXPECT_EQ(idle.total(), 120u);
  EXPECT_EQ(counting.total(), 240u);
  EXPECT_EQ(paused.total(), 0u);
  paused.resume();
  product();
  EXPECT_EQ(paused.total(), 120u);
}

TEST(FlopMeter, MeterMayEndInsideAnOptimizerScope) {
  auto meter = std::make_unique<FlopMeter>();
  {
    const OptimizerScope scope(OptimizerScope::Work::kElementwise);
    meter.reset();
  }
  EXPECT_EQ(count([] { at::mm(at::rand({3, 4}), at::rand({4, 5})); }).total(), 120u);
}

TEST(FlopMeter, MatrixProductsInTheOptimizerAlwaysCount) {
  const FlopReport report = count([] {
    const OptimizerScope scope;
    at::mm(at::rand({3, 4}), at::rand({4, 5}));
  });
  EXPECT_EQ(report.other, 2u * 3 * 4 * 5);
  EXPECT_EQ(report.forward, 0u);
}

TEST(FlopMeter, UnknownMatrixOperatorsAreListed) {
  const FlopReport report = count([] {
    at::cdist(at::rand({3, 4}), at::rand({5, 4}));
    at::linalg_cholesky(at::eye(4));
    at::mm(at::rand({3, 3}).to_sparse(), at::rand({3, 2}));
  });
  EXPECT_EQ(report.total(), 0u);
  std::vector<std::string> names;
  for (const UncountedOperator& entry : report.uncounted) names.push_back(entry.name);
  EXPECT_NE(std::find(names.begin(), names.end(), "aten::_cdist_forward"), names.end());
  EXPECT_NE(std::find(names.begin(), names.end(), "aten::linalg_cholesky_ex"), names.end());
  EXPECT_NE(std::find(names.begin(), names.end(), "aten::mm"), names.end());
  for (const UncountedOperator& entry : report.uncounted) {
    EXPECT_GE(entry.calls, 1u);
    EXPECT_FALSE(entry.example_inputs.empty());
  }
}

TEST(FlopMeter, OwnRuleGoesBeforeBuiltInOnes) {
  FlopMeterOptions options;
  options.rules["aten::_cdist_forward"] = [](std::span<const TensorShape> shapes) {
    return static_cast<std::uint64_t>(3 * shapes[0][0] * shapes[1][0] * shapes[0][1]);
  };
  const FlopReport report = count([] { at::cdist(at::rand({3, 4}), at::rand({5, 4})); }, options);
  EXPECT_EQ(report.forward, 3u * 3 * 5 * 4);
}

TEST(FlopMeter, OperatorTableSumsToTheTotals) {
  torch::nn::Linear layer(8, 4);
  const FlopReport report = count_training([&] { return layer->forward(leaf({3, 8})); });
  std::uint64_t sum = 0;
  for (const OperatorFlops& entry : report.operators) sum += entry.flops;
  EXPECT_EQ(sum, report.total());
  ASSERT_EQ(report.operators.size(), 2u);
  EXPECT_EQ(report.operators[0].name, "aten::mm");
  EXPECT_EQ(report.operators[0].phase, Phase::kBackward);
  EXPECT_EQ(report.operators[0].calls, 2u);
  EXPECT_EQ(report.operators[1].name, "aten::addmm");
  EXPECT_EQ(to_string(report.operators[1].phase), "forward");
}

TEST(FlopMeter, ScopesReceiveTheirBackward) {
  const FlopReport report = count([] {
    torch::nn::Linear first(8, 6), second(6, 4);
    at::Tensor x = at::randn({3, 8});
    {
      const FlopScope encoder("encoder");
      {
        const FlopScope scope("first");
        x = first->forward(x);
      }
      const FlopScope scope("second");
      x = second->forward(x);
    }
    x.sum().backward();
  });
  ASSERT_EQ(report.scopes.size(), 2u);
  EXPECT_EQ(report.scopes[0].path, "encoder/first");
  EXPECT_EQ(report.scopes[0].forward, 2u * 3 * 8 * 6);
  EXPECT_EQ(report.scopes[0].backward, 2u * 3 * 8 * 6);
  EXPECT_EQ(report.scopes[1].path, "encoder/second");
  EXPECT_EQ(report.scopes[1].backward, 2u * 2 * 3 * 6 * 4);
}

TEST(FlopMeter, BackwardInAnotherThreadFindsItsScope) {
  FlopMeter meter({.all_threads = true});
  torch::nn::Linear layer(8, 4);
  at::Tensor loss;
  {
    const FlopScope scope("layer");
    loss = layer->forward(at::randn({3, 8})).sum();
  }
  std::thread([&] { loss.backward(); }).join();
  const FlopReport report = meter.report();
  ASSERT_EQ(report.scopes.size(), 1u);
  EXPECT_EQ(report.scopes[0].path, "layer");
  EXPECT_EQ(report.scopes[0].backward, 2u * 3 * 8 * 4);
}

TEST(FlopMeter, EachThreadsMeterSeesItsOwnWork) {
  std::uint64_t totals[2] = {};
  const auto work = [&totals](int index, std::int64_t columns) {
    FlopMeter meter;
    torch::nn::Linear layer(8, columns);
    for (int i = 0; i < 20; ++i) layer->forward(leaf({3, 8})).sum().backward();
    totals[index] = meter.report().total();
  };
  std::thread first(work, 0, 4), second(work, 1, 5);
  first.join();
  second.join();
  EXPECT_EQ(totals[0], 20u * 6 * 3 * 8 * 4);
  EXPECT_EQ(totals[1], 20u * 6 * 3 * 8 * 5);
}

TEST(FlopMeter, AllThreadsMeterSeesEveryThread) {
  FlopMeter meter({.all_threads = true});
  const auto work = [] {
    torch::nn::Linear layer(8, 4);
    for (int i = 0; i < 20; ++i) layer->forward(leaf({3, 8})).sum().backward();
  };
  std::thread first(work), second(work);
  first.join();
  second.join();
  EXPECT_EQ(meter.report().total(), 2u * 20 * 6 * 3 * 8 * 4);
}

TEST(FlopMeter, MetersNestAndResetAndPause) {
  const auto product = [] { at::mm(at::rand({3, 4}), at::rand({4, 5})); };
  FlopMeter outer;
  product();
  {
    FlopMeter inner;
    product();
    EXPECT_EQ(inner.total(), 120u);
  }
  outer.pause();
  product();
  outer.resume();
  product();
  EXPECT_EQ(outer.total(), 3u * 120);
  outer.reset();
  EXPECT_EQ(outer.report().total(), 0u);
  product();
  EXPECT_EQ(outer.report().total(), 120u);
}

TEST(FlopMeter, SeventeenthMeterIsRefused) {
  std::vector<std::unique_ptr<FlopMeter>> meters;
  for (int i = 0; i < 16; ++i) meters.push_back(std::make_unique<FlopMeter>());
  try {
    const FlopMeter one_more;
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "flop_meter.too_many");
  }
  meters.pop_back();
  const FlopMeter fits;
  EXPECT_EQ(fits.total(), 0u);
}

TEST(FlopScopes, HistoryFindsTheChangeBeforeANumber) {
  ScopeHistory history;
  EXPECT_EQ(history.find(5), 0u);
  history.record(10, 1);
  history.record(20, 2);
  history.record(20, 0);  // an empty scope
  EXPECT_EQ(history.find(9), 0u);
  EXPECT_EQ(history.find(10), 1u);
  EXPECT_EQ(history.find(19), 1u);
  EXPECT_EQ(history.find(25), 0u);
}

TEST(FlopScopes, HistoryForgetsTheOldestChanges) {
  ScopeHistory history;
  const auto last = static_cast<std::uint64_t>(ScopeHistory::kCapacity) + 9;
  for (std::uint64_t i = 0; i <= last; ++i) history.record(2 * i, static_cast<ScopeId>(i));
  EXPECT_EQ(history.find(2 * last + 1), last);
  EXPECT_EQ(history.find(2 * 10), 10u);
  EXPECT_EQ(history.find(2 * 9), 0u);  // pushed out
}

TEST(FlopMeter, ScopesOfAnEarlierMeterDoNotLeak) {
  { const FlopScope nobody_listens("lost"); }
  const FlopReport report = count([] { at::mm(at::rand({3, 4}), at::rand({4, 5})); });
  ASSERT_EQ(report.scopes.size(), 1u);
  EXPECT_EQ(report.scopes[0].path, "");
}

// A kernel without a dispatcher entry, as autograd functions over plain loops are.
class Doubled : public torch::autograd::Function<Doubled> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext*, const at::Tensor& x) {
    count_flops("test::doubled", 10);
    return x * 2;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list grads) {
    count_flops("test::doubled", 20);
    return {grads[0] * 2};
  }
};

TEST(FlopMeter, OwnKernelsReportTheirWork) {
  count_flops("test::doubled", 1000);  // no meter: ignored
  const FlopReport report = count_training([] { return Doubled::apply(leaf({3})); });
  EXPECT_EQ(report.forward, 10u);
  EXPECT_EQ(report.backward, 20u);
}

TEST(FlopMeter, SecondDerivativesAreBackwardWork) {
  const FlopReport report = count([] {
    const at::Tensor a = leaf({3, 4}), b = leaf({4, 5});
    const at::Tensor value = at::mm(a, b).pow(2).sum();
    const auto grads = torch::autograd::grad({value}, {a}, {}, {}, true);
    grads[0].sum().backward();
  });
  EXPECT_EQ(report.forward, 120u);
  // First pass: dA (one product). Second pass: of dA = G B' the gradients of G and B; then through G to A and B.
  EXPECT_EQ(report.backward, 120u + 2u * 120 + 2u * 120);
}

TEST(FlopMeter, ExceptionInsideAnOperatorLeavesTheMeterSound) {
  FlopMeter meter;
  EXPECT_THROW(at::mm(at::rand({3, 4}), at::rand({3, 4})), c10::Error);
  meter.reset();
  at::mm(at::rand({3, 4}), at::rand({4, 5}));
  EXPECT_EQ(meter.total(), 120u);
}

TEST(FlopMeter, ShapesWithoutDataAreEnough) {
  const at::TensorOptions meta(at::kMeta);
  const FlopReport report = count([&] {
    at::mm(at::empty({12288, 12288}, meta), at::empty({12288, 49152}, meta));
  });
  EXPECT_EQ(report.forward, 2ull * 12288 * 12288 * 49152);
}

}  // namespace
}  // namespace tenfold::train
