// SPDX-License-Identifier: Apache-2.0
// The fused modes as a gradient estimator: updates, gradients, state of a run, wrong use.
#include "tenfold/systems/forward_gradient/fused_estimator.h"

#include <gtest/gtest.h>

#include <limits>

#include "tenfold/base/error.h"
#include "tests/unit/forward_gradient/fused_cases.h"

namespace tenfold::forward_gradient {
namespace {

const Case kMlp{"mlp", [] { return deep_mlp(2, 40, 13, 3); }, {13}, 10, 3};
const Case kCnn{"cnn", [] { return odd_cnn(); }, {3, 9, 7}, 6, 7};

std::vector<FusedOptions> all_options() {
  return {{.mode = "backprop"},
          {.mode = "rank1", .tangent_bf16 = false},
          {.mode = "rank1", .apply_every = 5},
          {.mode = "rank1", .apply_every = 4, .tangents = 3},
          {.mode = "block", .apply_every = 7},
          {.mode = "dense", .tangent_bf16 = false},
          {.mode = "dense"}};
}

std::string code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return "no error";
}

// A run of training steps on one network; what a trainer does.
struct Training {
  torch::nn::Sequential module;
  FusedNet net;
  FusedEstimator estimator;
  Case own;

  Training(const Case& from, const torch::nn::Sequential& made, const FusedOptions& options)
      : module(made), net(module), estimator(net, options), own(from) {}

  void step(std::uint64_t step) {
    const TestBatch batch = make_batch(own, step);
    estimator.update([&] { return net.run(batch.inputs, batch.targets); },
                     net.parameters(),
                     {.seed = 4, .step = step},
                     1e-2);
  }
  std::vector<torch::Tensor> values() {
    estimator.flush(net.parameters());
    std::vector<torch::Tensor> values;
    for (const auto& parameter : net.parameters()) values.push_back(parameter.value.detach().clone());
    return values;
  }
};

torch::nn::Sequential copy_of(const Case& own, const std::vector<torch::Tensor>& values) {
  torch::nn::Sequential module = own.make();
  const c10::NoGradGuard no_grad;
  const auto parameters = train::trainable_parameters(*module);
  for (std::size_t i = 0; i < values.size(); ++i) torch::Tensor(parameters[i].value).copy_(values[i]);
  return module;
}

bool same_bits(const std::vector<torch::Tensor>& a, const std::vector<torch::Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!a[i].equal(b[i])) return false;
  }
  return true;
}

TEST(FusedEstimator, UpdateIsTheStepOfTheNetwork) {
  for (const FusedOptions& options : all_options()) {
    SCOPED_TRACE(options.mode);
    const torch::nn::Sequential start = kCnn.make();
    std::vector<torch::Tensor> values;
    for (const auto& parameter : train::trainable_parameters(*start))
      values.push_back(parameter.value.detach().clone());
    Training run(kCnn, copy_of(kCnn, values), options);
    torch::nn::Sequential module = copy_of(kCnn, values);
    FusedNet net(module);
    for (std::uint64_t step = 0; step < 6; ++step) {
      run.step(step);
      const TestBatch batch = make_batch(kCnn, step);
      net.step(batch.inputs, batch.targets, options, {.seed = 4, .step = step}, 1e-2);
    }
    net.flush();
    const std::vector<torch::Tensor> moved = run.values();
    EXPECT_FALSE(same_bits(moved, values));
    for (std::size_t i = 0; i < moved.size(); ++i) EXPECT_TRUE(moved[i].equal(net.parameters()[i].value));
  }
}

