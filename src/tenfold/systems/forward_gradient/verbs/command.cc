// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/verbs/command.h"

#include "tenfold/systems/forward_gradient/verbs/verbs.h"

namespace tenfold::forward_gradient {

void add_torch_verbs(systems::System& system) {
  for (systems::Verb& verb : training::make_verbs(trainable_system())) {
    system.verbs.push_back(std::move(verb));
  }
  system.verbs.push_back(served_as(systems::Served::kJob, make_directional_verb()));
  system.verbs.push_back(served_as(systems::Served::kJob, make_bench_verb()));
  system.claims = make_claims();
  system.demo = make_demo_section;
}

}  // namespace tenfold::forward_gradient
