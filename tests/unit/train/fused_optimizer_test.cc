// SPDX-License-Identifier: Apache-2.0
// The fused optimisers against LibTorch's on random and awkward shapes, and with one another's state.
#include "tenfold/train/fused_optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "tenfold/base/random.h"
#include "tenfold/base/threads.h"
#include "tenfold/train/libtorch_optimizer.h"
#include "tests/unit/train/optimizer_cases.h"

namespace tenfold::train {
namespace {

struct Variant {
  OptimizerOptions options;
  at::ScalarType type;
};

std::vector<Variant> variants() {
  std::vector<Variant> all;
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    for (const double decay : {0.0, 0.1}) {
      for (const std::string name : {"sgd", "momentum", "nesterov", "adam", "adamw"}) {
        OptimizerOptions options;
        options.name = name;
        if (name == "momentum" || name == "nesterov") {
          options.name = "sgd";
          options.momentum = 0.9;
          options.nesterov = name == "nesterov";
        }
        options.weight_decay = decay;
        all.push_back({options, type});
      }
    }
  }
  return all;
}

std::vector<std::vector<std::int64_t>> random_shapes(random::Generator& generator) {
  std::vector<std::vector<std::int64_t>> shapes{{}, {0}, {1}, {3, 0, 2}};
  for (int i = 0; i < 8; ++i) {
    std::vector<std::int64_t> shape(1 + generator.below(4));
    for (auto& size : shape) size = 1 + generator.below(9);
    shapes.push_back(shape);
  }
  return shapes;
}

at::Tensor noise(random::Generator& generator, const std::vector<std::int64_t>& shape, at::ScalarType type) {
  std::vector<double> values(static_cast<std::size_t>(testing::count(shape)));
  for (double& value : values) value = generator.uniform() < 0.1 ? 0.0 : generator.normal();
  return testing::tensor_of(values, shape, type);
}

// Of three steps: each rounds the value, and an update that is at most a few times the rate, some times.
double tolerance(at::ScalarType type) {
  return 32.0 * (type == at::kFloat ? std::numeric_limits<float>::epsilon()
                                    : std::numeric_limits<double>::epsilon());
}

void expect_near(const at::Tensor& a, const at::Tensor& b, double bound, const std::string& what) {
  ASSERT_EQ(a.sizes(), b.sizes()) << what;
  if (a.numel() == 0) return;
  const double error = ((a - b).abs() / (b.abs() + 1.0)).max().item<double>();
  ASSERT_LE(error, bound) << what;
}

TEST(FusedOptimizer, EqualsLibTorchOnRandomShapes) {
  int cases = 0;
  for (const Variant& variant : variants()) {
    for (std::uint64_t round = 0; round < 5; ++round) {
      random::Generator generator(3, round);
      std::vector<NamedParameter> ours, theirs;
      for (const auto& shape : random_shapes(generator)) {
        const at::Tensor start = noise(generator, shape, variant.type);
        const std::string name = "p" + std::to_string(ours.size()) + (ours.size() % 3 == 0 ? ".bias" : "");
        ours.push_back({name, start.clone().requires_grad_(true)});
        theirs.push_back({name, start.clone().requires_grad_(true)});
      }
      const auto fused = make_fused_optimizer(variant.options, ours);
      const auto plain = make_libtorch_optimizer(variant.options, theirs);
      ASSERT_NE(fused, nullptr);
      for (int step = 0; step < 3; ++step) {
        for (std::size_t i = 0; i < ours.size(); ++i) {
          const at::Tensor gradient = noise(generator, ours[i].value.sizes().vec(), variant.type);
          ours[i].value.mutable_grad() = gradient;
          theirs[i].value.mutable_grad() = gradient.clone();
        }
        fused->step(0.05);
        plain->step(0.05);
      }
      for (std::size_t i = 0; i < ours.size(); ++i, ++cases) {
        expect_near(ours[i].value.detach(), theirs[i].value.detach(), tolerance(variant.type), ours[i].name);
      }
      const TensorMap state = fused->state(), other = plain->state();
      ASSERT_EQ(state.size(), other.size());
      for (const auto& [key, tensor] : state)
        expect_near(tensor, other.at(key), tolerance(variant.type), key);
    }
  }
  EXPECT_GE(cases, 1000);
}

TEST(FusedOptimizer, ContinuesFromTheStateOfLibTorchAndBack) {
  for (const std::string name : {"sgd", "adam", "adamw"}) {
    OptimizerOptions options;
    options.name = name;
    options.momentum = 0.9;
    const auto ours = testing::make_parameters(), theirs = testing::make_parameters();
    const auto fused = make_fused_optimizer(options, ours);
    const auto plain = make_libtorch_optimizer(options, theirs);
    testing::run(*fused, ours, 1, 3);
    plain->load_state(testing::deep_copy(fused->state()));
    for (std::size_t i = 0; i < ours.size(); ++i) theirs[i].value.detach().copy_(ours[i].value.detach());
    testing::run(*fused, ours, 4, 6);
    testing::run(*plain, theirs, 4, 6);
    for (std::size_t i = 0; i < ours.size(); ++i) {
      expect_near(ours[i].value.detach(), theirs[i].value.detach(), 1e-13, ours[i].name);
    }
  }
}

TEST(FusedOptimizer, FollowsTheMemoryOrderOfParameterAndGradient) {
  OptimizerOptions options;
  const at::Tensor start = at::randn({4, 3, 5, 5}, at::kDouble),
                   gradient = at::randn({4, 3, 5, 5}, at::kDouble);
  at::Tensor a = start.clone(at::MemoryFormat::ChannelsLast).requires_grad_(true);
  at::Tensor b = start.clone().requires_grad_(true);
  const auto fused = make_fused_optimizer(options, {{"conv", a}});
  const auto plain = make_libtorch_optimizer(options, {{"conv", b}});
  a.mutable_grad() = gradient.clone();  // in the other order
  b.mutable_grad() = gradient.clone();
  fused->step(0.1);
  plain->step(0.1);
  expect_near(a.detach(), b.detach(), 1e-14, "conv");
}

TEST(FusedOptimizer, GivesTheSameBitsForAnyThreadCountAndPieces) {
  const at::Tensor start = at::randn({5, 50021}), gradient = at::randn({5, 50021});
  const int before = thread_count();
  std::vector<at::Tensor> results;
  for (const int threads : {1, 3}) {
    set_thread_count(threads);
    at::Tensor p = start.clone().requires_grad_(true);
    const auto fused = make_fused_optimizer({}, {{"p", p}});
    p.mutable_grad() = gradient;
    for (int step = 0; step < 3; ++step) fused->step(0.1);
    results.push_back(p.detach());
  }
  set_thread_count(before);
  EXPECT_TRUE(at::equal(results[0], results[1]));
}

TEST(FusedOptimizer, LeavesOtherTypesToLibTorch) {
  const at::Tensor half = at::ones({3}, at::kBFloat16).requires_grad_(true);
  EXPECT_EQ(make_fused_optimizer({}, {{"p", half}}), nullptr);
  const auto optimizer = make_optimizer({}, {{"p", half}});
  at::Tensor(half).mutable_grad() = at::ones({3}, at::kBFloat16);
  optimizer->step(0.5);
  // The first step of Adam is as long as the rate, to the few digits of this type.
  EXPECT_TRUE(at::allclose(half.detach().to(at::kFloat), at::full({3}, 0.5), 0, 0.02));
}

TEST(FusedOptimizer, AStepUnderALiveGraphIsNoticed) {
  at::Tensor p = at::ones({3}).requires_grad_(true);
  const auto optimizer = make_fused_optimizer({}, {{"p", p}});
  const at::Tensor loss = p.pow(2).sum();
  p.mutable_grad() = at::ones({3});
  optimizer->step(0.1);
  EXPECT_THROW(loss.backward(), c10::Error);
}

}  // namespace
}  // namespace tenfold::train
