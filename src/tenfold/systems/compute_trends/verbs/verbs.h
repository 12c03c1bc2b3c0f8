// SPDX-License-Identifier: Apache-2.0
// The verbs of `tenfold trends`, one file each.
#pragma once

#include "tenfold/systems/system.h"

namespace tenfold::compute_trends {

systems::Verb make_fit_verb();
systems::Verb make_eras_verb();
systems::Verb make_break_search_verb();
systems::Verb make_null_study_verb();
systems::Verb make_compare_verb();
systems::Verb make_plot_verb();
systems::Verb make_estimate_verb();
systems::Verb make_threshold_verb();
systems::Verb make_check_verb();
systems::Verb make_bench_verb();
systems::Verb make_six_nd_verb();
systems::Verb make_export_verb();

}  // namespace tenfold::compute_trends
