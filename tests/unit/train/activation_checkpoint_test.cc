// SPDX-License-Identifier: Apache-2.0
// Activation check-pointing gives the gradients of the plain model with less memory, and says where it cannot be used.
#include "tenfold/train/activation_checkpoint.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>

#include "tenfold/base/error.h"
#include "tenfold/train/flop_meter.h"
#include "tests/unit/train/optimizer_cases.h"

namespace tenfold::train {
namespace {

using Tensors = std::vector<at::Tensor>;

// A stack of blocks x -> x + dropout(tanh(x A)) B.
struct Stack {
  explicit Stack(int depth, std::int64_t width, at::ScalarType type = at::kDouble) {
    at::manual_seed(3);
    for (int i = 0; i < 2 * depth; ++i) {
      weights.push_back(
          (at::randn({width, width}, type) / std::sqrt(static_cast<double>(width))).requires_grad_(true));
    }
  }
  at::Tensor block(std::size_t i, const at::Tensor& x) const {
    return x + at::dropout(at::tanh(x.matmul(weights[2 * i])), 0.3, dropout).matmul(weights[2 * i + 1]);
  }
  at::Tensor run(at::Tensor x, bool checkpointed) const {
    for (std::size_t i = 0; i < weights.size() / 2; ++i) {
      x = checkpointed ? checkpoint([this, i](const at::Tensor& in) { return block(i, in); }, x)
                       : block(i, x);
    }
    return x;
  }
  void clear() {
    for (at::Tensor& weight : weights) weight.mutable_grad() = at::Tensor();
  }
  Tensors gradients() const {
    Tensors all;
    for (const at::Tensor& weight : weights) all.push_back(weight.grad().clone());
    return all;
  }
  Tensors weights;
  bool dropout = true;
};

void expect_close(const Tensors& a, const Tensors& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_LE((a[i] - b[i]).abs().max().item<double>(), 1e-12 * a[i].abs().max().item<double>()) << i;
  }
}

TEST(ActivationCheckpoint, GivesThePlainGradientsAlsoWithDropout) {
  Stack stack(4, 16);
  const at::Tensor x = at::randn({8, 16}, at::kDouble);
  Tensors results[2], input_gradients, losses;
  for (bool checkpointed : {false, true}) {
    stack.clear();
    at::Tensor input = x.clone().requires_grad_(true);
    at::manual_seed(7);
    const at::Tensor loss = stack.run(input, checkpointed).pow(2).mean();
    loss.backward();
    losses.push_back(loss.detach());
    input_gradients.push_back(input.grad());
    results[checkpointed] = stack.gradients();
    // The recomputation leaves the generator where the forward pass had put it.
    losses.push_back(at::rand({4}, at::kDouble));
  }
  EXPECT_TRUE(at::equal(losses[0], losses[2]));
  EXPECT_TRUE(at::equal(losses[1], losses[3]));
  expect_close(results[0], results[1]);
  expect_close({input_gradients[0]}, {input_gradients[1]});
}

TEST(ActivationCheckpoint, TrainsParametersWhenTheInputNeedsNoGradient) {
  Stack stack(2, 8);
  const at::Tensor x = at::randn({4, 8}, at::kDouble);
  Tensors results[2];
  for (bool checkpointed : {false, true}) {
    stack.clear();
    at::manual_seed(1);
    stack.run(x, checkpointed).sum().backward();
    results[checkpointed] = stack.gradients();
  }
  expect_close(results[0], results[1]);
}

TEST(ActivationCheckpoint, TakesSeveralInputsAndOutputs) {
  const at::Tensor a0 = at::randn({3, 4}, at::kDouble), b0 = at::randn({4}, at::kDouble);
  const at::Tensor order = at::tensor({2, 0, 1}, at::kLong);
  const TensorFunction function = [](const Tensors& in) {
    return Tensors{in[0].index_select(0, in[2]) * in[1], in[1].exp(), in[2] + 1, in[0].sum()};
  };
  Tensors results[2];
  for (bool checkpointed : {false, true}) {
    at::Tensor a = a0.clone().requires_grad_(true), b = b0.clone().requires_grad_(true);
    const Tensors inputs{a, b, order};
    const Tensors out = checkpointed ? checkpoint(function, inputs) : function(inputs);
    EXPECT_TRUE(at::equal(out[2], order + 1));
    EXPECT_FALSE(out[2].requires_grad());
    (out[0].pow(2).sum() + (out[1] * 3.0).sum()).backward();  // the last output is not used
    results[checkpointed] = {a.grad(), b.grad()};
  }
  expect_close(results[0], results[1]);
}

TEST(ActivationCheckpoint, Nests) {
  Stack stack(4, 8);
  const at::Tensor x = at::randn({4, 8}, at::kDouble);
  Tensors results[2];
  for (bool checkpointed : {false, true}) {
    stack.clear();
    at::manual_seed(1);
    const auto outer = [&](const at::Tensor& in) { return stack.run(in, checkpointed); };
    (checkpointed ? checkpoint(outer, x) : outer(x)).sum().backward();
    results[checkpointed] = stack.gradients();
  }
  expect_close(results[0], results[1]);
}

TEST(ActivationCheckpoint, RepeatsAutocast) {
  at::Tensor w = at::randn({8, 8}).requires_grad_(true);
  const at::Tensor x = at::randn({8, 8});
  std::vector<at::ScalarType> types;
  at::autocast::set_cpu_enabled(true);
  const at::Tensor y = checkpoint(
      [&](const at::Tensor& in) {
        const at::Tensor product = at::matmul(in, w);
        types.push_back(product.scalar_type());
        return product;
      },
      x);
  at::autocast::set_cpu_enabled(false);
  at::autocast::clear_cache();
  y.sum().backward();
  ASSERT_EQ(types.size(), 2u);
  EXPECT_EQ(types[0], at::kBFloat16);
  EXPECT_EQ(types[1], at::kBFloat16);
  EXPECT_FALSE(at::autocast::is_cpu_enabled());
}

TEST(ActivationCheckpoint, CallsOnceWhereNothingIsRecorded) {
  int calls = 0;
  const auto function = [&](const at::Tensor& in) {
    ++calls;
    return in * 2.0;
  };
  const c10::AutoGradMode off(false);
  EXPECT_FALSE(checkpoint(function, at::ones({2})).requires_grad());
  EXPECT_EQ(calls, 1);
}

// Counts the bytes that LibTorch holds, and their peak.
class CountingAllocator : public c10::Allocator {
 public:
  CountingAllocator() : inner_(c10::GetCPUAllocator()) { c10::SetCPUAllocator(this, 1); }
  ~CountingAllocator() override { c10::SetCPUAllocator(inner_, 1); }
  at::DataPtr allocate(std::size_t bytes) const override {
    auto* block = new Block{inner_->allocate(bytes), bytes};
    now += bytes;
    peak = std::max(peak, now);
    return {block->memory.get(), block, &release, at::DeviceType::CPU};
  }
  static inline std::size_t now = 0, peak = 0;

