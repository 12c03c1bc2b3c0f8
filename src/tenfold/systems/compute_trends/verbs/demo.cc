// SPDX-License-Identifier: Apache-2.0
// The section of compute trends in `tenfold demo`.
#include <fmt/format.h>

#include "tenfold/report/table.h"
#include "tenfold/systems/compute_trends/break_search.h"
#include "tenfold/systems/compute_trends/command.h"
#include "tenfold/systems/compute_trends/figure.h"
#include "tenfold/systems/compute_trends/forecast_figure.h"
#include "tenfold/systems/compute_trends/null_study.h"
#include "tenfold/systems/compute_trends/paper.h"
#include "tenfold/systems/compute_trends/verbs/null_text.h"
#include "tenfold/systems/compute_trends/verbs/rows.h"

namespace tenfold::compute_trends {
namespace {

std::string summary_of(const ErasReport& eras) {
  const auto months = [](const EraFit& era) { return era.fit ? months_text(era.fit->doubling_months) : "-"; };
  return fmt::format("Training compute doubled every {} months before 2010 and every {} months since.",
                     months(eras.before),
                     months(eras.all));
}

// The era of deep learning read forward, with the level that the European Union's rules speak of.
report::Chart forecast_to_2030(const Table& table, const Columns& columns, const ErasOptions& options) {
  std::vector<SystemRow> rows;
  std::vector<double> year, log10_flop;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (columns.year[i] < options.border) continue;
    rows.push_back(table.rows[i]);
    year.push_back(columns.year[i]);
    log10_flop.push_back(columns.log10_flop[i]);
  }
  const Fit fit = fit_line(year, log10_flop);
  Forecast typical{fit.line, bootstrap(year, log10_flop, options.bootstrap).lines, 0.0, fit.residual_sd};
  Forecast frontier = typical;
  frontier.offset = frontier_offset(residuals(year, log10_flop, fit.line), 0.9);
  ForecastChart chart{rows, std::move(typical), std::move(frontier)};
  chart.levels = {1e25};
  chart.quantity = "training compute";
  chart.unit = "FLOP";
  return forecast_chart(chart);
}

}  // namespace

report::Section make_demo_section(systems::Context& context) {
  const Table table = embedded_table();
  const Columns columns = columns_of(table.rows);
  ErasOptions options;
  options.bootstrap.resamples = 1000;
  options.bootstrap.seed = context.seed;
  options.bootstrap.stop = context.stop;
  const ErasReport eras = find_eras(columns.year, columns.log10_flop, options);
  report::Section section{"trends", "Compute trends", summary_of(eras), {}};

  std::vector<std::string> warnings;
  const std::vector<OwnRun> runs = find_runs("runs", warnings);
  section.blocks.emplace_back(era_chart(table.rows, eras, runs));
  section.blocks.emplace_back(zoom(era_chart(table.rows, eras, runs), 2009.5));
  section.blocks.emplace_back(paper_table(eras));
  report::Table fits{"All periods", fit_columns(), {}, {}};
  for (const NamedEra& era : named_eras(eras)) {
    if (era.era->fit) fits.rows.push_back(fit_cells(era.title, *era.era->fit, &*era.era->bootstrap));
  }
  fits.notes = {"95 % bootstrap intervals, 1,000 resamples of the systems.", table.license};
  section.blocks.emplace_back(std::move(fits));

  const std::vector<NullStudyReport> studies =
      null_studies(deep_learning_rows(columns, options), options.large, 3000, context);
  section.blocks.emplace_back(report::Paragraph{null_reading(studies)});
  section.blocks.emplace_back(null_chart(studies.back()));
  section.blocks.emplace_back(null_table(studies, {NullNoise::kGaussian, NullNoise::kResampledResiduals}));
  section.blocks.emplace_back(forecast_to_2030(table, columns, options));
  for (const std::string& warning : warnings) section.blocks.emplace_back(report::Paragraph{warning});
  return section;
}

}  // namespace tenfold::compute_trends
