// SPDX-License-Identifier: Apache-2.0
// How the program ends early: SIGINT and SIGTERM become a stop request, the second one ends it at once. Only the program
// installs this.
#pragma once

#include "tenfold/base/stop.h"

namespace tenfold::cli {

// The process-wide token that the signals set.
const StopToken& install_signal_handlers();

// The signal that came first; 0 when none came.
int stop_signal();

// For a verb whose threads cannot be joined: after its result is printed, the program ends without destructors.
void leave_at_once();
bool must_leave_at_once();

}  // namespace tenfold::cli
