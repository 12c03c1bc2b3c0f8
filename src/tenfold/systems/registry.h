// SPDX-License-Identifier: Apache-2.0
// The one list of systems.
#pragma once

#include <vector>

#include "tenfold/systems/system.h"

namespace tenfold::systems {

// Systems and verbs that run without LibTorch.
std::vector<System> core_systems();

// All systems with all verbs; linked only into the part of the program that loads LibTorch.
std::vector<System> all_systems();

// Everything the project is made of, built or not: for `tenfold list` and the documentation.
struct SystemState {
  std::string name;
  std::string title;
  std::string use;    // what a user does with it
  std::string state;  // "works" or "planned"
};
std::vector<SystemState> roadmap();

}  // namespace tenfold::systems
