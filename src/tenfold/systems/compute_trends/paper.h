// SPDX-License-Identifier: Apache-2.0
// The figures the paper printed (arXiv 2202.05924, main table and abstract), and our fits beside them.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/report/table.h"
#include "tenfold/systems/compute_trends/eras.h"

namespace tenfold::compute_trends {

struct PaperFigure {
  std::string_view era;     // key of named_eras
  std::string_view period;  // as the paper names it
  double months;            // doubling time
  double low, high;         // its 95 % interval
};

// Before 2010, the deep-learning trend, the large-scale systems, and 2010-2022 with all systems.
std::span<const PaperFigure> paper_figures();

// The eras of a report with the key used in JSON and the title used in tables, in the paper's order.
struct NamedEra {
  std::string key;
  std::string title;
  const EraFit* era;
};
std::vector<NamedEra> named_eras(const ErasReport& report);

// "paper | ours | difference", one row per paper figure. An era without a fit shows its reason.
report::Table paper_table(const ErasReport& report);
nlohmann::json paper_json(const ErasReport& report);

}  // namespace tenfold::compute_trends
