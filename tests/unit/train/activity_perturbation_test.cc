// SPDX-License-Identifier: Apache-2.0
// Activity perturbation: estimates by hand from the same random numbers, means and second moments against formulas, and every
// kind of module that it cannot treat example by example.
#include "tenfold/train/activity_perturbation.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tenfold/base/error.h"
#include "tenfold/train/activity_recorder.h"
#include "tests/unit/train/estimator_cases.h"

namespace tenfold::train {
namespace {

using at::Tensor;

// |E estimate - gradient|^2 / |gradient|^2 without the noise of the mean: products of different batches of draws have no noise in
// expectation. `error` is its standard error, from the spread of the products.
struct Bias {
  double squared = 0.0;
  double error = 0.0;
  double cosine = 0.0;  // of the mean of all draws with the gradient
};

Bias bias_of(const Case& item, const GradientOptions& options, int draws) {
  constexpr int kBatches = 16;
  const auto gradients = backprop_gradients(item);
  const double squared = dot(gradients, gradients);
  const auto estimator = make_gradient_estimator(options);
  std::vector<std::vector<Tensor>> off(kBatches);  // batch means less the gradient
  std::vector<Tensor> mean;
  for (const Tensor& gradient : gradients) mean.push_back(at::zeros_like(gradient));
  for (int batch = 0; batch < kBatches; ++batch) {
    for (const NamedParameter& parameter : item.parameters) parameter.value.mutable_grad() = Tensor();
    for (int draw = 0; draw < draws / kBatches; ++draw) {
      const auto step = static_cast<std::uint64_t>(batch * draws + draw);
      estimator->accumulate(item.loss, item.parameters, {.seed = 5, .step = step}, 1.0 / (draws / kBatches));
    }
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      off[batch].push_back(item.parameters[i].value.grad() - gradients[i]);
      mean[i] += item.parameters[i].value.grad() / kBatches;
    }
  }
  Bias bias;
  const double pairs = kBatches * (kBatches - 1) / 2.0;
  double products = 0.0;
  for (int a = 0; a < kBatches; ++a) {
    for (int b = 0; b < a; ++b) {
      const double product = dot(off[a], off[b]) / squared;
      bias.squared += product / pairs;
      products += product * product / pairs;
    }
  }
  bias.error = std::sqrt((products - bias.squared * bias.squared) / pairs);
  bias.cosine = dot(mean, gradients) / std::sqrt(squared * dot(mean, mean));
  return bias;
}

void expect_unbiased(const Case& item, const GradientOptions& options, int draws) {
  const Bias bias = bias_of(item, options, draws);
  EXPECT_LE(std::abs(bias.squared), 5 * bias.error) << item.name;
  EXPECT_LT(5 * bias.error, 0.25) << item.name << ": too few draws to see a bias of half the gradient";
  EXPECT_GT(bias.cosine, 0.7) << item.name;
}

const GradientOptions kActivity{.name = "activity", .direction = "gaussian"};

// z = x W^T + b with loss_b = c_b.z_b: everything is known in closed form.
struct LinearProblem {
  static constexpr std::int64_t kExamples = 6, kIn = 7, kOut = 5;
  Tensor x, c;
  std::vector<NamedParameter> parameters;
  LossFunction loss;

