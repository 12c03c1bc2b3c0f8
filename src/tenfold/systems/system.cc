// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/system.h"

#include <nlohmann/json.hpp>

namespace tenfold::systems {

Outcome make_outcome(nlohmann::json json, std::string text, int exit_code) {
  return {std::make_shared<const nlohmann::json>(std::move(json)), std::move(text), exit_code};
}

}  // namespace tenfold::systems
