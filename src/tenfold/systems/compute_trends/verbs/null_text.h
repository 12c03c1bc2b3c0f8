// SPDX-License-Identifier: Apache-2.0
// The null study in words: one place says how weak or strong the separate large-scale era is.
#pragma once

#include <string>
#include <vector>

#include "tenfold/report/table.h"
#include "tenfold/systems/compute_trends/eras.h"
#include "tenfold/systems/compute_trends/null_study.h"
#include "tenfold/systems/compute_trends/verbs/rows.h"
#include "tenfold/systems/system.h"

namespace tenfold::compute_trends {

// The rows the null study is about: from the era border on, without low outliers, in the table's order.
Columns deep_learning_rows(const Columns& all, const ErasOptions& options);

// Both kinds of noise, in the order Gaussian, resampled residuals.
std::vector<NullStudyReport> null_studies(const Columns& rows,
                                          const LargeScaleRule& rule,
                                          std::size_t simulations,
                                          const systems::Context& context);

report::Table null_table(const std::vector<NullStudyReport>& reports, const std::vector<NullNoise>& noises);

// One sentence of judgement by a rule fixed beforehand: p < 0.01 under every noise is strong, p >= 0.05 under any is
// none, anything between is weak. `reports` must not be empty.
std::string null_reading(const std::vector<NullStudyReport>& reports);

}  // namespace tenfold::compute_trends
