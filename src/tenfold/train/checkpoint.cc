// SPDX-License-Identifier: Apache-2.0
// One checkpoint as a bundle, and the folder that keeps the newest of them.
#include "tenfold/train/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/log.h"
#include "tenfold/base/strings.h"
#include "tenfold/base/version.h"
#include "tenfold/io/bundle.h"
#include "tenfold/io/json.h"

namespace tenfold::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStateSchema = "tenfold.checkpoint/1";
constexpr std::string_view kStepPrefix = "step-";

// The step in the name of a checkpoint's folder; nullopt for other names.
std::optional<std::uint64_t> step_of(const std::string& name) {
  if (!name.starts_with(kStepPrefix)) return std::nullopt;
  const std::string_view digits = std::string_view(name).substr(kStepPrefix.size());
  const bool plain = std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  const std::optional<long long> step = digits.size() >= 12 && plain ? parse_integer(digits) : std::nullopt;
  if (!step) return std::nullopt;
  return static_cast<std::uint64_t>(*step);
}

// Names in `folder`; none when it is not there yet.
std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> names;
  std::error_code failure;
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    names.push_back(entry->path().filename().string());
  }
  if (failure && failure != std::errc::no_such_file_or_directory) {
    throw Error(ErrorClass::kFile,
                "file.io",
                {.what = "cannot list the checkpoints in " + folder.string(),
                 .seen = failure.message(),
                 .remedy = "check the folder and its rights"});
  }
  return names;
}

