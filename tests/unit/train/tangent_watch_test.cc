// SPDX-License-Identifier: Apache-2.0
// Every way to lose or spoil a tangent is found and named; what is no loss is not reported.
#include "tenfold/train/tangent_watch.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "tenfold/train/forward_gradient.h"
#include "tests/unit/train/estimator_cases.h"

namespace tenfold::train {
namespace {

using at::Tensor;
using testing::HasSubstr;

struct Square : torch::autograd::Function<Square> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x) {
    context->save_for_backward({x});
    return x * x;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    return {2 * context->get_saved_variables()[0] * gradients[0]};
  }
};

// One parameter [3, 3], positive and well conditioned.
struct Problem {
  std::vector<NamedParameter> parameters{
      {"w", (at::rand({3, 3}, at::kDouble) + 3 * at::eye(3, at::kDouble)).requires_grad_()}};
  LossFunction loss_of(std::function<Tensor(const Tensor&)> body) const {
    return [w = parameters[0].value, body = std::move(body)] {
      StepOutput output;
      output.loss = body(w).sum();
      return output;
    };
  }
};

// The error of one estimate of a fresh estimator, or of the second one when the first goes well.
Error error_of(const Problem& problem,
               const LossFunction& loss,
               GradientOptions options = {.name = "forward"}) {
  try {
    const auto estimator = make_forward_gradient(options);
    estimator->accumulate(loss, problem.parameters, {}, 1.0);
    estimator->accumulate(loss, problem.parameters, {.step = 1}, 1.0);
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorClass::kInternal, "no error", {});
}

struct Trap {
  std::string code;
  std::string named;   // in the message
  std::string remedy;  // in the remedy
  std::function<Tensor(const Tensor&)> body;
};

std::vector<Trap> traps() {
  const std::string cut = "forward_ad.tangent_cut", unsupported = "forward_ad.unsupported_operator",
                    wrong = "forward_ad.wrong_operator";
  return {
      {cut, "aten::detach", "allow_detach", [](const Tensor& w) { return w.tanh().detach() * 2; }},
      {cut, "aten::detach", "allow_detach", [](const Tensor& w) { return w.tanh() * w.exp().detach(); }},
      {cut, "aten::detach_", "allow_detach", [](const Tensor& w) { return w.tanh().detach_() + w; }},
      {cut, "aten::mul", "data()", [](const Tensor& w) { return w.tanh().data() * 2; }},
      {cut, "aten::add", "data()", [](const Tensor& w) { return w + w.data(); }},
      {cut, "aten::select", "data()", [](const Tensor& w) { return w.exp().data().select(0, 1) + w; }},
      {cut,
       "aten::tanh",
       "NoGradGuard",
       [](const Tensor& w) {
         const c10::InferenceMode guard;
         return w.tanh();
       }},
      {cut,
       "aten::sin",
       "leave it on",
       [](const Tensor& w) {
         const c10::AutoFwGradMode guard(false);
         return w.sin();
       }},
      {cut, "aten::argmax", "differentiable", [](const Tensor& w) { return w.argmax(1).to(at::kDouble); }},
      {cut,
       "aten::item",
       "keep the value a tensor",
       [](const Tensor& w) { return at::full({2}, w.sum().item<double>()); }},
      {cut,
       "no tangent",
       "data_ptr",
       [](const Tensor& w) {
         return at::from_blob(w.data_ptr(), {3, 3}, at::kDouble) * 1;
       }},
      {unsupported,
       "aten::_cdist_forward (inside aten::cdist)",
       "mezo",
       [](const Tensor& w) { return at::cdist(w, w); }},
      {unsupported,
       "aten::index_reduce",
       "mezo",
       [](const Tensor& w) { return w.index_reduce(0, at::zeros({3}, at::kLong), w, "prod"); }},
      {unsupported,
       "aten::mul",
       "mezo",
       [](const Tensor& w) {
         Tensor out = at::empty({3, 3}, at::kDouble);
         at::mul_out(out, w, w);
         return out;
       }},
      {unsupported, "torch::autograd::Function", "mezo", [](const Tensor& w) { return Square::apply(w); }},
      {wrong,
       "aten::scatter_reduce",
       "mezo",
       [](const Tensor& w) {
         return w + w.scatter_reduce(0, at::zeros({3, 3}, at::kLong), w, "prod");
       }},
      {wrong,
       "aten::cholesky_inverse",
       "at::inverse",
       [](const Tensor& w) { return at::cholesky_inverse(w.tril()); }},
      {wrong, "aten::norm", "linalg_vector_norm", [](const Tensor& w) { return w.norm(); }},
  };
}

