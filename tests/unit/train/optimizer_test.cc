// SPDX-License-Identifier: Apache-2.0
// SGD, Adam and AdamW against the equations of their papers, and what holds for every optimiser: exact resume, errors.
#include "tenfold/train/optimizer.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "tenfold/train/clip.h"
#include "tenfold/train/schedule.h"
#include "tests/unit/train/optimizer_cases.h"

namespace tenfold::train {
namespace {

using testing::error_of;
using testing::PlainParameter;

const std::vector<std::string> kAll = {"sgd", "adam", "adamw", "adafactor", "lamb", "lazy_adam"};

OptimizerOptions named(const std::string& name) {
  OptimizerOptions options;
  options.name = name;
  return options;
}

TEST(Sgd, FollowsItsEquationWithDecayAddedToTheGradient) {
  OptimizerOptions options = named("sgd");
  options.weight_decay = 0.03;
  testing::expect_equations(options, [](PlainParameter& p, const std::vector<double>& g, int, double rate) {
    for (std::size_t i = 0; i < g.size(); ++i)
      p.value[i] -= rate * (g[i] + (p.decayed() ? 0.03 * p.value[i] : 0.0));
  });
}

TEST(Sgd, KeepsMomentumAsLibTorchDefinesIt) {
  // v <- mu v + g, p <- p - rate v; Nesterov: p <- p - rate (g + mu v). Sutskever et al. 2013 with the rate outside of v.
  for (bool nesterov : {false, true}) {
    OptimizerOptions options = named("sgd");
    options.momentum = 0.9;
    options.nesterov = nesterov;
    options.weight_decay = 0.1;
    testing::expect_equations(options,
                              [&](PlainParameter& p, const std::vector<double>& g, int, double rate) {
                                auto& v = p.zeros("v");
                                for (std::size_t i = 0; i < g.size(); ++i) {
                                  const double total = g[i] + (p.decayed() ? 0.1 * p.value[i] : 0.0);
                                  v[i] = 0.9 * v[i] + total;
                                  p.value[i] -= rate * (nesterov ? total + 0.9 * v[i] : v[i]);
                                }
                              });
  }
}

// Kingma & Ba 2015, algorithm 1; weight decay added to the gradient, or decoupled (Loshchilov & Hutter 2019, algorithm 2,
// with the decay multiplied by the learning rate).
void adam_equations(
    PlainParameter& p, const std::vector<double>& g, int t, double rate, double decay, bool decoupled) {
  const double beta1 = 0.8, beta2 = 0.95, epsilon = 1e-6;
  auto &m = p.zeros("m"), &v = p.zeros("v");
  for (std::size_t i = 0; i < g.size(); ++i) {
    const double lambda = p.decayed() ? decay : 0.0;
    const double total = g[i] + (decoupled ? 0.0 : lambda * p.value[i]);
    m[i] = beta1 * m[i] + (1.0 - beta1) * total;
    v[i] = beta2 * v[i] + (1.0 - beta2) * total * total;
    const double m_hat = m[i] / (1.0 - std::pow(beta1, t));
    const double v_hat = v[i] / (1.0 - std::pow(beta2, t));
    const double start = p.value[i] * (decoupled ? 1.0 - rate * lambda : 1.0);
    p.value[i] = start - rate * m_hat / (std::sqrt(v_hat) + epsilon);
  }
}

TEST(Adam, FollowsAlgorithm1) {
  for (bool decoupled : {false, true}) {
    OptimizerOptions options = named(decoupled ? "adamw" : "adam");
    options.beta1 = 0.8;
    options.beta2 = 0.95;
    options.epsilon = 1e-6;
    options.weight_decay = 0.2;
    testing::expect_equations(options,
                              [&](PlainParameter& p, const std::vector<double>& g, int t, double rate) {
                                adam_equations(p, g, t, rate, 0.2, decoupled);
                              });
  }
}

// The loop of docs/library.md on y = x A + b without noise: the least loss is 0.
TEST(Optimizer, EveryOneFitsALinearModel) {
  at::manual_seed(1);
  const at::Tensor x = at::randn({64, 5}), y = x.matmul(at::randn({5, 3})) + at::randn({3});
  for (const std::string& name : kAll) {
    at::Tensor weight = at::full({5, 3}, 0.1).requires_grad_(true),
               bias = at::zeros({3}).requires_grad_(true);
    const std::vector<NamedParameter> parameters = {{"weight", weight}, {"bias", bias}};
    const auto optimizer = make_optimizer({.name = name, .learning_rate = 0.1}, parameters);
    const Schedule schedule({.name = "cosine", .warmup = 10}, 400);
    double first = 0.0, last = 0.0;
    for (std::int64_t step = 0; step < 400; ++step) {
      for (const NamedParameter& parameter : parameters)
        at::Tensor(parameter.value).mutable_grad() = at::Tensor();
      const at::Tensor loss = (x.matmul(weight) + bias - y).pow(2).mean();
      loss.backward();
      clip_gradient_norm(parameters, 1.0);
      optimizer->step(0.1 * schedule.factor(step));
      last = loss.item<double>();
      if (step == 0) first = last;
    }
    EXPECT_LT(last, 1e-3 * first) << name;
  }
}

TEST(Optimizer, ResumesToTheBit) {
  for (const std::string& name : kAll) {
    for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
      OptimizerOptions options = named(name);
      options.weight_decay = 0.01;
      testing::expect_exact_resume(options, type);
      options.momentum = 0.9;
      testing::expect_exact_resume(options, type);
    }
  }
}

TEST(Optimizer, LeavesAParameterWithoutGradientAlone) {
  for (const std::string& name : kAll) {
    OptimizerOptions options = named(name);
    options.weight_decay = 0.5;
    const auto parameters = testing::make_parameters();
    const auto optimizer = make_optimizer(options, parameters);
    testing::set_gradients(parameters, 1);
    at::Tensor left = parameters[2].value;
    const at::Tensor before = left.detach().clone();
    left.mutable_grad() = at::Tensor();
    optimizer->step(0.1);
    EXPECT_TRUE(at::equal(left.detach(), before)) << name;
    for (const auto& [key, tensor] : optimizer->state()) {
      if (!key.ends_with("/" + parameters[2].name)) continue;
      EXPECT_EQ(tensor.abs().sum().item<double>(), 0.0) << key;
    }
  }
}

TEST(Optimizer, StateIsCompleteBeforeTheFirstStepAndNamesItsOwner) {
  const auto parameters = testing::make_parameters(at::kFloat);
  const TensorMap state = make_optimizer(named("adamw"), parameters)->state();
  EXPECT_EQ(state.size(), 3 * parameters.size());
  EXPECT_EQ(state.at("moment1/conv.weight").sizes(), parameters[3].value.sizes());
  EXPECT_EQ(state.at("step/conv.weight").scalar_type(), at::kLong);
  EXPECT_EQ(state.at("step/conv.weight").dim(), 0);
}

TEST(Optimizer, RefusesAStateThatDoesNotFitAndKeepsItsOwn) {
  for (const std::string& name : kAll) {
    OptimizerOptions options = named(name);
    options.momentum = 0.5;
    const auto parameters = testing::make_parameters();
    const auto optimizer = make_optimizer(options, parameters);
    testing::run(*optimizer, parameters, 1, 2);
    const TensorMap before = testing::deep_copy(optimizer->state());
    const std::string some = before.rbegin()->first;  // checked last: nothing may have been copied before it
    TensorMap missing = testing::deep_copy(before), unknown = missing, reshaped = missing, retyped = missing;
    for (auto* map : {&missing, &unknown, &reshaped, &retyped}) {
      for (auto& [key, tensor] : *map) tensor = at::ones_like(tensor);
    }
    missing.erase(some);
    unknown["momant1/layer.weight"] = at::ones({5, 7}, at::kDouble);
    reshaped[some] = at::ones({3, 3, 3}, before.at(some).options());
    retyped[some] = before.at(some).to(at::kHalf);
    for (const TensorMap* bad : {&missing, &unknown, &reshaped, &retyped}) {
      const Error error = error_of([&] { optimizer->load_state(*bad); });
      EXPECT_EQ(error.code(), "optimizer.bad_state");
      EXPECT_EQ(error.error_class(), ErrorClass::kFile);
      EXPECT_NE(error.text().what.find(bad == &unknown ? "momant1" : some), std::string::npos);
      for (const auto& [key, tensor] : optimizer->state())
        EXPECT_TRUE(at::equal(tensor, before.at(key))) << key;
    }
  }
}

TEST(Optimizer, UnknownNameIsAnErrorWithTheNearest) {
  const Error error = error_of([] { make_optimizer(named("adamv"), testing::make_parameters()); });
  EXPECT_EQ(error.code(), "optimizer.unknown");
  EXPECT_EQ(error.error_class(), ErrorClass::kConfig);
  EXPECT_NE(error.text().remedy.find("'adam"), std::string::npos);
}

TEST(Optimizer, BadOptionsAreErrors) {
  const auto code = [](const OptimizerOptions& options) {
    return error_of([&] { make_optimizer(options, testing::make_parameters()); }).code();
  };
  OptimizerOptions options = named("adam");
  options.beta1 = 1.0;
  EXPECT_EQ(code(options), "optimizer.bad_option");
  options = named("sgd");
  options.nesterov = true;
  EXPECT_EQ(code(options), "optimizer.bad_option");
  options = named("adamw");
  options.weight_decay = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(code(options), "optimizer.bad_option");
  options = named("sgd");
  options.learning_rate = -1.0;
  EXPECT_EQ(code(options), "optimizer.bad_option");
  EXPECT_EQ(error_of([] { make_optimizer(named("sgd"), {}); }).code(), "optimizer.no_parameters");
}

TEST(Optimizer, SparseGradientsWorkForPlainSgdAndAreNamedOtherwise) {
  const at::Tensor indices = at::tensor({1, 3}, at::kLong).unsqueeze(0);
  const at::Tensor gradient = at::sparse_coo_tensor(indices, at::ones({2, 3}, at::kDouble), {4, 3});
  for (const std::string name : {"sgd", "adam", "adamw"}) {
    at::Tensor table = at::zeros({4, 3}, at::kDouble).requires_grad_(true);
    const auto optimizer = make_optimizer(named(name), {{"table", table}});
    table.mutable_grad() = gradient;
    if (name == "sgd") {
      optimizer->step(0.5);
      EXPECT_TRUE(at::equal(table.detach(), gradient.to_dense() * -0.5));
      continue;
    }
    const Error error = error_of([&] { optimizer->step(0.5); });
    EXPECT_EQ(error.code(), "optimizer.sparse_gradient");
    EXPECT_NE(error.text().what.find("'table'"), std::string::npos);
    EXPECT_EQ(table.abs().sum().item<double>(), 0.0);
  }
}

}  // namespace
}  // namespace tenfold::train