  LinearProblem() {
    at::manual_seed(3);
    x = at::randn({kExamples, kIn}, at::kDouble);
    c = at::randn({kExamples, kOut}, at::kDouble);
    parameters = {{"weight", at::randn({kOut, kIn}, at::kDouble).requires_grad_()},
                  {"bias", at::randn({kOut}, at::kDouble).requires_grad_()}};
    loss = [this] {
      StepOutput output;
      const Tensor z = at::addmm(parameters[1].value, x, parameters[0].value.t());
      output.example_loss = (z * c).sum(1);
      output.loss = output.example_loss.mean();
      return output;
    };
  }
};

TEST(ActivityPerturbation, EstimateIsTheFormulaOnItsOwnNoise) {
  const LinearProblem problem;
  const EstimateKey key{.seed = 1, .step = 2};
  make_activity_perturbation(kActivity)->accumulate(problem.loss, problem.parameters, key, 0.5);
  const Tensor u =
      random_direction(
          DirectionLaw::kGaussian, {key, 0}, {{std::uint64_t{1} << 40, at::zeros_like(problem.c)}})
          ->draw(0);
  const Tensor d = (problem.c * u).sum(1, /*keepdim=*/true);
  const Tensor g = 0.5 * d * u / 6.0;
  EXPECT_TRUE(at::allclose(problem.parameters[0].value.grad(), at::mm(g.t(), problem.x), 1e-10, 1e-12));
  EXPECT_TRUE(at::allclose(problem.parameters[1].value.grad(), g.sum(0), 1e-10, 1e-12));
}

// E|W^|^2 = 1/B^2 (sum over pairs (c_b.c_b')(x_b.x_b') + m sum_b |c_b|^2 |x_b|^2), m = q + 2 for Gaussians and q for signs; the bias has
// the same with x = 1.
TEST(ActivityPerturbation, SecondMomentIsThatOfTheFormula) {
  const LinearProblem problem;
  const double b = LinearProblem::kExamples, q = LinearProblem::kOut;
  const Tensor xx = at::mm(problem.x, problem.x.t()) + 1.0, cc = at::mm(problem.c, problem.c.t());
  const double pairs = (xx * cc).sum().item<double>(),
               own = (xx.diagonal() * cc.diagonal()).sum().item<double>();
  for (const bool gaussian : {true, false}) {
    GradientOptions options = kActivity;
    if (!gaussian) options.direction = "rademacher";
    const auto estimator = make_activity_perturbation(options);
    double second = 0.0, fourth = 0.0;
    const int draws = 8'000;
    for (int draw = 0; draw < draws; ++draw) {
      for (const NamedParameter& parameter : problem.parameters) parameter.value.mutable_grad() = Tensor();
      estimator->accumulate(
          problem.loss, problem.parameters, {.step = static_cast<std::uint64_t>(draw)}, 1.0);
      double length = 0.0;
      for (const NamedParameter& parameter : problem.parameters)
        length += parameter.value.grad().square().sum().item<double>();
      second += length / draws;
      fourth += length * length / draws;
    }
    const double m = gaussian ? q + 2 : q;
    const double expected = (pairs - own + m * own) / (b * b);
    const double error = std::sqrt((fourth - second * second) / draws);
    EXPECT_NEAR(second, expected, 5 * error) << options.direction;
    EXPECT_LT(5 * error, 0.1 * expected);
  }
}

// Noise that is 1 at one activity gives its exact derivative; all of them together give backpropagation's gradient of every
// weight that layers apply: an exact check of what is recorded.
TEST(ActivityRecorder, DerivativesOfAllActivitiesGiveBackpropagationsGradients) {
  at::manual_seed(5);
  std::vector<Case> cases{
      mlp_case(), cnn_case(), transformer_case(), tied_embedding_case(), lstm_case(), dropout_case()};
  for (const Case& item : cases) {
    const auto expected = backprop_gradients(item);
    const auto selected = all_perturbed(item.parameters);
    const auto pass = [&](const ActivityRecorder::Noise& noise, std::vector<ActivityCall>* calls) {
      const DualScope scope;
      ActivityRecorder recorder(scope, selected, noise);
      const Tensor slope = scope.tangent(item.loss().loss);
      if (calls != nullptr) *calls = recorder.calls();
      return slope.defined() ? slope.item<double>() : 0.0;
    };
    std::vector<ActivityCall> calls;
    pass(nullptr, &calls);
    ASSERT_FALSE(calls.empty());
    std::vector<Tensor> sums(selected.size());
    const auto add = [&](std::size_t place, const Tensor& gradient) {
      sums[place] = sums[place].defined() ? sums[place] + gradient : gradient;
    };
    for (std::size_t number = 0; number < calls.size(); ++number) {
      const Tensor z_gradient = at::zeros(calls[number].like.sizes(), at::kDouble);
      for (std::int64_t entry = 0; entry < z_gradient.numel(); ++entry) {
        const auto one = [&](std::size_t call, const Tensor& like) {
          if (call != number) return Tensor();
          const Tensor noise = at::zeros(like.sizes(), at::kDouble);
          noise.view({-1})[entry] = 1.0;
          return noise;
        };
        z_gradient.view({-1})[entry] = pass(one, nullptr);
      }
      const auto gradients =
          calls[number].gradients(z_gradient, selected[calls[number].weight].value.detach());
      add(calls[number].weight, gradients.weight);
      if (calls[number].bias) add(*calls[number].bias, gradients.bias);
    }
    std::size_t applied = 0;
    for (std::size_t i = 0; i < sums.size(); ++i) {
      if (!sums[i].defined()) continue;
      ++applied;
      EXPECT_TRUE(at::allclose(sums[i], expected[i], 1e-8, 1e-11))
          << item.name << " " << item.parameters[i].name;
    }
    std::size_t norms = 0;  // scales and shifts, which are perturbed themselves
    for (const NamedParameter& parameter : item.parameters)
      norms += parameter.name.find("norm") != std::string::npos;
    if (item.name == "mlp" || item.name == "cnn") norms = 2;
    EXPECT_EQ(applied, sums.size() - norms) << item.name;
  }
}

TEST(ActivityPerturbation, IsUnbiasedOnUnchangedModules) {
  at::manual_seed(5);
  for (const Case& item : {mlp_case(), tied_embedding_case(), dropout_case()})
    expect_unbiased(item, kActivity, 1'600);
  expect_unbiased(transformer_case(), kActivity, 3'200);
}

TEST(ActivityPerturbation, WithTheWholeLossItIsUnbiasedUnderBatchNorm) {
  at::manual_seed(5);
  GradientOptions options = kActivity;
  options.per_example = false;
  options.tangents = 2;
  expect_unbiased(cnn_case(), options, 3'200);
}

// The table of positions is the same for all examples: its rows are no activities of one example.
TEST(ActivityPerturbation, TablesSharedByAllExamplesAreUnbiased) {
  at::manual_seed(5);
  const Tensor table = at::randn({3, 4}, at::kDouble).requires_grad_(),
               weight = at::randn({2, 4}, at::kDouble).requires_grad_();
  const Tensor x = at::randn({5, 3, 4}, at::kDouble);
  Case item{"positions", nullptr, {}, {{"table", table}, {"weight", weight}}};
  item.loss = cross_entropy(
      [=] { return at::linear(at::tanh(x + at::embedding(table, at::arange(3))).mean(1), weight); },
      class_targets(5, 2));
  expect_unbiased(item, kActivity, 3'200);
}

// A weight that a layer applies and that the loss uses otherwise as well.
TEST(ActivityPerturbation, OtherUsesOfAWeightAreUnbiased) {
  at::manual_seed(5);
  const Tensor weight = at::randn({3, 4}, at::kDouble).requires_grad_();
  const Tensor x = at::randn({5, 4}, at::kDouble);
  Case item{"two uses", nullptr, {}, {{"weight", weight}}};
  item.loss = cross_entropy(
      [=] {
        return at::linear(x, weight) + at::einsum("bi,oi->bo", {x.sin(), weight});
      },
      class_targets(5, 3));
  expect_unbiased(item, kActivity, 3'200);
  const auto estimator = make_activity_perturbation(kActivity);
  estimator->accumulate(item.loss, item.parameters, {}, 1.0);
  EXPECT_EQ(estimator->figures().at("perturbed_weights"), 12);
}

TEST(ActivityPerturbation, BatchNormInTrainingModeMakesExamplesInteract) {
  const Case item = cnn_case();
  EXPECT_EQ(error_code([&] {
              make_activity_perturbation(kActivity)->accumulate(item.loss, item.parameters, {}, 1.0);
            }),
            "activity.examples_interact");
  item.module->eval();
  EXPECT_EQ(error_code([&] {
              make_activity_perturbation(kActivity)->accumulate(item.loss, item.parameters, {}, 1.0);
            }),
            "no error");
}

TEST(ActivityPerturbation, CountsWhatItPerturbs) {
  const Case item = mlp_case();  // Linear(6, 8), LayerNorm(8), GELU, Linear(8, 3) on 5 examples
  const auto estimator = make_activity_perturbation(kActivity);
  estimator->accumulate(item.loss, item.parameters, {}, 1.0);
  EXPECT_EQ(estimator->figures().at("perturbed_activities"), 5 * (8 + 3));
  EXPECT_EQ(estimator->figures().at("perturbed_weights"), 8 + 8);  // scale and shift of the norm
  EXPECT_EQ(estimator->figures().at("perturbed"), 8 + 3 + 16);
}

TEST(ActivityPerturbation, SubsetPerturbsOnlyNamedLayers) {
  const Case item = mlp_case();
  GradientOptions options = kActivity;
  options.only = {"3."};
  const auto estimator = make_activity_perturbation(options);
  estimator->accumulate(item.loss, item.parameters, {}, 1.0);
  EXPECT_EQ(estimator->figures().at("perturbed_activities"), 5 * 3);
  for (const NamedParameter& parameter : item.parameters) {
    EXPECT_EQ(parameter.value.grad().defined(), parameter.name.find("3.") != std::string::npos);
  }
}

TEST(ActivityPerturbation, HasLessVarianceThanWeightPerturbation) {
  at::manual_seed(5);
  const Case item = mlp_case();
  const double activity = bias_of(item, kActivity, 800).cosine;
  EXPECT_GT(activity, bias_of(item, {.name = "forward", .direction = "gaussian"}, 800).cosine);
}

TEST(ActivityPerturbation, NeedsTheLossOfEachExample) {
  const Case item = mlp_case();
  const LossFunction without = [&] {
    StepOutput output = item.loss();
    output.example_loss = Tensor();
    return output;
  };
  EXPECT_EQ(error_code([&] {
              make_activity_perturbation(kActivity)->accumulate(without, item.parameters, {}, 1.0);
            }),
            "activity.no_example_loss");
  GradientOptions options = kActivity;
  options.per_example = false;
  EXPECT_EQ(
      error_code([&] { make_activity_perturbation(options)->accumulate(without, item.parameters, {}, 1.0); }),
      "no error");
}

TEST(ActivityPerturbation, LossMustBeTheMeanOfTheExamples) {
  const Case item = mlp_case();
  const LossFunction summed = [&] {
    StepOutput output = item.loss();
    output.loss = output.example_loss.sum();
    return output;
  };
  EXPECT_EQ(error_code(
                [&] { make_activity_perturbation(kActivity)->accumulate(summed, item.parameters, {}, 1.0); }),
            "activity.loss_is_not_the_mean");
}

// A penalty on weights is no matter of activities: it reaches the gradient by the weights' own direction.
TEST(ActivityPerturbation, WeightDecayInTheLossIsStillUnbiased) {
  LinearProblem problem;
  const LossFunction plain = problem.loss;
  Case item{"decay", nullptr, {}, problem.parameters};
  item.loss = [&] {
    StepOutput output = plain();
    output.loss = output.loss + problem.parameters[0].value.square().sum();
    return output;
  };
  expect_unbiased(item, kActivity, 1'600);
}

TEST(ActivityPerturbation, CutTangentsAreNamed) {
  const LinearProblem problem;
  const LossFunction cut = [&] {
    StepOutput output = problem.loss();
    output.example_loss = output.example_loss.detach() * 1.0;
    output.loss = output.example_loss.mean();
    return output;
  };
  EXPECT_EQ(error_code(
                [&] { make_activity_perturbation(kActivity)->accumulate(cut, problem.parameters, {}, 1.0); }),
            "forward_ad.tangent_cut");
}

TEST(ActivityPerturbation, InputsChangedInPlaceAreRefused) {
  const LinearProblem problem;
  const LossFunction spoiled = [&] {
    StepOutput output;
    Tensor h = problem.x.clone();
    output.example_loss =
        (at::addmm(problem.parameters[1].value, h, problem.parameters[0].value.t()) * problem.c).sum(1);
    output.loss = output.example_loss.mean();
    h.mul_(2);
    return output;
  };
  EXPECT_EQ(error_code([&] {
              make_activity_perturbation(kActivity)->accumulate(spoiled, problem.parameters, {}, 1.0);
            }),
            "activity.modified_input");
}

TEST(ActivityPerturbation, RefusesOptionsItDoesNotHave) {
  for (const GradientOptions& options :
       std::vector<GradientOptions>{{.name = "activity", .direction = "rank1"},
                                    {.name = "activity", .direction = "guess"},
                                    {.name = "activity", .combine = "orthogonal"},
                                    {.name = "activity", .block = "layer"},
                                    {.name = "activity", .stream = true},
                                    {.name = "activity", .tangents = 0}}) {
    EXPECT_EQ(error_code([&] { make_gradient_estimator(options); }), "gradient.bad_combination");
  }
}

TEST(ActivityPerturbation, LeavesNothingBehindWhenTheLossThrows) {
  const Case item = mlp_case();
  const LossFunction throwing = [&]() -> StepOutput {
    item.loss();
    throw std::runtime_error("data ran out");
  };
  for (int i = 0; i < 2; ++i) {
    EXPECT_THROW(make_activity_perturbation(kActivity)->accumulate(throwing, item.parameters, {}, 1.0),
                 std::runtime_error);
  }
  const DualScope scope;
  EXPECT_FALSE(scope.tangent(item.loss().loss).defined());
}

}  // namespace
}  // namespace tenfold::train
