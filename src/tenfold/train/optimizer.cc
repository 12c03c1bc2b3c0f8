// SPDX-License-Identifier: Apache-2.0
// The list of optimisers and the checks of their options.
#include "tenfold/train/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/train/adafactor.h"
#include "tenfold/train/fused_optimizer.h"
#include "tenfold/train/lamb.h"
#include "tenfold/train/lazy_adam.h"
#include "tenfold/train/libtorch_optimizer.h"

namespace tenfold::train {
namespace {

const std::array<std::string, 6> kNames = {"sgd", "adam", "adamw", "adafactor", "lamb", "lazy_adam"};

[[noreturn]] void bad_option(const char* name, double seen, std::string wanted) {
  throw Error(ErrorClass::kConfig,
              "optimizer.bad_option",
              {fmt::format("optimizer.{} is out of range", name),
               fmt::format("{}", seen),
               std::move(wanted),
               "change it in the configuration"});
}

void check_name(const std::string& name) {
  if (std::find(kNames.begin(), kNames.end(), name) != kNames.end()) return;
  const auto nearest = nearest_name(name, kNames);
  throw Error(ErrorClass::kConfig,
              "optimizer.unknown",
              {"no such optimiser",
               printable(name),
               join(kNames, ", "),
               nearest ? fmt::format("did you mean '{}'?", *nearest) : "choose one of them"});
}

// Comparisons are written so that NaN fails them.
void check_options(const OptimizerOptions& options) {
  const auto at_least_zero = [](const char* name, double value) {
    if (!(value >= 0.0) || std::isinf(value)) bad_option(name, value, "at least 0");
  };
  const auto decay_rate = [](const char* name, double value) {
    if (!(value >= 0.0 && value < 1.0)) bad_option(name, value, "at least 0 and below 1");
  };
  at_least_zero("learning_rate", options.learning_rate);
  at_least_zero("momentum", options.momentum);
  at_least_zero("epsilon", options.epsilon);
  at_least_zero("weight_decay", options.weight_decay);
  decay_rate("beta1", options.beta1);
  decay_rate("beta2", options.beta2);
  at_least_zero("adafactor.epsilon1", options.adafactor.epsilon1);
  at_least_zero("adafactor.epsilon2", options.adafactor.epsilon2);
  for (const auto& [name, value] :
       {std::pair("adafactor.clip_threshold", options.adafactor.clip_threshold),
        std::pair("adafactor.decay_exponent", options.adafactor.decay_exponent)}) {
    if (!(value > 0.0) || std::isinf(value)) bad_option(name, value, "above 0");
  }
  if (options.name == "sgd" && options.nesterov && options.momentum == 0.0) {
    bad_option("momentum", options.momentum, "above 0 with nesterov");
  }
}

void check_parameters(const std::vector<NamedParameter>& parameters) {
  if (parameters.empty()) {
    throw Error(ErrorClass::kConfig,
                "optimizer.no_parameters",
                {"there is nothing to optimise",
                 "no parameter",
                 "a module with parameters that require a gradient",
                 "register parameters, or do not freeze all of them"});
  }
  std::set<std::string> names;
  for (const NamedParameter& parameter : parameters) {
    check_internal(parameter.value.defined() && parameter.value.is_leaf(), "parameters are defined leaves");
    check_internal(names.insert(parameter.name).second, "names of parameters are unique");
  }
}

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          std::vector<NamedParameter> parameters) {
  check_name(options.name);
  check_options(options);
  check_parameters(parameters);
  if (options.name == "adafactor") return make_adafactor(options, std::move(parameters));
  if (options.name == "lamb") return make_lamb(options, std::move(parameters));
  if (options.name == "lazy_adam") return make_lazy_adam(options, std::move(parameters));
  if (auto fused = make_fused_optimizer(options, parameters)) return fused;
  return make_libtorch_optimizer(options, std::move(parameters));
}

}  // namespace tenfold::train
