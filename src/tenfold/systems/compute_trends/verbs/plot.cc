// SPDX-License-Identifier: Apache-2.0
// `tenfold trends plot`: the paper's figure as SVG or PNG, with the user's own runs.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/log.h"
#include "tenfold/report/gnuplot.h"
#include "tenfold/systems/compute_trends/figure.h"
#include "tenfold/systems/compute_trends/verbs/eras_options.h"
#include "tenfold/systems/compute_trends/verbs/verbs.h"

namespace tenfold::compute_trends {
namespace {

struct PlotOptions {
  ErasVerbOptions eras;
  std::string file = "compute-trends.svg";
  std::vector<std::string> run;
  std::string runs = "runs";
  std::int64_t width = 1100;
  std::int64_t height = 700;

  void visit_fields(auto&& field) {
    eras.visit_fields(field);
    field("file",
          file,
          {.help = "picture to write, .svg or .png; inside --out when that is given",
           .affects_result = false,
           .file = config::FileUse::kWrite});
    field(
        "run", run, {.help = "run.json of a training run to draw as a star", .file = config::FileUse::kRead});
    field("runs",
          runs,
          {.help = "folder whose runs/*/run.json are drawn as stars", .file = config::FileUse::kRuns});
    field("width",
          width,
          {.help = "of the picture", .unit = "pixels", .min = 200, .max = 8000, .served_max = 4000});
    field("height",
          height,
          {.help = "of the picture", .unit = "pixels", .min = 150, .max = 8000, .served_max = 4000});
  }
};

systems::Outcome plot(const PlotOptions& options, systems::Context& context) {
  const Path file = context.out.empty() ? Path(options.file) : context.out / options.file;
  report::check_picture_name(file);
  const auto [table, selection, columns, eras] = read_eras(options.eras, context);
  std::vector<OwnRun> runs;
  for (const std::string& path : options.run) runs.push_back(read_run(path));
  std::error_code unreadable;
  if (options.runs != PlotOptions().runs && !std::filesystem::is_directory(options.runs, unreadable)) {
    throw Error(ErrorClass::kFile,
                "plot.no_runs_folder",
                {.what = "the folder of runs is not there",
                 .seen = options.runs,
                 .wanted = "a folder with NAME/run.json files",
                 .remedy = "correct --runs or leave it out"});
  }
  std::vector<std::string> warnings;
  for (OwnRun& run : find_runs(options.runs, warnings)) {
    // A run named by --run may lie in the folder too.
    if (std::find(runs.begin(), runs.end(), run) == runs.end()) runs.push_back(std::move(run));
  }
  for (const std::string& warning : warnings) log::warning("{}", warning);
  const report::Chart chart = era_chart(selection.rows, eras, runs);
  const report::PictureSize size{static_cast<int>(options.width), static_cast<int>(options.height)};
  write_file_atomically(*context.files, file, report::picture(chart, file, size));
  nlohmann::json stars = nlohmann::json::array();
  for (const OwnRun& run : runs)
    stars.push_back({{"name", run.name}, {"year", run.decimal_year}, {"flop", run.flop}});
  nlohmann::json object = {{"file", file.string()},
                           {"n", selection.rows.size()},
                           {"runs", stars},
                           {"warnings", warnings},
                           {"table", table_json(table)}};
  return systems::make_outcome(std::move(object),
                               fmt::format("{}: {} systems, {} runs of yours. {}",
                                           file.string(),
                                           selection.rows.size(),
                                           runs.size(),
                                           table.license));
}

}  // namespace

systems::Verb make_plot_verb() {
  return systems::make_verb<PlotOptions>(
      "plot",
      "draw the chart: systems by domain, era lines, large-scale rings, your runs",
      "Needs gnuplot. Your own runs come from run.json files, which every training run writes.",
      {"tenfold trends plot --file compute-trends.svg",
       "tenfold trends plot --file compute-trends.png --width 800 --height 600"},
      plot);
}

}  // namespace tenfold::compute_trends
