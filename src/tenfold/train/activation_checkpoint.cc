// SPDX-License-Identifier: Apache-2.0
// Recomputation in the backward pass.
#include "tenfold/train/activation_checkpoint.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/engine.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "tenfold/base/error.h"

namespace tenfold::train {
namespace {

using Tensors = std::vector<at::Tensor>;

// What the function sees of the process beside its arguments.
struct Surroundings {
  at::Tensor generator;
  bool autocast = false;
  at::ScalarType autocast_type = at::kBFloat16;

  static Surroundings now() {
    Surroundings result;
    at::Generator own = at::detail::getDefaultCPUGenerator();
    const std::lock_guard lock(own.mutex());
    result.generator = own.get_state();
    result.autocast = at::autocast::is_cpu_enabled();
    result.autocast_type = at::autocast::get_autocast_cpu_dtype();
    return result;
  }

  void install() const {
    at::Generator own = at::detail::getDefaultCPUGenerator();
    const std::lock_guard lock(own.mutex());
    own.set_state(generator);
    at::autocast::set_cpu_enabled(autocast);
    at::autocast::set_autocast_cpu_dtype(autocast_type);
  }
};

class SurroundingsScope {
 public:
  explicit SurroundingsScope(const Surroundings& then) : before_(Surroundings::now()) { then.install(); }
  ~SurroundingsScope() { before_.install(); }
  SurroundingsScope(const SurroundingsScope&) = delete;
  SurroundingsScope& operator=(const SurroundingsScope&) = delete;

 private:
  Surroundings before_;
};

// Rides in the node's saved data, which holds nothing but IValues.
struct Recipe : torch::CustomClassHolder {
  TensorFunction function;
  Surroundings surroundings;
  std::vector<bool> requires_grad;  // of the inputs
};

[[noreturn]] void refuse(const char* code, std::string what, std::string wanted, std::string remedy) {
  throw Error(ErrorClass::kInternal, code, {std::move(what), "", std::move(wanted), std::move(remedy)});
}

void check_backward() {
  if (c10::GradMode::is_enabled()) {
    refuse("checkpoint.double_backward",
           "a gradient of a gradient passes through an activation checkpoint",
           "a backward pass without create_graph",
           "call the function directly in this part of the model");
  }
  if (!torch::autograd::Engine::get_default_engine().is_checkpoint_valid()) {
    refuse("checkpoint.partial_backward",
           "gradients of chosen tensors pass through an activation checkpoint",
           "backward() of all parameters",
           "call backward(), or call the function directly in this part of the model");
  }
}

struct CheckpointFunction : torch::autograd::Function<CheckpointFunction> {
  using Context = torch::autograd::AutogradContext;

  // `tensors`: the inputs, then one that requires a gradient, so that the node also exists when only parameters do.
  static Tensors forward(Context* context, const c10::intrusive_ptr<Recipe>& recipe, at::TensorList tensors) {
    const Tensors inputs(tensors.begin(), tensors.end() - 1);
    for (const at::Tensor& input : inputs) {
      recipe->requires_grad.push_back(input.defined() && input.requires_grad());
    }
    const auto versions = versions_of(inputs);
    Tensors outputs = recipe->function(inputs);
    if (versions_of(inputs) != versions) {
      refuse("checkpoint.modified_input",
             "a function inside an activation checkpoint changes its input in place",
             "inputs that are the same when the function is called again",
             "use the form of the operator without the trailing underscore");
    }
    Tensors whole_numbers;
    for (const at::Tensor& output : outputs) {
      if (!output.is_floating_point() && !output.is_complex()) whole_numbers.push_back(output);
    }
    context->mark_non_differentiable(whole_numbers);
    context->set_materialize_grads(false);
    context->save_for_backward(inputs);
    context->saved_data["recipe"] = c10::IValue::make_capsule(recipe);
    return outputs;
  }

  static Tensors backward(Context* context, const Tensors& gradients) {
    check_backward();
    const auto recipe = c10::static_intrusive_pointer_cast<Recipe>(context->saved_data["recipe"].toCapsule());
    Tensors inputs = context->get_saved_variables();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].defined()) inputs[i] = inputs[i].detach().requires_grad_(recipe->requires_grad[i]);
    }
    Tensors outputs;
    {
      const SurroundingsScope as_before(recipe->surroundings);
      const c10::AutoGradMode recording(true);
      outputs = recipe->function(inputs);
    }
    run_backward(outputs, gradients);
    Tensors results{at::Tensor()};  // the recipe has none
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      results.push_back(recipe->requires_grad[i] ? inputs[i].grad() : at::Tensor());
    }
    results.emplace_back();
    return results;
  }

 private:
  static std::vector<std::uint32_t> versions_of(const Tensors& tensors) {
    std::vector<std::uint32_t> versions;
    for (const at::Tensor& tensor : tensors) {
      versions.push_back(tensor.defined() ? static_cast<std::uint32_t>(tensor._version()) : 0);
    }
    return versions;
  }

  static void run_backward(const Tensors& outputs, const Tensors& gradients) {
    bool same = outputs.size() == gradients.size();
    Tensors used, used_gradients;
    for (std::size_t i = 0; same && i < outputs.size(); ++i) {
      if (!gradients[i].defined() || !outputs[i].requires_grad()) continue;
      same = outputs[i].sizes() == gradients[i].sizes();
      used.push_back(outputs[i]);
      used_gradients.push_back(gradients[i]);
    }
    if (!same) {
      refuse("checkpoint.changed",
             "a function inside an activation checkpoint gave other shapes when it was called again",
             "the same result for the same inputs and random numbers",
             "let it depend on nothing but its inputs and parameters");
    }
    if (!used.empty()) torch::autograd::backward(used, used_gradients);
  }
};

bool has_tangent(const Tensors& inputs) {
  for (const at::Tensor& input : inputs) {
    if (input.defined() && input._fw_grad(/*level=*/0).defined()) return true;
  }
  return false;
}

}  // namespace

std::vector<torch::Tensor> checkpoint(const TensorFunction& function,
                                      const std::vector<torch::Tensor>& inputs) {
  if (!c10::GradMode::is_enabled() || has_tangent(inputs)) return function(inputs);
  auto recipe = c10::make_intrusive<Recipe>();
  recipe->function = function;
  recipe->surroundings = Surroundings::now();
  Tensors tensors = inputs;
  tensors.push_back(at::empty({0}).requires_grad_(true));
  return CheckpointFunction::apply(recipe, at::TensorList(tensors));
}

torch::Tensor checkpoint(const std::function<torch::Tensor(const torch::Tensor&)>& function,
                         const torch::Tensor& input) {
  const auto listed = [function](const std::vector<torch::Tensor>& inputs) {
    return std::vector<torch::Tensor>{function(inputs[0])};
  };
  return checkpoint(TensorFunction(listed), {input})[0];
}

}  // namespace tenfold::train
