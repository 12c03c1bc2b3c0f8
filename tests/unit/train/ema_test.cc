// SPDX-License-Identifier: Apache-2.0
// The weight average against its closed form, and the scope that puts it in place.
#include "tenfold/train/ema.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "tests/unit/train/optimizer_cases.h"

namespace tenfold::train {
namespace {

std::vector<NamedParameter> make_weights() {
  return {{"a", at::full({2, 3}, 100.0, at::kDouble).requires_grad_(true)},
          {"b", at::full({}, 200.0, at::kDouble).requires_grad_(true)}};
}

void set(const std::vector<NamedParameter>& weights, double value) {
  for (const auto& weight : weights) weight.value.detach().fill_(value);
}

TEST(Ema, IsTheMeanWithFallingSharesOfAllWeightsSeen) {
  const auto weights = make_weights();
  const double d = 0.9;
  Ema ema(d, weights);
  EXPECT_EQ(ema.state().at("ema/a")[1][2].item<double>(), 100.0);
  double sum = 0.0;
  for (int t = 1; t <= 30; ++t) {
    const double x = std::sin(t) + 2.0;
    set(weights, x);
    ema.update();
    sum = d * sum + (1.0 - d) * x;
    const double expected = sum / (1.0 - std::pow(d, t));
    EXPECT_NEAR(ema.state().at("ema/a")[1][2].item<double>(), expected, 1e-14) << t;
    EXPECT_NEAR(ema.state().at("ema/b").item<double>(), expected, 1e-14) << t;
  }
  EXPECT_EQ(ema.updates(), 30);
}

TEST(Ema, ADecayOfZeroFollowsTheWeights) {
  const auto weights = make_weights();
  Ema ema(0.0, weights);
  for (double x : {1.0, -7.0}) {
    set(weights, x);
    ema.update();
    EXPECT_EQ(ema.state().at("ema/b").item<double>(), x);
  }
}

TEST(Ema, ResumesToTheBit) {
  const auto weights = make_weights();
  Ema whole(0.99, weights), first(0.99, weights), second(0.99, weights);
  for (int t = 1; t <= 10; ++t) {
    set(weights, std::cos(t));
    whole.update();
    if (t <= 5) first.update();
    if (t == 5) second.load_state(testing::deep_copy(first.state()));
    if (t > 5) second.update();
  }
  for (const auto& [name, tensor] : whole.state())
    EXPECT_TRUE(at::equal(tensor, second.state().at(name))) << name;
}

TEST(Ema, AScopePutsTheAverageInPlaceAndTakesItOutAgain) {
  const auto weights = make_weights();
  Ema ema(0.5, weights);
  set(weights, 4.0);
  ema.update();
  set(weights, 1.0);
  ema.update();  // (0.25 * 4 + 0.5 * 1) / 0.75
  const void* memory = weights[0].value.data_ptr();
  const auto check_outside = [&] {
    EXPECT_EQ(weights[0].value[0][0].item<double>(), 1.0);
    EXPECT_NEAR(ema.state().at("ema/a")[0][0].item<double>(), 2.0, 1e-15);
  };
  {
    const EmaScope scope(ema);
    EXPECT_NEAR(weights[0].value[0][0].item<double>(), 2.0, 1e-15);
    EXPECT_NEAR(weights[1].value.item<double>(), 2.0, 1e-15);
    EXPECT_EQ(weights[0].value.data_ptr(), memory);
  }
  check_outside();
  try {
    const EmaScope scope(ema);
    throw std::runtime_error("evaluation failed");
  } catch (const std::runtime_error&) {
  }
  check_outside();
}

TEST(Ema, MisuseInsideAScopeIsAnError) {
  const auto weights = make_weights();
  Ema ema(0.5, weights);
  const EmaScope scope(ema);
  EXPECT_EQ(testing::error_of([&] { ema.update(); }).error_class(), ErrorClass::kInternal);
  EXPECT_EQ(testing::error_of([&] { ema.state(); }).error_class(), ErrorClass::kInternal);
  EXPECT_EQ(testing::error_of([&] { const EmaScope second(ema); }).error_class(), ErrorClass::kInternal);
}

TEST(Ema, ChangingWeightsUnderALiveGraphIsNoticed) {
  const auto weights = make_weights();
  Ema ema(0.5, weights);
  const at::Tensor loss = weights[0].value.pow(2).sum();
  const EmaScope scope(ema);
  EXPECT_THROW(loss.backward(), c10::Error);
}

TEST(Ema, RefusesABadDecayAndABadState) {
  for (double decay : {1.0, -0.1, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_EQ(testing::error_of([&] { Ema(decay, make_weights()); }).code(), "ema.bad_decay");
  }
  Ema ema(0.5, make_weights());
  TensorMap state = testing::deep_copy(ema.state());
  state.at("ema/a").fill_(3.0);
  state.erase("ema_updates");
  EXPECT_EQ(testing::error_of([&] { ema.load_state(state); }).code(), "optimizer.bad_state");
  EXPECT_EQ(ema.state().at("ema/a")[0][0].item<double>(), 100.0);
}

}  // namespace
}  // namespace tenfold::train