std::vector<std::uint64_t> steps_in(const Path& folder) {
  std::vector<std::uint64_t> steps;
  for (const std::string& name : names_in(folder)) {
    if (const auto step = step_of(name)) steps.push_back(*step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

// Damage is a reason to take an older checkpoint; other failures would come back, or concern the user.
bool is_damage(const Error& error) {
  return error.error_class() != ErrorClass::kResource && error.error_class() != ErrorClass::kInternal &&
         error.code() != "file.no_permission" && error.code() != "bundle.newer_version";
}

std::uint64_t size_on_disk(const Path& bundle) {
  std::uint64_t bytes = 0;
  for (const std::string& name : names_in(bundle)) {
    std::error_code ignored;
    const std::uintmax_t size = fs::file_size(bundle / name, ignored);
    if (!ignored) bytes += size;
  }
  return bytes;
}

[[noreturn]] void bad_state(const Path& bundle, std::string seen) {
  throw Error(
      ErrorClass::kFile,
      "checkpoint.bad_state",
      {.what = fmt::format("{}: state.json is not that of a checkpoint", printable(bundle.string(), 400)),
       .seen = std::move(seen),
       .wanted = fmt::format("an object with schema \"{}\", step and state", kStateSchema),
       .remedy = "name a folder below checkpoints/ of a run"});
}

void read_state(const Path& bundle, const std::string& text, Checkpoint& checkpoint) {
  const nlohmann::json json =
      io::parse_json(text,
                     (bundle / "state.json").string(),
                     {.max_bytes = std::size_t{64} << 20, .error_class = ErrorClass::kFile});
  if (!json.is_object()) bad_state(bundle, json.type_name());
  const auto schema = json.find("schema"), step = json.find("step"), state = json.find("state");
  if (schema == json.end() || *schema != kStateSchema) {
    bad_state(bundle, schema == json.end() ? "no schema" : printable(schema->dump()));
  }
  if (step == json.end() || !step->is_number_unsigned()) bad_state(bundle, "no step");
  if (state == json.end() || !state->is_object()) bad_state(bundle, "no state");
  checkpoint.step = step->get<std::uint64_t>();
  checkpoint.state_json = state->dump();
}

void add_tensors(io::BundleWriter& writer, std::string_view member, const TensorMap& tensors) {
  std::vector<torch::Tensor> copies;
  const std::vector<io::TensorView> views = tensor_views(tensors, copies);
  writer.add(member, [&](WritableFile& file) { io::write_safetensors(file, views); });
}

// The failure to remove an old checkpoint, told after the new one is safe.
[[noreturn]] void cannot_remove(const Error& error, const Path& saved, const Path& old) {
  ErrorText text = error.text();
  text.what =
      fmt::format("{} is written, but an old checkpoint could not be removed: {}", saved.string(), text.what);
  text.remedy = "remove " + old.string();
  throw Error(error.error_class(), "checkpoint.cleanup", std::move(text));
}

}  // namespace

void write_checkpoint(FileSystem& files, const Path& bundle, const Checkpoint& checkpoint) {
  check_internal(checkpoint.state_json.starts_with('{'), "the state of a checkpoint is a JSON object");
  io::BundleWriter writer(
      files, bundle, {.system = checkpoint.system, .created_by = fmt::format("tenfold {}", version())});
  add_tensors(writer, "weights.safetensors", checkpoint.weights);
  if (!checkpoint.optimizer.empty()) add_tensors(writer, "optimizer.safetensors", checkpoint.optimizer);
  writer.add("config.toml", checkpoint.config_toml);
  writer.add("state.json",
             fmt::format("{{\"schema\": \"{}\", \"step\": {}, \"state\": {}}}\n",
                         kStateSchema,
                         checkpoint.step,
                         checkpoint.state_json));
  writer.commit();
}

Checkpoint read_checkpoint(const Path& bundle) {
  const io::BundleReader reader = io::BundleReader::open(bundle);
  Checkpoint checkpoint;
  checkpoint.system = reader.manifest().system;
  read_state(bundle, reader.read_text("state.json"), checkpoint);
  checkpoint.config_toml = reader.read_text("config.toml");
  checkpoint.weights = read_tensors(reader.open_tensors("weights.safetensors"));
  if (reader.has("optimizer.safetensors")) {
    checkpoint.optimizer = read_tensors(reader.open_tensors("optimizer.safetensors"));
  }
  return checkpoint;
}

CheckpointFolder::CheckpointFolder(FileSystem& files, Path folder, CheckpointPolicy policy)
    : files_(files), folder_(std::move(folder)), policy_(policy) {}

Path CheckpointFolder::path_of(std::uint64_t step) const {
  return folder_ / fmt::format("{}{:012}", kStepPrefix, step);
}

void CheckpointFolder::save(const Checkpoint& checkpoint) {
  write_checkpoint(files_, path_of(checkpoint.step), checkpoint);
  remove_others(checkpoint.step);
}

void CheckpointFolder::save_best(const Checkpoint& checkpoint) {
  write_checkpoint(files_, best_path(), checkpoint);
}

void CheckpointFolder::remove_others(std::uint64_t saved) const {
  const std::vector<std::uint64_t> steps = steps_in(folder_);
  const auto at = std::find(steps.begin(), steps.end(), saved);
  const auto position = static_cast<std::int64_t>(at - steps.begin());
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(steps.size()); ++i) {
    if (i <= position && i > position - policy_.keep) continue;
    const Path old = path_of(steps[static_cast<std::size_t>(i)]);
    try {
      io::remove_bundle(files_, old);
    } catch (const Error& error) {
      if (error.code() != "bundle.target_not_a_bundle") cannot_remove(error, path_of(saved), old);
      log::warning("{} stays: {}", old.string(), error.what());
    }
  }
}

std::optional<Checkpoint> CheckpointFolder::load_latest() const {
  std::vector<std::uint64_t> steps = steps_in(folder_);
  std::reverse(steps.begin(), steps.end());
  std::string reason;
  for (const std::uint64_t step : steps) {
    try {
      Checkpoint checkpoint = read_checkpoint(path_of(step));
      if (checkpoint.step == step) return checkpoint;
      bad_state(path_of(step), fmt::format("step {}", checkpoint.step));
    } catch (const Error& error) {
      if (!is_damage(error)) throw;
      log::warning("passing over a damaged checkpoint: {}", error.what());
      if (reason.empty()) reason = error.what();
    }
  }
  if (steps.empty()) return std::nullopt;
  throw Error(
      ErrorClass::kFile,
      "checkpoint.all_damaged",
      {.what = fmt::format("none of the {} checkpoints in {} is whole", steps.size(), folder_.string()),
       .seen = reason,
       .remedy = "restore the folder from a copy, or remove it to begin anew"});
}

std::vector<std::uint64_t> CheckpointFolder::steps() const {
  std::vector<std::uint64_t> readable;
  for (const std::uint64_t step : steps_in(folder_)) {
    try {
      io::BundleReader::open(path_of(step));
      readable.push_back(step);
    } catch (const Error&) {  // not a checkpoint any more
    }
  }
  return readable;
}

void CheckpointFolder::clean_up() {
  for (const std::string& name : names_in(folder_)) {
    const bool unfinished = name.starts_with(".step-") || name.starts_with(".best.");
    const bool half_removed = step_of(name) && !path_exists(folder_ / name / "manifest.json");
    if (!unfinished && !half_removed) continue;
    try {
      io::remove_bundle(files_, folder_ / name);
    } catch (const Error& error) {
      if (error.code() != "bundle.target_not_a_bundle") throw;
      log::warning("{} stays: {}", (folder_ / name).string(), error.what());
    }
  }
}

void CheckpointFolder::check_space(const Checkpoint& example) const {
  constexpr std::uint64_t kSlack = std::uint64_t{64} << 10;  // manifest and folders
  const std::uint64_t one = file_bytes(example.weights) + file_bytes(example.optimizer) +
                            example.state_json.size() + example.config_toml.size() + kSlack;
  const std::uint64_t wanted = (static_cast<std::uint64_t>(policy_.keep) + 2) * one;
  std::uint64_t there = files_.free_space(folder_);
  for (const std::uint64_t step : steps_in(folder_)) there += size_on_disk(path_of(step));
  there += size_on_disk(best_path());
  if (wanted <= there) return;
  constexpr double kMega = 1e6;
  throw Error(ErrorClass::kResource,
              "checkpoint.disk_space",
              {.what = "the disk is too small for the checkpoints of this run in " + folder_.string(),
               .seen = fmt::format("{:.1f} MB free", static_cast<double>(there) / kMega),
               .wanted = fmt::format("{:.1f} MB: {} checkpoints of {:.1f} MB",
                                     static_cast<double>(wanted) / kMega,
                                     policy_.keep + 2,
                                     static_cast<double>(one) / kMega),
               .remedy = "free disk space, choose another folder, or keep fewer checkpoints"});
}

}  // namespace tenfold::train
