// SPDX-License-Identifier: Apache-2.0
// Forward gradients on unchanged modules: the slope equals that of backpropagation, and nothing is left behind.
#include "tenfold/train/forward_gradient.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "tenfold/base/error.h"
#include "tenfold/base/threads.h"
#include "tenfold/train/forward_ad.h"
#include "tests/unit/train/estimator_cases.h"

namespace tenfold::train {
namespace {

const EstimateKey kKey{.seed = 9, .step = 4};

TEST(ForwardGradient, SlopeIsThatOfBackpropagationOnEveryModule) {
  for (const Case& item : all_cases()) {
    const auto gradients = backprop_gradients(item);
    for (const std::string law : {"gaussian", "rademacher", "sphere", "rank1"}) {
      const auto estimator = make_forward_gradient({.name = "forward", .direction = law});
      const StepOutput output = estimator->accumulate(item.loss, item.parameters, kKey, 1.0);
      const auto direction =
          random_direction(parse_direction_law(law), {kKey, 0}, all_perturbed(item.parameters));
      const double expected = dot(gradients, drawn(*direction));
      EXPECT_LE(std::abs(estimator->figures().at("directional_derivative") - expected),
                1e-10 * std::abs(expected))
          << item.name << " " << law;
      EXPECT_DOUBLE_EQ(output.loss.item<double>(), item.loss().loss.item<double>()) << item.name;
      EXPECT_FALSE(output.loss.requires_grad());
      EXPECT_FALSE(output.example_loss.requires_grad());
    }
  }
}

class Threads {
 public:
  explicit Threads(int count) : library_(at::get_num_threads()), own_(thread_count()) {
    at::set_num_threads(count);
    set_thread_count(count);
  }
  ~Threads() {
    at::set_num_threads(library_);
    set_thread_count(own_);
  }

 private:
  int library_, own_;
};

TEST(ForwardGradient, IsTheSameForOneAndTwoThreads) {
  at::manual_seed(1);
  const std::vector<NamedParameter> parameters = {
      {"0.weight", (at::randn({256, 300}) * 0.05).requires_grad_()},
      {"1.weight", (at::randn({10, 256}) * 0.05).requires_grad_()}};
  const at::Tensor x = at::randn({64, 300});
  const LossFunction loss = cross_entropy(
      [&] { return at::linear(at::relu(at::linear(x, parameters[0].value)), parameters[1].value); },
      class_targets(64, 10));
  for (const std::string law : {"gaussian", "rademacher", "sphere", "rank1"}) {
    double slopes[2];
    at::Tensor estimates[2];
    for (const int count : {1, 2}) {
      const Threads guard(count);
      for (const NamedParameter& parameter : parameters) parameter.value.mutable_grad() = at::Tensor();
      const auto estimator = make_forward_gradient({.name = "forward", .direction = law});
      estimator->accumulate(loss, parameters, kKey, 1.0);
      slopes[count - 1] = estimator->figures().at("directional_derivative");
      estimates[count - 1] = parameters[0].value.grad() / slopes[count - 1];
    }
    EXPECT_LE(std::abs(slopes[0] - slopes[1]), 1e-5 * std::abs(slopes[0])) << law;
    EXPECT_TRUE(at::allclose(estimates[0], estimates[1], 1e-6, 0.0))
        << law;  // the direction, up to the division
  }
}

TEST(ForwardGradient, AddsTheSlopeTimesTheDirection) {
  at::manual_seed(1);
  const Case item = mlp_case();
  const auto gradients = backprop_gradients(item);
  const auto estimator = make_forward_gradient({.name = "forward", .direction = "gaussian"});
  estimator->accumulate(item.loss, item.parameters, kKey, 0.5);
  estimator->accumulate(item.loss, item.parameters, kKey, 0.25);
  const auto direction = random_direction(DirectionLaw::kGaussian, {kKey, 0}, all_perturbed(item.parameters));
  const auto v = drawn(*direction);
  const double slope = dot(gradients, v);
  for (std::size_t i = 0; i < v.size(); ++i) {
    EXPECT_TRUE(at::allclose(item.parameters[i].value.grad(), 0.75 * slope * v[i], 1e-9, 1e-12));
  }
}

TEST(ForwardGradient, StreamingMovesParametersAsSgdWouldHave) {
  for (const std::int64_t tangents : {1, 3}) {
    at::manual_seed(1);
    const Case item = mlp_case();
    make_forward_gradient({.name = "forward", .tangents = tangents})
        ->accumulate(item.loss, item.parameters, kKey, 1.0);
    std::vector<at::Tensor> expected;
    for (const NamedParameter& parameter : item.parameters) {
      expected.push_back(parameter.value.detach() - 0.1 * parameter.value.grad());
    }
    const auto streaming = make_forward_gradient({.name = "forward", .tangents = tangents, .stream = true});
    ASSERT_TRUE(streaming->streams_update());
    streaming->update(item.loss, item.parameters, kKey, 0.1);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_TRUE(at::allclose(item.parameters[i].value, expected[i], 1e-12, 1e-14));
    }
  }
}

TEST(ForwardGradient, StreamingLeavesParametersAloneWhenTheLossIsNotFinite) {
  const Case item = mlp_case();
  const auto before = parameter_copies(item);
  for (const std::string name : {"forward", "mezo"}) {
    const auto estimator = make_gradient_estimator({.name = name, .stream = true});
    const LossFunction infinite = [&] {
      StepOutput output = item.loss();
      output.loss = output.loss / 0.0;
      return output;
    };
    EXPECT_FALSE(std::isfinite(estimator->update(infinite, item.parameters, kKey, 0.1).loss.item<double>()));
    // sqrt at 0: a finite loss with an infinite slope.
    const LossFunction steep = [&] {
      StepOutput output = item.loss();
      output.loss = at::sqrt(item.parameters[0].value.sum() * 0.0) + output.loss;
      return output;
    };
    if (name == "forward") {
      EXPECT_FALSE(std::isfinite(estimator->update(steep, item.parameters, kKey, 0.1).loss.item<double>()));
    }
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_TRUE(at::allclose(item.parameters[i].value, before[i], 1e-14, 1e-15)) << name;
    }
  }
}

