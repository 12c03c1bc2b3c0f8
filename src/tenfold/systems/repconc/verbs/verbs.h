// SPDX-License-Identifier: Apache-2.0
// The verbs of `tenfold repconc`.
#pragma once

#include "tenfold/systems/system.h"

namespace tenfold::repconc {

systems::Verb make_train_verb();
systems::Verb make_index_verb();
systems::Verb make_search_verb();
systems::Verb make_eval_verb();
systems::Verb make_export_verb();
systems::Verb make_collection_verb();
systems::Verb make_bench_verb();

}  // namespace tenfold::repconc
