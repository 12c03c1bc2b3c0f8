// SPDX-License-Identifier: Apache-2.0
// Zeroth-order estimates: slopes against backpropagation, and parameters that come back to the bit.
#include "tenfold/train/mezo.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "tenfold/base/error.h"
#include "tests/unit/train/estimator_cases.h"

namespace tenfold::train {
namespace {

const EstimateKey kKey{.seed = 2, .step = 8};

TEST(Mezo, SlopeIsThatOfBackpropagationUpToTheStep) {
  for (const Case& item : all_cases()) {
    const auto gradients = backprop_gradients(item);
    for (const std::string law : {"gaussian", "rank1"}) {
      // float64 with a step of 1e-5: truncation 1e-10, rounding 1e-11.
      const auto estimator = make_mezo({.name = "mezo", .direction = law, .epsilon = 1e-5});
      const StepOutput output = estimator->accumulate(item.loss, item.parameters, kKey, 1.0);
      const auto direction =
          random_direction(parse_direction_law(law), {kKey, 0}, all_perturbed(item.parameters));
      const double expected = dot(gradients, drawn(*direction));
      EXPECT_NEAR(
          estimator->figures().at("directional_derivative"), expected, 1e-6 * (1 + std::abs(expected)))
          << item.name;
      EXPECT_NEAR(output.loss.item<double>(), item.loss().loss.item<double>(), 1e-6) << item.name;
    }
  }
}

TEST(Mezo, BringsParametersBackToTheBit) {
  Case item = mlp_case();
  item.module->to(at::kFloat);
  const auto before = parameter_copies(item);
  const LossFunction loss = [&] {
    StepOutput output;
    output.loss = at::zeros({}, at::kFloat);
    for (const NamedParameter& parameter : item.parameters)
      output.loss = output.loss + parameter.value.pow(3).sum();
    return output;
  };
  make_mezo({.name = "mezo", .direction = "gaussian", .tangents = 3})
      ->accumulate(loss, item.parameters, kKey, 1.0);
  for (std::size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(at::equal(item.parameters[i].value, before[i]));
}

TEST(Mezo, BringsParametersBackToTheBitWhenTheLossThrows) {
  const Case item = mlp_case();
  const auto before = parameter_copies(item);
  for (int failing_call : {1, 2}) {
    int calls = 0;
    const LossFunction throwing = [&] {
      if (++calls == failing_call) throw std::runtime_error("no memory");
      return item.loss();
    };
    EXPECT_THROW(make_mezo({.name = "mezo"})->accumulate(throwing, item.parameters, kKey, 1.0),
                 std::runtime_error);
    for (std::size_t i = 0; i < before.size(); ++i)
      EXPECT_TRUE(at::equal(item.parameters[i].value, before[i]));
  }
}

TEST(Mezo, StreamingMovesParametersAsSgdWouldHaveUpToRounding) {
  const Case item = mlp_case();
  make_mezo({.name = "mezo", .direction = "gaussian"})->accumulate(item.loss, item.parameters, kKey, 1.0);
  std::vector<at::Tensor> expected;
  for (const NamedParameter& parameter : item.parameters) {
    expected.push_back(parameter.value.detach() - 0.1 * parameter.value.grad());
  }
  const auto streaming = make_mezo({.name = "mezo", .direction = "gaussian", .stream = true});
  ASSERT_TRUE(streaming->streams_update());
  streaming->update(item.loss, item.parameters, kKey, 0.1);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(at::allclose(item.parameters[i].value, expected[i], 1e-10, 1e-12));
  }
}

TEST(Mezo, RefusesAStepOfZero) {
  try {
    make_mezo({.name = "mezo", .epsilon = 0.0});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "gradient.bad_epsilon");
  }
}

}  // namespace
}  // namespace tenfold::train
