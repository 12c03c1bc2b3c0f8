// SPDX-License-Identifier: Apache-2.0
// What `tenfold reproduce dsi` measures.
#pragma once

#include <vector>

#include "tenfold/systems/claim.h"

namespace tenfold::dsi {

std::vector<systems::Claim> make_claims();

}  // namespace tenfold::dsi
