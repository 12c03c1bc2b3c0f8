// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/registry.h"

#include "tenfold/systems/compute_trends/command.h"
#include "tenfold/systems/forward_gradient/functions/command.h"

namespace tenfold::systems {

std::vector<System> core_systems() {
  return {compute_trends::make_system(), forward_gradient::make_core_system()};
}

}  // namespace tenfold::systems
