// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/verbs/command.h"

#include "tenfold/systems/forward_gradient/verbs/verbs.h"

namespace tenfold::forward_gradient {

void add_torch_verbs(systems::System& system) {
  for (systems::Verb& verb : training::make_verbs(trainable_system())) {
    system.verbs.push_back(std::move(verb));
  }
  system.verbs.push_back(make_directional_verb());
  system.claims = make_claims();
}

}  // namespace tenfold::forward_gradient