 private:
  struct Block {
    at::DataPtr memory;
    std::size_t bytes;
  };
  static void release(void* context) {
    auto* block = static_cast<Block*>(context);
    now -= block->bytes;
    delete block;
  }
  c10::Allocator* inner_;
};

TEST(ActivationCheckpoint, KeepsOneActivationABlockInsteadOfAll) {
  constexpr std::int64_t kWidth = 32, kBatch = 256;
  constexpr std::size_t kActivation = kWidth * kBatch * sizeof(float);
  Stack stack(16, kWidth, at::kFloat);
  std::size_t kept[2], peak[2];
  const at::Tensor x = at::randn({kBatch, kWidth});
  stack.run(x, false).sum().backward();  // gradients exist from now on
  for (bool checkpointed : {false, true}) {
    const CountingAllocator allocator;
    CountingAllocator::now = CountingAllocator::peak = 0;
    {
      const at::Tensor loss = stack.run(x, checkpointed).sum();
      kept[checkpointed] = CountingAllocator::now;
      loss.backward();
    }
    peak[checkpointed] = CountingAllocator::peak;
  }
  // Kept by the graph. Plain: a block saves its input, tanh's result, the dropped-out one and the mask; the first input is
  // not counted. Check-pointed: the input, and for each block the state of the generator (5056 bytes).
  EXPECT_GE(kept[0], (16 * 4 - 1) * kActivation);
  EXPECT_LE(kept[1], 16 * (kActivation + 8192) + kActivation);
  EXPECT_LE(kept[1] * 3, kept[0]);
  EXPECT_LE(peak[1] * 2, peak[0]);
}

TEST(ActivationCheckpoint, TheFlopMeterCountsTheRecomputationAsBackward) {
  Stack stack(3, 16);
  stack.dropout = false;
  at::Tensor x = at::randn({8, 16}, at::kDouble).requires_grad_(true);
  const std::uint64_t product = 2 * 8 * 16 * 16;  // FLOP of one matrix product; a block has two
  for (bool checkpointed : {false, true}) {
    const FlopMeter meter;
    stack.run(x, checkpointed).sum().backward();
    EXPECT_EQ(meter.report().forward, 3 * 2 * product);
    EXPECT_EQ(meter.report().backward, 3 * 2 * (checkpointed ? 3 : 2) * product);
  }
}

TEST(ActivationCheckpoint, SaysWhereItCannotBeUsed) {
  at::Tensor w = at::ones({2}, at::kDouble).requires_grad_(true);
  at::Tensor x = at::ones({2}, at::kDouble).requires_grad_(true);
  const auto square = [&](const at::Tensor& in) { return in * in * w; };
  const auto code = [](auto&& function) { return testing::error_of(function).code(); };
  EXPECT_EQ(code([&] { torch::autograd::grad({checkpoint(square, x).sum()}, {x}); }),
            "checkpoint.partial_backward");
  EXPECT_EQ(code([&] {
              torch::autograd::backward(
                  {checkpoint(square, x).sum()}, {}, /*retain_graph=*/true, /*create_graph=*/true);
            }),
            "checkpoint.double_backward");
  EXPECT_EQ(code([&] { checkpoint([](const at::Tensor& in) { return in.detach().mul_(2.0); }, x); }),
            "checkpoint.modified_input");
  int calls = 0;
  const auto changing = [&](const at::Tensor& in) { return (in * w).repeat({++calls}); };
  EXPECT_EQ(code([&] { checkpoint(changing, x).sum().backward(); }), "checkpoint.changed");
}

TEST(ActivationCheckpoint, AnErrorInTheRecomputationRestoresTheGenerator) {
  int calls = 0;
  at::Tensor x = at::ones({2}).requires_grad_(true);
  const at::Tensor y = checkpoint(
      [&](const at::Tensor& in) {
        if (++calls == 2) throw Error(ErrorClass::kData, "test.stop", {});
        return at::dropout(in, 0.5, true);
      },
      x);
  at::manual_seed(5);
  const at::Tensor expected = at::rand({3});
  at::manual_seed(5);
  EXPECT_EQ(testing::error_of([&] { y.sum().backward(); }).code(), "test.stop");
  EXPECT_TRUE(at::equal(at::rand({3}), expected));
}

}  // namespace
}  // namespace tenfold::train