TEST(TangentWatch, NamesTheOperatorAndTheRemedyOfEveryTrap) {
  const Problem problem;
  for (const Trap& trap : traps()) {
    const Error error = error_of(problem, problem.loss_of(trap.body));
    SCOPED_TRACE(error.what());
    EXPECT_EQ(error.error_class(), ErrorClass::kData);
    EXPECT_EQ(error.code(), trap.code) << trap.named;
    EXPECT_THAT(error.text().what, HasSubstr(trap.named));
    EXPECT_THAT(error.text().remedy, HasSubstr(trap.remedy));
  }
}

// A model whose trap opens later: the operator is still named, and parameters are free of tangents.
TEST(TangentWatch, NamesTheOperatorInLaterStepsToo) {
  for (const Trap& trap : traps()) {
    if (trap.named == "aten::add" || trap.named == "aten::select")
      continue;  // the loss keeps a tangent: first step only
    const Problem problem;
    bool open = false;
    const auto estimator = make_forward_gradient({.name = "forward"});
    const LossFunction loss =
        problem.loss_of([&](const Tensor& w) { return open ? trap.body(w) : w.tanh(); });
    estimator->accumulate(loss, problem.parameters, {}, 1.0);
    open = true;
    try {
      estimator->accumulate(loss, problem.parameters, {.step = 1}, 1.0);
      // Lost beside a path that is left, or wrong but defined: seen in the first step, or by check_every.
      const bool partial = trap.code == "forward_ad.wrong_operator" || trap.named.starts_with("aten::detach");
      EXPECT_TRUE(partial) << trap.named;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), trap.code);
      EXPECT_THAT(error.text().what, HasSubstr(trap.named));
    }
    const DualScope scope;
    EXPECT_FALSE(scope.tangent(problem.parameters[0].value).defined());
  }
}

TEST(TangentWatch, DetachInMetricsIsNoFinding) {
  const Problem problem;
  const LossFunction loss = [&] {
    StepOutput output;
    const Tensor h = problem.parameters[0].value.tanh();
    output.metrics = {{"mean", h.detach().mean()}, {"data", h.data().mean()}, {"hits", (h > 0.5).sum()}};
    {
      const c10::InferenceMode guard;
      output.metrics.emplace_back("entropy", h.log().sum());
    }
    output.loss = h.sum();
    return output;
  };
  EXPECT_EQ(error_of(problem, loss).code(), "no error");
}

TEST(TangentWatch, MasksIndicesAndConstantsAreNoFindings) {
  const Problem problem;
  const LossFunction loss = problem.loss_of([](const Tensor& w) {
    const Tensor mask = (w > 0.5).to(at::kDouble);
    const Tensor order = w.argsort(1, false);
    const Tensor noise = at::rand_like(w) + at::zeros_like(w) + at::ones_like(w);
    return (w * mask * noise).gather(1, order) + std::get<0>(w.max(1)) + w.round() +
           at::where(w > 0, w, at::zeros_like(w));
  });
  EXPECT_EQ(error_of(problem, loss).code(), "no error");
}

TEST(TangentWatch, ModulesOfEveryKindAreClean) {
  for (const Case& item : all_cases()) {
    for (int step = 0; step < 2; ++step) {
      EXPECT_EQ(error_code([&] {
                  make_forward_gradient({.name = "forward"})->accumulate(item.loss, item.parameters, {}, 1.0);
                }),
                "no error")
          << item.name;
    }
  }
}

