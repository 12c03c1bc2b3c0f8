// SPDX-License-Identifier: Apache-2.0
// `tenfold doctor`: is this machine set up to run LibTorch at its speed?
#pragma once

#include "tenfold/systems/system.h"

namespace tenfold::cli {

systems::Verb make_doctor_command();

// The same as a section of `tenfold demo`.
report::Section make_machine_section(systems::Context& context);

}  // namespace tenfold::cli
