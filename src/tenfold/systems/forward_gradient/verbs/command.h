// SPDX-License-Identifier: Apache-2.0
// The whole system, with the verbs that need LibTorch.
#pragma once

#include "tenfold/systems/system.h"

namespace tenfold::forward_gradient {

// Adds verbs, claims and the section of the demo to what functions/command.h made.
void add_torch_verbs(systems::System& system);

}  // namespace tenfold::forward_gradient
