// SPDX-License-Identifier: Apache-2.0
// The paper's figure: training compute over time, by domain, with era lines and bands, ringed large-scale systems and
// the user's own runs as stars.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tenfold/report/chart.h"
#include "tenfold/systems/compute_trends/eras.h"
#include "tenfold/systems/compute_trends/null_study.h"
#include "tenfold/systems/compute_trends/runs.h"
#include "tenfold/systems/compute_trends/table.h"

namespace tenfold::compute_trends {

// `rows` are the table the report was made from, in the same order.
report::Chart era_chart(std::span<const SystemRow> rows,
                        const ErasReport& eras,
                        std::span<const OwnRun> runs);

// The same chart from `first_year` on, with an id and title of its own: most systems are younger than the axis is long.
report::Chart zoom(report::Chart chart, double first_year);

// Histogram of a simulated quantity with the observed value as a line.
report::Chart null_chart(const NullStudyReport& study);

}  // namespace tenfold::compute_trends
