// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/training/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/version.h"
#include "tenfold/io/bundle.h"
#include "tenfold/report/table.h"
#include "tenfold/train/checkpoint.h"
#include "tenfold/train/communicator.h"

namespace tenfold::training {
namespace {

namespace fs = std::filesystem;

bool is_bundle(const Path& path) {
  std::error_code missing;
  return fs::is_regular_file(path / "manifest.json", missing);
}

nlohmann::json figures_json(const train::Figures& figures) {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, value] : figures) object[name] = value;
  return object;
}

nlohmann::json report_json(const train::TrainReport& report, const Path& folder) {
  nlohmann::json object = {{"run", folder.string()},
                           {"steps", report.steps},
                           {"first_step", report.first_step},
                           {"ended_by", report.ended_by},
                           {"loss", report.last_loss},
                           {"skipped_steps", report.skipped_steps},
                           {"flop", report.flops},
                           {"wall_seconds", report.wall_seconds},
                           {"cpu_seconds", report.cpu_seconds}};
  if (report.best_metric) {
    object["best"] = *report.best_metric;
    object["best_step"] = report.best_step;
  }
  return object;
}

report::Table report_table(const train::TrainReport& report, const Path& folder) {
  report::Table table{"Run " + folder.string(), {"what", "value"}, {}, {}};
  table.rows = {{"steps", std::to_string(report.steps)},
                {"ended by", report.ended_by},
                {"loss of the last step", report::format_number(report.last_loss, 4)},
                {"compute", fmt::format("{:.3g} FLOP", static_cast<double>(report.flops))},
                {"time", fmt::format("{:.1f} s, CPU {:.1f} s", report.wall_seconds, report.cpu_seconds)}};
  if (report.first_step > 0)
    table.rows.insert(table.rows.begin(), {"continued at step", std::to_string(report.first_step)});
  if (report.skipped_steps > 0)
    table.rows.push_back({"steps left out, not finite", std::to_string(report.skipped_steps)});
  return table;
}

}  // namespace

systems::Outcome run_training(const RunRequest& request,
                              SystemTask& task,
                              train::GradientEstimator& estimator,
                              const train::TrainerOptions& options,
                              systems::Context& context) {
  const auto communicator = train::make_communicator(train::communicator_options_from_environment());
  const Path folder =
      context.out.empty()
          ? Path("runs") / fmt::format("{}-{}-{}", request.system, request.config_hash, context.seed)
          : context.out;
  const train::TrainEnvironment environment{.files = context.files,
                                            .folder = folder,
                                            .stop = context.stop,
                                            .progress = context.progress,
                                            .seed = context.seed,
                                            .name = request.name.empty() ? request.system : request.name,
                                            .config_toml = request.config_toml,
                                            .config_hash = request.config_hash,
                                            .communicator = communicator.get()};
  const train::TrainReport report = train::train(task, estimator, options, environment);
  nlohmann::json object = report_json(report, folder);
  report::Table table = report_table(report, folder);
  const train::Figures figures = task.evaluate();
  object["metrics"] = figures_json(figures);
  for (const auto& [name, value] : figures)
    table.rows.push_back({"valid " + name, report::format_number(value, 4)});
  return systems::make_outcome(std::move(object), report::to_terminal(table));
}

Path find_model(const Path& path) {
  if (is_bundle(path)) return path;
  const Path checkpoints = path / "checkpoints";
  if (is_bundle(checkpoints / "best")) return checkpoints / "best";
  std::error_code missing;
  std::vector<Path> steps;
  for (auto entry = fs::directory_iterator(checkpoints, missing); !missing && entry != end(entry);
       entry.increment(missing)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with("step-") && is_bundle(entry->path())) steps.push_back(entry->path());
  }
  if (!steps.empty()) return *std::max_element(steps.begin(), steps.end());
  throw Error(ErrorClass::kFile,
              "run.no_model",
              {.what = printable(path.string(), 400) + " holds no trained model",
               .seen = path_exists(path) ? "neither manifest.json nor checkpoints/" : "nothing of this name",
               .wanted = "a bundle, or the folder of a training run",
               .remedy = "name the --out folder of `train`"});
}

LoadedModel load_model(const Path& path, const std::string& system) {
  LoadedModel model{.path = find_model(path), .checkpoint = {}};
  model.checkpoint = train::read_checkpoint(model.path);
  const std::string& owner = model.checkpoint.system;
  if (owner == system) return model;
  throw Error(ErrorClass::kData,
              "run.other_system",
              {.what = printable(model.path.string(), 400) + " belongs to another system",
               .seen = owner,
               .wanted = system,
               .remedy = "use tenfold " + owner + " with it"});
}

systems::Outcome evaluate_model(SystemTask& task, const std::string& split) {
  const std::vector<std::string> splits = task.splits();
  if (std::find(splits.begin(), splits.end(), split) == splits.end()) {
    throw Error(ErrorClass::kConfig,
                "eval.unknown_split",
                {.what = "this data set has no such split",
                 .seen = printable(split),
                 .wanted = "one of " + join(splits, ", "),
                 .remedy = "name one of these with --split"});
  }
  const train::Figures figures = task.evaluate_split(split);
  report::Table table{
      fmt::format("{} rows of {}", task.split_size(split), split), {"figure", "value"}, {}, {}};
  for (const auto& [name, value] : figures) table.rows.push_back({name, report::format_number(value, 4)});
  nlohmann::json object = {
      {"split", split}, {"n", task.split_size(split)}, {"metrics", figures_json(figures)}};
  return systems::make_outcome(std::move(object), report::to_terminal(table));
}

systems::Outcome export_model(const LoadedModel& model, systems::Context& context) {
  if (context.out.empty()) {
    throw Error(
        ErrorClass::kUsage,
        "export.no_target",
        {.what = "export does not know where to write", .wanted = "a new folder", .remedy = "add --out DIR"});
  }
  const Path target = context.out / "model";
  train::Checkpoint checkpoint = model.checkpoint;
  checkpoint.optimizer.clear();  // only training needs it
  train::write_checkpoint(*context.files, target, checkpoint);
  nlohmann::json object = {{"bundle", target.string()},
                           {"system", checkpoint.system},
                           {"step", checkpoint.step},
                           {"from", model.path.string()}};
  return systems::make_outcome(std::move(object),
                               fmt::format("{}: a bundle of {}\n", target.string(), checkpoint.system));
}

}  // namespace tenfold::training
