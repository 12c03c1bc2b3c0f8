// SPDX-License-Identifier: Apache-2.0
// The verbs of `tenfold dsi`.
#pragma once

#include "tenfold/systems/system.h"

namespace tenfold::dsi {

systems::Verb make_train_verb();
systems::Verb make_search_verb();
systems::Verb make_add_verb();
systems::Verb make_delete_verb();
systems::Verb make_eval_verb();

}  // namespace tenfold::dsi
