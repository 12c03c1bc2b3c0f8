// SPDX-License-Identifier: Apache-2.0
// The torch-free part of the system: its name and the verb that descends test functions.
#pragma once

#include "tenfold/systems/system.h"

namespace tenfold::forward_gradient {

// Name, paper and torch-free verbs. torch/command.h adds the verbs that train networks.
systems::System make_core_system();

systems::Verb make_descend_verb();

// POST /api/forward-gradient/surface: a function of two variables on a grid, for the picture behind the paths of descend.
systems::ApiRoute make_surface_route();

}  // namespace tenfold::forward_gradient
