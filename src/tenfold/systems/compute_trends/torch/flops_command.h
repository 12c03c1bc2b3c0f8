// SPDX-License-Identifier: Apache-2.0
// `tenfold trends flops`: counted FLOP of real training steps beside the two estimates of the paper.
#pragma once

#include "tenfold/systems/system.h"

namespace tenfold::compute_trends {

systems::Verb make_flops_verb();

}  // namespace tenfold::compute_trends