TEST(FusedEstimator, AccumulateAddsTheEstimateAndMovesNothing) {
  for (const FusedOptions& options : all_options()) {
    SCOPED_TRACE(options.mode);
    torch::nn::Sequential module = kCnn.make();
    const TestBatch batch = make_batch(kCnn);
    const Reference reference = reference_of(module, batch);
    Training run(kCnn, module, options);
    const std::vector<torch::Tensor> before = run.values();
    const auto loss = [&] { return run.net.run(batch.inputs, batch.targets); };
    const train::EstimateKey key{.seed = 4, .step = 9};
    run.estimator.accumulate(loss, run.net.parameters(), key, 0.5);
    run.estimator.accumulate(loss, run.net.parameters(), key, 0.5);
    EXPECT_TRUE(same_bits(run.values(), before));
    std::vector<torch::Tensor> gradients;
    for (const auto& parameter : run.net.parameters())
      gradients.push_back(parameter.value.grad().to(at::kDouble));
    if (options.mode == "backprop") {
      for (std::size_t i = 0; i < gradients.size(); ++i) gradients[i] -= reference.gradients[i];
      EXPECT_LT(norm(gradients), 1e-5 * norm(reference.gradients));
      continue;
    }
    // The estimate moves by itself what a step of size 1 would.
    std::vector<torch::Tensor> expected;
    for (const auto& gradient : gradients) expected.push_back(at::zeros_like(gradient));
    const FusedNet::Figures figures = run.net.directional(batch.inputs, batch.targets, options, key);
    for (std::size_t j = 0; j < figures.slopes.size(); ++j) {
      const std::vector<torch::Tensor> direction = run.net.direction(options, key, j);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        expected[i] += direction[i] *
                       (figures.slopes[j] / (static_cast<double>(options.tangents) * figures.probability));
      }
    }
    const double size = norm(expected);
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] -= gradients[i];
    EXPECT_LT(norm(expected), 1e-5 * size);
  }
}

TEST(FusedEstimator, ARunGoesOnToTheBitFromItsStateAfterAFlush) {
  for (const Case& own : {kMlp, kCnn}) {
    for (const FusedOptions& options : all_options()) {
      for (const std::uint64_t stop : {0u, 1u, 6u, 13u}) {
        SCOPED_TRACE(own.name + " " + options.mode + " stopped at " + std::to_string(stop));
        const torch::nn::Sequential start = own.make();
        std::vector<torch::Tensor> values;
        for (const auto& parameter : train::trainable_parameters(*start))
          values.push_back(parameter.value.detach().clone());
        Training whole(own, copy_of(own, values), options);
        for (std::uint64_t step = 0; step < 20; ++step) whole.step(step);

        Training first(own, copy_of(own, values), options);
        for (std::uint64_t step = 0; step < stop; ++step) first.step(step);
        const std::vector<torch::Tensor> saved = first.values();
        StateMap state = first.estimator.state();
        for (auto& [name, tensor] : state) tensor = tensor.clone();
        Training second(own, copy_of(own, saved), options);
        second.estimator.load_state(state);
        for (std::uint64_t step = stop; step < 20; ++step) second.step(step);
        EXPECT_TRUE(same_bits(second.values(), whole.values()));
        // And the flush changed nothing for the run that went on.
        for (std::uint64_t step = stop; step < 20; ++step) first.step(step);
        EXPECT_TRUE(same_bits(first.values(), whole.values()));
      }
    }
  }
}

TEST(FusedEstimator, RefusesAStateOfAnotherNetwork) {
  Training run(kMlp, kMlp.make(), {.mode = "rank1"});
  EXPECT_EQ(code_of([&] {
              run.estimator.load_state({{"nobody/weight", at::zeros({1})}});
            }),
            "optimizer.bad_state");
  EXPECT_EQ(code_of([&] {
              run.estimator.load_state({{"hidden1/moves", at::zeros({2, 4}, at::kLong)}});
            }),
            "optimizer.bad_state");
  EXPECT_EQ(code_of([&] {
              run.estimator.load_state({{"hidden1/moves", at::zeros({2, 5})}});
            }),
            "optimizer.bad_state");
  run.estimator.load_state({{"hidden1/weight", at::zeros({3, 5})}});
  EXPECT_EQ(code_of([&] { run.step(0); }), "optimizer.bad_state");
  Training pending(kMlp, kMlp.make(), {.mode = "rank1", .apply_every = 2});
  pending.estimator.load_state({{"hidden1/moves", at::zeros({3, 5}, at::kLong)}});
  EXPECT_EQ(code_of([&] { pending.step(0); }), "optimizer.bad_state");
}