TEST(TangentWatch, AllowedDetachStopsLikeBackpropagation) {
  const Problem problem;
  for (const auto& body : std::vector<std::function<Tensor(const Tensor&)>>{
           [](const Tensor& w) { return w.tanh() * w.exp().detach(); },
           [](const Tensor& w) { return w.tanh() * w.exp().data(); }}) {
    const Case item{"stop", nullptr, problem.loss_of(body), problem.parameters};
    const auto gradients = backprop_gradients(item);
    const auto estimator = make_forward_gradient({.name = "forward", .allow_detach = true});
    estimator->accumulate(item.loss, item.parameters, {}, 1.0);
    const auto direction = random_direction(DirectionLaw::kRademacher, {}, all_perturbed(item.parameters));
    EXPECT_NEAR(estimator->figures().at("directional_derivative"), dot(gradients, drawn(*direction)), 1e-10);
  }
}

TEST(TangentWatch, AllowedDetachOfEverythingIsStillAnError) {
  const Problem problem;
  const Error error = error_of(problem,
                               problem.loss_of([](const Tensor& w) { return w.exp().detach(); }),
                               {.name = "forward", .allow_detach = true});
  EXPECT_EQ(error.code(), "forward_ad.tangent_cut");
  EXPECT_THAT(error.text().what, HasSubstr("aten::detach"));
}

TEST(TangentWatch, WritesThroughAViewAreFollowed) {
  const Problem problem;
  const Error error = error_of(problem, problem.loss_of([](const Tensor& w) {
    Tensor buffer = at::zeros({2, 3, 3}, at::kDouble);
    buffer.select(0, 0).copy_(w.exp().detach());
    return buffer.sum() + w.sum();
  }));
  EXPECT_EQ(error.code(), "forward_ad.tangent_cut");
}

TEST(TangentWatch, ParametersWithoutInfluenceAreFine) {
  Problem problem;
  problem.parameters.push_back({"unused", at::ones({4}, at::kDouble).requires_grad_()});
  const auto loss = problem.loss_of([](const Tensor& w) { return w.tanh(); });
  EXPECT_EQ(error_of(problem, loss).code(), "no error");
  problem.parameters[1].value.mutable_grad() = Tensor();
  // Also when the block of one step is such a parameter: its estimate is zero.
  const auto estimator = make_forward_gradient({.name = "forward", .block = "tensor"});
  bool inert = false;
  for (std::uint64_t step = 0; step < 20; ++step) {
    estimator->accumulate(loss, problem.parameters, {.step = step}, 1.0);
    inert = inert || estimator->figures().at("directional_derivative") == 0.0;
  }
  EXPECT_TRUE(inert);
  EXPECT_EQ(problem.parameters[1].value.grad().abs().sum().item<double>(), 0.0);
}

TEST(TangentWatch, ErrorsOfTheModelItselfPassUnchanged) {
  const Problem problem;
  const LossFunction loss = problem.loss_of([](const Tensor& w) {
    return at::matmul(w, at::ones({4, 2}, at::kDouble));
  });
  EXPECT_THROW(make_forward_gradient({.name = "forward"})->accumulate(loss, problem.parameters, {}, 1.0),
               c10::Error);
}

TEST(ForwardCoverage, ListsOperatorsAndTheFirstProblem) {
  const Problem problem;
  const CoverageReport good = forward_coverage(
      problem.loss_of([](const Tensor& w) { return w.tanh() * (w > 0); }), problem.parameters);
  EXPECT_TRUE(good.loss_has_tangent);
  EXPECT_FALSE(good.problem);
  const auto row = [](const CoverageReport& report, const std::string& name) {
    const auto found = std::find_if(report.operators.begin(),
                                    report.operators.end(),
                                    [&](const OperatorCoverage& o) { return o.name == name; });
    return found == report.operators.end() ? OperatorCoverage{} : *found;
  };
  EXPECT_EQ(row(good, "aten::tanh").with_tangent, 1u);
  EXPECT_EQ(row(good, "aten::tanh").cut, 0u);
  EXPECT_EQ(row(good, "aten::gt").cut, 1u);
  const CoverageReport bad = forward_coverage(
      problem.loss_of([](const Tensor& w) { return at::cdist(w.tanh(), w); }), problem.parameters);
  ASSERT_TRUE(bad.problem);
  EXPECT_EQ(bad.problem->operator_name, "aten::_cdist_forward (inside aten::cdist)");
  EXPECT_FALSE(bad.loss_has_tangent);
  EXPECT_EQ(row(bad, "aten::tanh").calls, 1u);
}

}  // namespace
}  // namespace tenfold::train