TEST(ForwardGradient, WithoutStreamingThereIsNoUpdate) {
  const Case item = mlp_case();
  EXPECT_EQ(error_code([&] {
              make_forward_gradient({.name = "forward"})->update(item.loss, item.parameters, kKey, 0.1);
            }),
            "gradient.no_streaming_update");
}

TEST(ForwardGradient, BuildsNoTape) {
  const Case item = mlp_case();
  bool recorded = true;
  const LossFunction watched = [&] {
    StepOutput output = item.loss();
    recorded = output.loss.requires_grad();
    return output;
  };
  make_forward_gradient({.name = "forward"})->accumulate(watched, item.parameters, kKey, 1.0);
  EXPECT_FALSE(recorded);
}

TEST(ForwardGradient, LeavesParametersAndLevelsAsTheyWereWhenTheLossThrows) {
  const Case item = mlp_case();
  const auto before = parameter_copies(item);
  const auto estimator = make_forward_gradient({.name = "forward"});
  const LossFunction throwing = [&]() -> StepOutput {
    item.loss();
    throw std::runtime_error("data ran out");
  };
  for (int i = 0; i < 2; ++i) {  // a level left open would refuse the second
    EXPECT_THROW(estimator->accumulate(throwing, item.parameters, kKey, 1.0), std::runtime_error);
  }
  const DualScope scope;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const at::Tensor& value = item.parameters[i].value;
    EXPECT_TRUE(at::equal(value, before[i]));
    EXPECT_FALSE(scope.tangent(value).defined());
    EXPECT_FALSE(value.grad().defined());
  }
  EXPECT_TRUE(c10::GradMode::is_enabled() == false);  // inside the scope only
}

TEST(ForwardGradient, RestoresTheGradMode) {
  const Case item = mlp_case();
  make_forward_gradient({.name = "forward"})->accumulate(item.loss, item.parameters, kKey, 1.0);
  EXPECT_TRUE(c10::GradMode::is_enabled());
}

