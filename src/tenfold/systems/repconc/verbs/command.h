// SPDX-License-Identifier: Apache-2.0
// RepCONC as the program sees it.
#pragma once

#include "tenfold/systems/system.h"

namespace tenfold::repconc {

systems::System make_system();

}  // namespace tenfold::repconc
