// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/forward_gradient/functions/command.h"

#include "tenfold_forward_gradient_functions_embedded.h"

namespace tenfold::forward_gradient {

systems::System make_core_system() {
  systems::System system;
  system.name = "forward-gradient";
  system.title = "Forward gradients";
  system.summary = "train any model without backpropagation, and see what that costs";
  system.paper =
      "Baydin, Pearlmutter, Syme, Wood, Torr: Gradients without Backpropagation, arXiv 2202.08587 (2022)";
  system.verbs = {make_descend_verb()};
  system.torch_verbs = {"train", "eval", "export", "directional", "bench"};
  system.presets = {{"demo", std::string(embedded::preset_demo())},
                    {"small", std::string(embedded::preset_small())},
                    {"paper", std::string(embedded::preset_paper())}};
  system.routes = {make_surface_route()};
  return system;
}

}  // namespace tenfold::forward_gradient
