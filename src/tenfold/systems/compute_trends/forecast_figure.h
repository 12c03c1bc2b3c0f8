// SPDX-License-Identifier: Apache-2.0
// The fan chart of a forecast: the systems, the trend and the frontier read forward, and the levels they cross.
#pragma once

#include <span>
#include <vector>

#include "tenfold/report/chart.h"
#include "tenfold/systems/compute_trends/forecast.h"
#include "tenfold/systems/compute_trends/table.h"

namespace tenfold::compute_trends {

struct ForecastChart {
  std::span<const SystemRow> rows;  // the table the lines were fitted to, at least one row
  Forecast typical;
  Forecast frontier;
  double last_year = 2030.0;   // right end of the forecast
  std::vector<double> levels;  // drawn as horizontal lines; > 0
  double confidence = 0.9;
  std::string quantity;  // "training compute"
  std::string unit;      // "FLOP"; empty for counts
};

report::Chart forecast_chart(const ForecastChart& what);

}  // namespace tenfold::compute_trends