TEST(ForwardGradient, SubsetPerturbsOnlyNamedParameters) {
  at::manual_seed(1);
  const Case item = mlp_case();
  const auto gradients = backprop_gradients(item);
  const auto estimator = make_forward_gradient({.name = "forward", .only = {"3."}});
  estimator->accumulate(item.loss, item.parameters, kKey, 1.0);
  EXPECT_EQ(estimator->figures().at("perturbed"), 8 * 3 + 3);
  double slope = 0.0;
  for (std::size_t i = 0; i < item.parameters.size(); ++i) {
    const NamedParameter& parameter = item.parameters[i];
    const bool selected = parameter.name.find("3.") != std::string::npos;
    ASSERT_EQ(parameter.value.grad().defined(), selected) << parameter.name;
    if (!selected) continue;
    const auto direction = random_direction(DirectionLaw::kRademacher, {kKey, 0}, {{i, parameter.value}});
    slope += (direction->draw(0) * gradients[i]).sum().item<double>();
  }
  EXPECT_NEAR(estimator->figures().at("directional_derivative"), slope, 1e-10);
}

TEST(ForwardGradient, SubsetWithoutMatchNamesTheNearest) {
  const Case item = mlp_case();
  try {
    make_forward_gradient({.name = "forward", .only = {"wieght"}})
        ->accumulate(item.loss, item.parameters, kKey, 1.0);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "gradient.nothing_selected");
    EXPECT_NE(error.text().remedy.find("'weight'"), std::string::npos);
  }
  EXPECT_EQ(
      error_code([&] { make_forward_gradient({.name = "forward"})->accumulate(item.loss, {}, kKey, 1.0); }),
      "gradient.nothing_selected");
}

TEST(ForwardGradient, ClipBoundsTheSlope) {
  const Case item = mlp_case();
  const auto estimator = make_forward_gradient({.name = "forward", .clip = 1e-3});
  estimator->accumulate(item.loss, item.parameters, kKey, 1.0);
  for (const NamedParameter& parameter : item.parameters) {
    EXPECT_NEAR(parameter.value.grad().abs().max().item<double>(), 1e-3, 1e-12);
  }
  EXPECT_EQ(estimator->figures().at("clipped"), 1.0);
}

TEST(ForwardGradient, ProjectionOnTheGradientItselfIsTheGradient) {
  const Case item = mlp_case();
  const auto gradients = backprop_gradients(item);
  const GuessFunction guess = [&](std::span<const NamedParameter>, const DirectionKey&) {
    std::vector<at::Tensor> scaled;
    for (const at::Tensor& gradient : gradients) scaled.push_back(gradient * 3.0);
    return scaled;
  };
  const GradientOptions options{.name = "forward", .direction = "guess", .combine = "orthogonal"};
  make_forward_gradient(options, guess)->accumulate(item.loss, item.parameters, kKey, 1.0);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    EXPECT_TRUE(at::allclose(item.parameters[i].value.grad(), gradients[i], 1e-9, 1e-12));
  }
}

TEST(ForwardGradient, GuessWithTheWrongCountIsRefused) {
  const Case item = mlp_case();
  const GuessFunction guess = [](std::span<const NamedParameter>, const DirectionKey&) {
    return std::vector<at::Tensor>(2);
  };
  const auto estimator = make_forward_gradient({.name = "forward", .direction = "guess"}, guess);
  EXPECT_EQ(error_code([&] { estimator->accumulate(item.loss, item.parameters, kKey, 1.0); }),
            "gradient.bad_guess");
}

TEST(ForwardGradient, LossThatIsNoScalarIsRefused) {
  const Case item = mlp_case();
  const LossFunction vector_loss = [&] {
    return StepOutput{.loss = item.loss().example_loss, .example_loss = {}, .metrics = {}};
  };
  EXPECT_EQ(error_code([&] {
              make_forward_gradient({.name = "forward"})->accumulate(vector_loss, item.parameters, kKey, 1.0);
            }),
            "gradient.bad_loss");
}

TEST(DualScope, RefusesASecondOneAndWorksAfterwards) {
  {
    const DualScope scope;
    EXPECT_EQ(error_code([] { const DualScope second; }), "forward_ad.nested");
  }
  const DualScope again;
  EXPECT_FALSE(c10::GradMode::is_enabled());
}

TEST(DualScope, RefusesInferenceMode) {
  const c10::InferenceMode guard;
  EXPECT_EQ(error_code([] { const DualScope scope; }), "forward_ad.tangent_cut");
}

TEST(DualScope, RefusesTensorsMadeUnderInferenceMode) {
  at::Tensor made;
  {
    const c10::InferenceMode guard;
    made = at::ones({2});
  }
  const DualScope scope;
  EXPECT_EQ(error_code([&] { scope.set_tangent(made, at::ones({2})); }), "forward_ad.tangent_cut");
}

}  // namespace
}  // namespace tenfold::train
