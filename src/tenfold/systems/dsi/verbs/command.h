// SPDX-License-Identifier: Apache-2.0
// `tenfold dsi`.
#pragma once

#include "tenfold/systems/system.h"

namespace tenfold::dsi {

systems::System make_system();

}  // namespace tenfold::dsi
