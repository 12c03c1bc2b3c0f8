// SPDX-License-Identifier: Apache-2.0
// Rows of the benchmark: which there are and that they fit together. Nothing here looks at how long something took.
#include "tenfold/systems/forward_gradient/bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tenfold/base/error.h"
#include "tenfold/systems/forward_gradient/bench_methods.h"

namespace tenfold::forward_gradient {
namespace {

using testing::HasSubstr;

BenchOptions tiny() {
  return {.models = {"logistic"}, .batch = 3, .repeats = 2, .seconds_per_repeat = 0.0, .memory = false};
}

std::map<std::string, BenchRow> by_name(const std::vector<BenchRow>& rows) {
  std::map<std::string, BenchRow> named;
  for (const BenchRow& row : rows) named[row.name] = row;
  return named;
}

TEST(Bench, HasARowForEachMethodAndTheBest) {
  const std::vector<BenchRow> rows = bench_forward_gradient(tiny());
  const auto named = by_name(rows);
  const std::vector<std::string> forward = {
      "dual_gaussian", "dual_rademacher", "rademacher_fused", "rank1", "rank1_bf16", "block", "block_bf16"};
  double least = 1e9;
  for (const std::string& method : forward) {
    const BenchRow& row = named.at("logistic/" + method);
    least = std::min(least, row.ours);
    EXPECT_GT(*row.sampling_share, 0.0) << method;
    EXPECT_EQ(row.unbiased, true) << method;
  }
  EXPECT_EQ(named.at("logistic/best").ours, least);
  EXPECT_EQ(rows.size(), forward.size() + 4);
  const BenchRow &fused = named.at("logistic/backprop"), &autograd = named.at("logistic/backprop_autograd");
  const BenchRow& reference = fused.reference ? fused : autograd;
  EXPECT_NE(fused.reference, autograd.reference);
  EXPECT_EQ(*autograd.vs_autograd, 1.0);
  EXPECT_EQ(*reference.vs_backprop, 1.0);
  EXPECT_EQ(reference.ours, std::min(fused.ours, autograd.ours));
  EXPECT_EQ(named.at("logistic/" + named.at("logistic/best").method).ours, least);
  for (const BenchRow& row : rows) {
    EXPECT_EQ(row.repeats, 2);
    EXPECT_GT(row.ours, 0.0);
    EXPECT_NEAR(*row.share_of_floor, *row.floor / row.ours, 1e-12);
    EXPECT_THAT(row.peer_note, HasSubstr("not asked for"));
    EXPECT_EQ(row.peer, std::nullopt);
  }
}

TEST(Bench, APeerThatCannotRunIsNamed) {
  BenchOptions options = tiny();
  options.peer_script = "/nonexistent/script.py";
  for (const BenchRow& row : bench_forward_gradient(options))
    EXPECT_THAT(row.peer_note, HasSubstr("no peer"));
}

TEST(Bench, ThePeerRunsTheSameMethods) {
  BenchOptions options = tiny();
  options.peer_script = Path(TENFOLD_SOURCE_DIR) / "bench/peers/forward_gradient.py";
  const auto named = by_name(bench_forward_gradient(options));
  const BenchRow& best = named.at("logistic/best");
  if (!best.peer) GTEST_SKIP() << best.peer_note;
  EXPECT_NEAR(*best.ratio, *best.peer / best.ours, 1e-12);
  EXPECT_GT(*best.peer_vs_backprop, 0.0);
  EXPECT_EQ(named.at("logistic/backprop").peer, named.at("logistic/backprop_autograd").peer);
  EXPECT_EQ(named.at("logistic/backprop").peer_vs_backprop, std::nullopt);
  EXPECT_THAT(best.peer_note, HasSubstr("PyTorch"));
}

TEST(Bench, MemoryIsARowOfItsOwn) {
  BenchOptions options = tiny();
  options.models.clear();
  options.memory = true;
  const std::vector<BenchRow> rows = bench_forward_gradient(options);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].name, "deep_mlp/memory");
  EXPECT_EQ(rows[0].unit, "MB");
  EXPECT_LT(*rows[0].vs_backprop, 0.2);
}

TEST(Bench, RefusesWrongSizesAndModels) {
  BenchOptions options = tiny();
  options.repeats = 0;
  EXPECT_THROW(bench_forward_gradient(options), Error);
  options = tiny();
  options.models = {"resnet"};
  EXPECT_THROW(bench_forward_gradient(options), Error);
}

// Two layers of 10 x 20 and 20 x 5 weights, batch 2; every count by hand.
TEST(BenchFloor, CountsProductsAndBytesOfAStep) {
  const std::vector<LayerWork> layers = {{200, 10, 200, 20}, {100, 20, 100, 5}};
  const MachineRates compute{.flops = 1.0, .flops_bf16 = 2.0, .bytes = 1e12};
  const auto flops = [&](const MethodCost& cost) { return floor_of(cost, layers, 2, compute).seconds; };
  EXPECT_DOUBLE_EQ(flops({.kind = MethodKind::kLoss}), 4.0 * 300);
  EXPECT_DOUBLE_EQ(flops({.kind = MethodKind::kBackprop}), 4.0 * (3 * 300 - 200));
  EXPECT_DOUBLE_EQ(flops({.kind = MethodKind::kForward}), 4.0 * (300 + 300 + 100));
  EXPECT_DOUBLE_EQ(flops({.kind = MethodKind::kForward, .rank_one = true}), 4.0 * (300 + 30 + 100));
  // The last layer's tangents stay float32; a third layer makes the second one's bfloat16.
  EXPECT_DOUBLE_EQ(flops({.kind = MethodKind::kForward, .rank_one = true, .bf16 = true}),
                   4.0 * (300 + 30 + 100));
  const std::vector<LayerWork> three = {{200, 10, 200, 20}, {100, 20, 100, 5}, {50, 5, 50, 10}};
  EXPECT_DOUBLE_EQ(
      floor_of({.kind = MethodKind::kForward, .rank_one = true, .bf16 = true}, three, 2, compute).seconds,
      4.0 * (350 + 35 + 100 / 2.0 + 50));
  EXPECT_DOUBLE_EQ(flops({.kind = MethodKind::kForward, .rank_one = true, .block = true}),
                   4.0 * (300 + 2.0 / 3 * (10 + 100) + 1.0 / 3 * 20));
  const MachineRates memory{.flops = 1e12, .flops_bf16 = 1e12, .bytes = 1.0};
  const auto bytes = [&](const MethodCost& cost) { return floor_of(cost, layers, 2, memory).seconds; };
  EXPECT_DOUBLE_EQ(bytes({.kind = MethodKind::kBackprop}), 12.0 * 300);
  EXPECT_DOUBLE_EQ(bytes({.kind = MethodKind::kForward, .rank_one = true, .apply_every = 16}),
                   300 * (4 + 8.0 / 16));
}

}  // namespace
}  // namespace tenfold::forward_gradient
