// SPDX-License-Identifier: Apache-2.0
#include "tenfold/nn/checkpoint_config.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "tenfold/base/strings.h"
#include "tenfold/io/json.h"

namespace tenfold::nn {

Error bad_checkpoint(
    std::string_view model, std::string_view code, std::string what, std::string seen, std::string wanted) {
  return Error(ErrorClass::kFile,
               to_lower(model) + "." + std::string(code),
               {.what = std::move(what),
                .seen = std::move(seen),
                .wanted = std::move(wanted),
                .remedy = "use config.json and model.safetensors of one " + std::string(model) + " model"});
}

struct CheckpointConfig::State {
  nlohmann::json object;
};

CheckpointConfig::CheckpointConfig(std::string_view model, std::string_view json, std::string_view place)
    : model_(model), place_(place), state_(std::make_unique<State>()) {
  state_->object = io::parse_json(json, place, {.error_class = ErrorClass::kFile});
  if (!state_->object.is_object()) throw bad("config", "another kind of JSON", "an object");
}

CheckpointConfig::~CheckpointConfig() = default;

std::int64_t CheckpointConfig::integer(const char* name, std::optional<std::int64_t> otherwise) const {
  const auto found = state_->object.find(name);
  if (found == state_->object.end()) {
    if (otherwise) return *otherwise;
    throw bad(name, "nothing", "a whole number from 1 on");
  }
  if (!found->is_number_unsigned() || found->get<std::uint64_t>() == 0 ||
      found->get<std::uint64_t>() > 1'000'000'000)
    throw bad(name, found->dump(), "a whole number from 1 on");
  return found->get<std::int64_t>();
}

double CheckpointConfig::number(const char* name, double otherwise) const {
  const auto found = state_->object.find(name);
  if (found == state_->object.end()) return otherwise;
  if (!found->is_number() || !(found->get<double>() >= 0) || found->get<double>() > 1)
    throw bad(name, found->dump(), "a number from 0 to 1");
  return found->get<double>();
}

std::string CheckpointConfig::text(const char* name, const std::string& otherwise) const {
  const auto found = state_->object.find(name);
  if (found == state_->object.end() || found->is_null()) return otherwise;
  if (!found->is_string()) throw bad(name, found->dump(), "a text");
  return found->get<std::string>();
}

bool CheckpointConfig::flag(const char* name, bool otherwise) const {
  const auto found = state_->object.find(name);
  if (found == state_->object.end()) return otherwise;
  if (!found->is_boolean()) throw bad(name, found->dump(), "true or false");
  return found->get<bool>();
}

void CheckpointConfig::require(bool condition, const char* name, const std::string& wanted) const {
  if (condition) return;
  const auto found = state_->object.find(name);
  throw bad_checkpoint(model_,
                       "unsupported",
                       place_ + ": " + name + " is not supported",
                       found == state_->object.end() ? "nothing" : printable(found->dump()),
                       wanted);
}

Error CheckpointConfig::bad(const std::string& name,
                            const std::string& seen,
                            const std::string& wanted) const {
  return bad_checkpoint(
      model_, "config", place_ + ": " + name + " is not what it must be", printable(seen), wanted);
}

}  // namespace tenfold::nn
