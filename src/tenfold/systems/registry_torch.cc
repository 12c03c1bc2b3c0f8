// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/torch/flops_command.h"
#include "tenfold/systems/dsi/verbs/command.h"
#include "tenfold/systems/forward_gradient/verbs/command.h"
#include "tenfold/systems/registry.h"
#include "tenfold/systems/repconc/verbs/command.h"

namespace tenfold::systems {

std::vector<System> all_systems() {
  std::vector<System> systems = core_systems();
  for (System& system : systems) {
    if (system.name == "trends") {
      system.verbs.push_back(served_as(Served::kJob, compute_trends::make_flops_verb()));
    }
    if (system.name == "forward-gradient") forward_gradient::add_torch_verbs(system);
  }
  systems.push_back(repconc::make_system());
  systems.push_back(dsi::make_system());
  // New systems go above this line.
  return systems;
}

}  // namespace tenfold::systems
