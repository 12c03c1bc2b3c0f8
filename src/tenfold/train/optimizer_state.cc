// SPDX-License-Identifier: Apache-2.0
// Weight-decay groups and state by name.
#include "tenfold/train/optimizer_state.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/scalar_tensor.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::train {
namespace {

[[noreturn]] void bad_state(const std::string& name, std::string seen, std::string wanted) {
  throw Error(ErrorClass::kFile,
              "optimizer.bad_state",
              {fmt::format("the optimiser state '{}' does not fit", printable(name)),
               std::move(seen),
               std::move(wanted),
               "continue with the model and optimiser that made this state, or start a new run"});
}

std::string describe(const torch::Tensor& tensor) {
  if (!tensor.defined()) return "undefined";
  std::ostringstream text;
  text << tensor.scalar_type() << ' ' << tensor.sizes();
  return text.str();
}

[[noreturn]] void bad_type(const std::string& optimizer,
                           const NamedParameter& parameter,
                           std::string wanted) {
  throw Error(ErrorClass::kConfig,
              "optimizer.bad_type",
              {fmt::format("optimiser '{}' cannot update '{}'", optimizer, printable(parameter.name)),
               describe(parameter.value),
               std::move(wanted),
               "use sgd, adam or adamw, or another type for this parameter"});
}

std::vector<std::string> names_of(const TensorMap& map) {
  std::vector<std::string> names;
  names.reserve(map.size());
  for (const auto& [name, tensor] : map) names.push_back(name);
  return names;
}

}  // namespace

bool is_decayed(const OptimizerOptions& options, const NamedParameter& parameter) {
  return parameter.value.dim() >= 2 &&
         std::none_of(options.no_decay.begin(), options.no_decay.end(), [&](const std::string& part) {
           return !part.empty() && parameter.name.find(part) != std::string::npos;
         });
}

torch::Tensor counter_tensor(std::int64_t value) {
  return at::scalar_tensor(value, torch::TensorOptions().dtype(torch::kInt64));
}

std::int64_t counter_value(const TensorMap& state, const std::string& key) {
  return state.at(key).item<std::int64_t>();
}

void copy_state(const TensorMap& own, const TensorMap& given) {
  for (const auto& [name, tensor] : given) {
    if (own.contains(name)) continue;
    const auto nearest = nearest_name(name, names_of(own));
    bad_state(name, "a name that this optimiser does not have", nearest ? "such as '" + *nearest + "'" : "");
  }
  for (const auto& [name, tensor] : own) {
    const auto found = given.find(name);
    if (found == given.end()) bad_state(name, "missing", describe(tensor));
    const torch::Tensor& value = found->second;
    const bool fits = value.defined() && value.layout() == at::kStrided && value.sizes() == tensor.sizes() &&
                      value.scalar_type() == tensor.scalar_type();
    if (!fits) bad_state(name, describe(value), describe(tensor));
  }
  const c10::AutoGradMode no_recording(false);
  for (const auto& [name, tensor] : own) tensor.copy_(given.at(name));
}

void StateTable::add(const std::string& key, torch::Tensor tensor) {
  check_internal(tensors_.emplace(key, std::move(tensor)).second, "names of optimiser state are unique");
}

std::int64_t& StateTable::add_counter(const std::string& key) {
  return counters_.emplace_back(key, 0).second;
}

TensorMap StateTable::state() const {
  TensorMap map = tensors_;
  for (const auto& [key, value] : counters_) map[key] = counter_tensor(value);
  return map;
}

void StateTable::load(const TensorMap& given) {
  copy_state(state(), given);
  for (auto& [key, value] : counters_) value = counter_value(given, key);
}

bool has_plain_memory(const torch::Tensor& value) {
  const auto type = value.scalar_type();
  return value.layout() == at::kStrided && (type == at::kFloat || type == at::kDouble) &&
         value.device().is_cpu() && value.is_non_overlapping_and_dense();
}

void check_plain_memory(const std::string& optimizer, const NamedParameter& parameter) {
  if (!has_plain_memory(parameter.value))
    bad_type(optimizer, parameter, "float or double values, each in memory once");
}

void check_contiguous_rows(const std::string& optimizer, const NamedParameter& parameter) {
  check_plain_memory(optimizer, parameter);
  const torch::Tensor& value = parameter.value;
  if (value.dim() == 0 || value.size(0) <= 1 || value.numel() == 0) return;
  if (value.stride(0) * value.size(0) == value.numel()) return;
  bad_type(optimizer, parameter, "rows that are contiguous in memory");
}

void mark_changed(const torch::Tensor& value) {
  value.unsafeGetTensorImpl()->bump_version();
}

torch::Tensor in_memory_order_of(const torch::Tensor& value, const torch::Tensor& dense) {
  if (dense.strides() == value.strides()) return dense;
  return at::empty_like(value.detach()).copy_(dense);
}

torch::Tensor gradient_like_value(const std::string& optimizer, const NamedParameter& parameter) {
  const torch::Tensor& gradient = parameter.value.grad();
  if (!gradient.defined()) return gradient;
  if (gradient.layout() != at::kStrided) throw_sparse_gradient(optimizer, parameter.name);
  return in_memory_order_of(parameter.value, gradient);
}

void throw_sparse_gradient(const std::string& optimizer, const std::string& parameter) {
  throw Error(ErrorClass::kConfig,
              "optimizer.sparse_gradient",
              {fmt::format("optimiser '{}' cannot use the sparse gradient of '{}'", optimizer, parameter),
               "a sparse gradient",
               "a dense one",
               "use lazy_adam or plain sgd, or switch the embedding's sparse option off"});
}

}  // namespace tenfold::train
