// SPDX-License-Identifier: Apache-2.0
// Compute trends as a system of the program.
#pragma once

#include "tenfold/systems/system.h"

namespace tenfold::compute_trends {

systems::System make_system();

// verbs/claims.cc
std::vector<systems::Claim> make_claims();

// verbs/demo.cc: the report's section on the embedded table.
report::Section make_demo_section(systems::Context& context);

}  // namespace tenfold::compute_trends