TEST(FusedEstimator, ReadsParametersThatOthersChanged) {
  for (const char* mode : {"backprop", "rank1"}) {
    torch::nn::Sequential module = kMlp.make();
    const FusedOptions options{.mode = mode, .tangent_bf16 = false};
    Training run(kMlp, module, options);
    run.step(0);
    {
      const c10::NoGradGuard no_grad;
      for (const auto& parameter : run.net.parameters()) torch::Tensor(parameter.value).mul_(0.5);
    }
    Training fresh(kMlp,
                   copy_of(kMlp,
                           [&] {
                             std::vector<torch::Tensor> values;
                             for (const auto& parameter : run.net.parameters())
                               values.push_back(parameter.value.detach().clone());
                             return values;
                           }()),
                   options);
    run.step(1);
    fresh.step(1);
    EXPECT_TRUE(same_bits(run.values(), fresh.values()));
  }
}

TEST(FusedEstimator, ALossThatIsNotFiniteMovesNothing) {
  for (const FusedOptions& options : all_options()) {
    SCOPED_TRACE(options.mode);
    Training run(kMlp, kMlp.make(), options);
    run.step(0);
    const std::vector<torch::Tensor> before = run.values();
    TestBatch batch = make_batch(kMlp);
    batch.inputs[0][0] = std::numeric_limits<float>::quiet_NaN();
    const train::StepOutput output = run.estimator.update(
        [&] { return run.net.run(batch.inputs, batch.targets); }, run.net.parameters(), {.step = 1}, 1e-2);
    EXPECT_FALSE(std::isfinite(output.loss.item<double>()));
    EXPECT_TRUE(same_bits(run.values(), before));
    run.step(2);
    EXPECT_FALSE(same_bits(run.values(), before));
  }
}

TEST(FusedEstimator, AFailingLossMovesNothing) {
  for (const FusedOptions& options : all_options()) {
    Training run(kMlp, kMlp.make(), options);
    run.step(0);
    const std::vector<torch::Tensor> before = run.values();
    const TestBatch batch = make_batch(kMlp);
    const auto fails = [&]() -> train::StepOutput {
      run.net.run(batch.inputs, batch.targets);
      throw std::runtime_error("no room");
    };
    EXPECT_THROW(run.estimator.update(fails, run.net.parameters(), {.step = 1}, 1e-2), std::runtime_error);
    EXPECT_TRUE(same_bits(run.values(), before));
    run.step(2);
  }
}

TEST(FusedEstimator, NamesWrongUse) {
  Training run(kMlp, kMlp.make(), {.mode = "rank1"});
  const TestBatch batch = make_batch(kMlp);
  const auto once = [&] { return run.net.run(batch.inputs, batch.targets); };
  const auto never = [&] { return train::StepOutput{.loss = at::zeros({})}; };
  const auto twice = [&] {
    once();
    return once();
  };
  const auto update = [&](const train::LossFunction& loss) {
    run.estimator.update(loss, run.net.parameters(), {}, 0.1);
  };
  EXPECT_EQ(code_of([&] { update(never); }), "fused.not_run");
  EXPECT_EQ(code_of([&] { update(twice); }), "fused.not_run");
  const torch::nn::Sequential other = kMlp.make();
  EXPECT_EQ(code_of([&] { run.estimator.update(once, train::trainable_parameters(*other), {}, 0.1); }),
            "fused.other_parameters");
  EXPECT_EQ(code_of([&] { FusedEstimator(run.net, {.mode = "rank2"}); }), "fused.bad_options");
  EXPECT_EQ(code_of([&] { FusedEstimator(run.net, {.mode = "block", .tangents = 2}); }), "fused.bad_options");
  EXPECT_EQ(code_of([&] { FusedEstimator(run.net, {.rounding = "up"}); }), "fused.bad_options");
  EXPECT_EQ(code_of([&] { FusedEstimator(run.net, {.apply_every = 0}); }), "fused.bad_options");
  update(once);
}

TEST(FusedEstimator, ReportsFigures) {
  Training run(kMlp, kMlp.make(), {.mode = "rank1"});
  run.step(0);
  const train::Figures figures = run.estimator.figures();
  EXPECT_EQ(figures.at("perturbed"), 13 * 40 + 40 + 40 * 40 + 40 + 40 * 3 + 3);
  EXPECT_NE(figures.at("directional_derivative"), 0.0);
  EXPECT_EQ(run.estimator.name(), "fused_rank1");
  EXPECT_TRUE(run.estimator.streams_update());
}

}  // namespace
}  // namespace tenfold::forward_gradient
