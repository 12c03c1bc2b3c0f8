// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/torch/flops_command.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tenfold/base/threads.h"
#include "tenfold/report/table.h"
#include "tenfold/train/flop_study.h"

namespace tenfold::compute_trends {
namespace {

struct FlopsOptions {
  double seconds = 3.0;
  void visit_fields(auto&& field) {
    field("seconds", seconds, {.help = "training time per model", .unit = "s", .min = 0.1, .max = 3600});
  }
};

nlohmann::json row_json(const train::FlopStudyRow& row) {
  return {{"model", row.model},
          {"setup", row.setup},
          {"parameters", row.parameters},
          {"active_parameters", row.active_parameters},
          {"unit", row.unit},
          {"items", row.items},
          {"steps", row.steps},
          {"counted_flop", row.counted},
          {"counted_forward", row.counted_forward},
          {"counted_backward", row.counted_backward},
          {"hand_counted_flop", row.hand_counted},
          {"six_nd", row.six_nd},
          {"six_nd_over_counted", row.ratio},
          {"wall_seconds", row.seconds},
          {"cpu_seconds", row.cpu_seconds},
          {"utilisation", row.utilisation},
          {"chip_time_flop", row.chip_time},
          {"chip_time_over_counted", row.chip_time_ratio},
          {"meter_overhead_percent", row.meter_overhead_percent},
          {"meter_overhead_cpu_percent", row.meter_overhead_cpu_percent},
          {"meter_overhead_cpu_error_percent", row.meter_overhead_cpu_error_percent},
          {"first_loss", row.first_loss},
          {"last_loss", row.last_loss}};
}

systems::Outcome flops(const FlopsOptions& options, systems::Context& context) {
  train::FlopStudyOptions study;
  study.seconds_per_model = options.seconds;
  study.seed = context.seed;
  study.threads = thread_count();
  study.stop = context.stop;
  study.progress = context.progress;
  const train::FlopStudyReport report = train::run_flop_study(study);
  report::Table table{"Training compute of small models, three ways",
                      {"model",
                       "N",
                       "D",
                       "counted [FLOP]",
                       "by hand",
                       "6ND / counted",
                       "utilisation",
                       "chip-time / counted",
                       "meter cost (CPU)"},
                      {},
                      {}};
  nlohmann::json rows = nlohmann::json::array();
  for (const train::FlopStudyRow& row : report.rows) {
    table.rows.push_back(
        {row.model,
         fmt::format("{:.2e}", static_cast<double>(row.active_parameters)),
         fmt::format("{:.2e} {}", static_cast<double>(row.items), row.unit),
         fmt::format("{:.3e}", static_cast<double>(row.counted)),
         row.hand_counted == row.counted ? "equal"
                                         : fmt::format("{:.3e}", static_cast<double>(row.hand_counted)),
         fmt::format("{:.2f}", row.ratio),
         fmt::format("{:.0f} %", 100 * row.utilisation),
         fmt::format("{:.2f}", row.chip_time_ratio),
         fmt::format(
             "{:.1f} +- {:.1f} %", row.meter_overhead_cpu_percent, row.meter_overhead_cpu_error_percent)});
    rows.push_back(row_json(row));
  }
  table.notes = {
      fmt::format("Peak: {:.0f} GFLOP/s, the best float32 matrix product measured here with {} threads.",
                  report.peak_gflops,
                  report.threads),
      fmt::format("chip-time: seconds x peak x {}, what a reader without the code would assume.",
                  report.assumed_utilisation),
      "6ND holds for transformers whose width is large against the sequence; weight sharing breaks it."};
  nlohmann::json object = {{"peak_gflops", report.peak_gflops},
                           {"threads", report.threads},
                           {"assumed_utilisation", report.assumed_utilisation},
                           {"stopped", report.stopped},
                           {"rows", rows}};
  return systems::make_outcome(std::move(object), report::to_terminal(table));
}

}  // namespace

systems::Verb make_flops_verb() {
  return systems::make_verb<FlopsOptions>(
      "flops",
      "train small models and compare counted FLOPs with the paper's two ways to estimate them",
      "Counts the operators of real training steps by their shapes, and sets beside it 6 x parameters x "
      "tokens and time x "
      "peak x utilisation.",
      {"tenfold trends flops --seconds 0.5"},
      flops);
}

}  // namespace tenfold::compute_trends
