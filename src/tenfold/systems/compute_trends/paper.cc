// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/paper.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

namespace tenfold::compute_trends {
namespace {

// The "2010-2022" figure is the row of the main table behind the abstract's "about 6 months"; its interval is printed
// there for a shorter period too, see docs/trends.md.
constexpr std::array<PaperFigure, 3> kFigures = {
    {{"before", "1952 to 2010", 21.3, 17.0, 29.3},
     {"all", "2010 to 2022", 5.7, 4.3, 9.0},
     {"large", "large-scale, from September 2015", 9.9, 7.7, 17.1}}};

const EraFit* find_era(const ErasReport& report, std::string_view key) {
  for (const NamedEra& era : named_eras(report)) {
    if (era.key == key) return era.era;
  }
  return nullptr;
}

}  // namespace

std::span<const PaperFigure> paper_figures() {
  return kFigures;
}

std::vector<NamedEra> named_eras(const ErasReport& report) {
  return {{"before", "before 2010", &report.before},
          {"all", "2010 on, all", &report.all},
          {"without_low", "2010 on, without low outliers", &report.without_low},
          {"early", "2010 to August 2015", &report.early},
          {"regular", "2010 on, regular scale", &report.regular},
          {"late_regular", "2012 on, regular scale", &report.late_regular},
          {"large", "large-scale", &report.large}};
}

report::Table paper_table(const ErasReport& report) {
  report::Table table{"Doubling time of training compute [months]",
                      {"period", "paper", "paper's interval", "ours", "our interval", "difference", "inside"},
                      {},
                      {}};
  for (const PaperFigure& figure : paper_figures()) {
    const EraFit* era = find_era(report, figure.era);
    std::vector<std::string> row = {std::string(figure.period),
                                    fmt::format("{:.1f}", figure.months),
                                    fmt::format("[{:.1f}; {:.1f}]", figure.low, figure.high)};
    if (era != nullptr && era->fit && era->fit->doubling_months) {
      const double months = *era->fit->doubling_months;
      row.push_back(fmt::format("{:.1f}", months));
      row.push_back(era->bootstrap ? interval_text(era->bootstrap->doubling) : "-");
      row.push_back(fmt::format("{:+.1f} %", 100.0 * (months / figure.months - 1.0)));
      row.push_back(months >= figure.low && months <= figure.high ? "yes" : "no");
    } else {
      row.insert(row.end(), {"-", "-", "-", era != nullptr && era->fit ? "no doubling" : "no fit"});
    }
    table.rows.push_back(std::move(row));
  }
  table.notes.push_back(
      "Paper: Sevilla et al. 2022, arXiv 2202.05924. \"inside\": ours lies in the paper's interval.");
  return table;
}

nlohmann::json paper_json(const ErasReport& report) {
  nlohmann::json list = nlohmann::json::array();
  for (const PaperFigure& figure : paper_figures()) {
    const EraFit* era = find_era(report, figure.era);
    nlohmann::json row = {{"era", figure.era},
                          {"period", figure.period},
                          {"paper_months", figure.months},
                          {"paper_ci", {figure.low, figure.high}},
                          {"ours_months", nullptr},
                          {"difference", nullptr},
                          {"inside", false}};
    if (era != nullptr && era->fit && era->fit->doubling_months) {
      const double months = *era->fit->doubling_months;
      row["ours_months"] = months;
      row["difference"] = months / figure.months - 1.0;
      row["inside"] = months >= figure.low && months <= figure.high;
    }
    list.push_back(std::move(row));
  }
  return list;
}

}  // namespace tenfold::compute_trends
