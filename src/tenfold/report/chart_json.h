// SPDX-License-Identifier: Apache-2.0
// A chart as the data that page/report.js draws, and as tables for readers of the page.
#pragma once

#include <string>

#include "tenfold/report/chart.h"
#include "tenfold/report/table.h"

namespace tenfold::report {

// One JSON object, safe inside <script type="application/json">: `<`, `>` and `&` are written as \u escapes. The fields
// are those of Chart; axes have their range and ticks, series their style. Ill-formed UTF-8 becomes U+FFFD.
std::string chart_json(const Chart& chart);

// One row a point: series, name of the point, x, y and, when any series has them, low and high. Numbers are exact.
Table chart_table(const Chart& chart);

}  // namespace tenfold::report
