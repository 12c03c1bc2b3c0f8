// SPDX-License-Identifier: Apache-2.0
// SIGINT and SIGTERM become a stop request; the second one ends the program at once. Only the program installs this.
#pragma once

#include "tenfold/base/stop.h"

namespace tenfold::cli {

// The process-wide token that the signals set.
const StopToken& install_signal_handlers();

// The signal that came first; 0 when none came.
int stop_signal();

}  // namespace tenfold::cli
