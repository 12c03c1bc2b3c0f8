// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/paper.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

namespace tenfold::compute_trends {
namespace {

// The second figure is the deep-learning row of the main table, behind the abstract's "about 6 months": its printed range of
// compute belongs to 2010-2015, its doubling time is quoted for the whole period. The last row is the table's own figure for
// all systems of 2010-2022.
constexpr std::array<PaperFigure, 4> kFigures = {
    {{"before", "1952 to 2010", 21.3, 17.0, 29.3},
     {"all", "2010 to 2022", 5.7, 4.3, 9.0},
     {"large", "large-scale, from September 2015", 9.9, 7.7, 17.1},
     {"without_low", "2010 to 2022, all systems", 5.6, 5.0, 6.2}}};

bool has_paper_borders(const ErasReport& report) {
  constexpr double kBorder = 2010.0;
  constexpr double kLargeStart = 2015.66;
  return report.border == kBorder && report.large_start == kLargeStart;
}

std::string year_text(double year) {
  return fmt::format("{:g}", year);
}

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
  const std::string border = year_text(report.border);
  return {{"before", "before " + border, &report.before},
          {"all", border + " on, all", &report.all},
          {"without_low", border + " on, without low outliers", &report.without_low},
          {"early", border + " to " + year_text(report.large_start), &report.early},
          {"regular", border + " on, regular scale", &report.regular},
          {"late_regular", year_text(report.late_border) + " on, regular scale", &report.late_regular},
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
  table.notes.push_back(
      "The second row's interval is printed in the paper beside a range of compute that belongs to 2010 to "
      "2015; the last "
      "row is the paper's figure for all systems, ours without low outliers.");
  if (!has_paper_borders(report))
    table.notes.push_back("Our periods differ from the paper's: border or start was changed.");
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
