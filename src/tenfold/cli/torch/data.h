// SPDX-License-Identifier: Apache-2.0
// `tenfold data PATH`: what training would see of a data set.
#pragma once

#include "tenfold/systems/system.h"

namespace tenfold::cli {

systems::Verb make_data_command();

}  // namespace tenfold::cli
