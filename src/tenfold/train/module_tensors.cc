// SPDX-License-Identifier: Apache-2.0
// Parameters and buffers of a module by name, out and in (declared in checkpoint.h).
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <torch/nn/module.h>

#include <set>
#include <string>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/train/checkpoint.h"

namespace tenfold::train {
namespace {

[[noreturn]] void refuse(const char* code, ErrorText text) {
  throw Error(ErrorClass::kFile, code, std::move(text));
}

std::string describe(const torch::Tensor& tensor) {
  return fmt::format("{} [{}]", c10::toString(tensor.scalar_type()), fmt::join(tensor.sizes(), ", "));
}

std::string known_names(const TensorMap& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  constexpr std::size_t kShown = 8;
  if (names.size() > kShown) {
    names.resize(kShown);
    names.emplace_back("...");
  }
  return names.empty() ? "no tensors" : join(names, ", ");
}

void check_names(const TensorMap& own, const TensorMap& weights) {
  for (const auto& [name, tensor] : own) {
    if (weights.contains(name)) continue;
    refuse("weights.missing",
           {.what = fmt::format("the weights have no tensor {}", printable(name)),
            .seen = known_names(weights),
            .wanted = describe(tensor),
            .remedy = "use the weights of this model and configuration"});
  }
  for (const auto& [name, tensor] : weights) {
    if (own.contains(name)) continue;
    std::vector<std::string> names;
    for (const auto& [known, value] : own) names.push_back(known);
    const std::optional<std::string> near = nearest_name(name, names);
    refuse("weights.unknown",
           {.what = fmt::format("the model has no tensor {}", printable(name)),
            .seen = describe(tensor),
            .wanted = near ? *near : known_names(own),
            .remedy = "use the weights of this model and configuration"});
  }
}

void check_kinds(const TensorMap& own, const TensorMap& weights) {
  for (const auto& [name, tensor] : own) {
    const torch::Tensor& given = weights.at(name);
    const bool same_shape = given.sizes() == tensor.sizes();
    if (same_shape && given.scalar_type() == tensor.scalar_type()) continue;
    refuse(same_shape ? "weights.dtype" : "weights.shape",
           {.what = fmt::format("tensor {} does not fit the model", printable(name)),
            .seen = describe(given),
            .wanted = describe(tensor),
            .remedy = "use the weights of this model and configuration"});
  }
}

}  // namespace

TensorMap module_tensors(const torch::nn::Module& module) {
  TensorMap tensors;
  std::set<const void*> seen;
  const auto add = [&](const std::string& name, const torch::Tensor& tensor) {
    if (tensor.defined() && seen.insert(tensor.unsafeGetTensorImpl()).second)
      tensors.emplace(name, tensor.detach());
  };
  for (const auto& item : module.named_parameters()) add(item.key(), item.value());
  for (const auto& item : module.named_buffers()) add(item.key(), item.value());
  return tensors;
}

void copy_into(torch::nn::Module& module, const TensorMap& weights) {
  const TensorMap own = module_tensors(module);
  check_names(own, weights);
  check_kinds(own, weights);
  const c10::NoGradGuard no_grad;
  for (const auto& [name, tensor] : own) {
    torch::Tensor target = tensor;
    target.copy_(weights.at(name));
  }
}

}  // namespace tenfold::train
