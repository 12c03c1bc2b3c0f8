// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/run_folder.h"

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tenfold/io/bundle.h"

namespace tenfold::train {
namespace {

const Path& made(FileSystem& files, const Path& folder) {
  files.make_directories(folder);
  return folder;
}

// Unfinished files of a killed run: what write_file_atomically() and RunLog leave.
void remove_unfinished(FileSystem& files, const Path& folder) {
  std::vector<Path> found;
  std::error_code failure;
  for (std::filesystem::directory_iterator entry(folder, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    const std::string name = entry->path().filename().string();
    for (const char* start : {"config.toml.tmp-", "run.json.tmp-", "metrics.jsonl.tmp"}) {
      if (name.starts_with(start)) found.push_back(entry->path());
    }
  }
  for (const Path& path : found) files.remove(path);
}

}  // namespace

RunFolder::RunFolder(FileSystem& files, Path folder, CheckpointPolicy policy)
    : files_(files),
      folder_(std::move(folder)),
      lock_(made(files, folder_)),
      checkpoints_(files, made(files, folder_ / "checkpoints"), policy) {
  remove_unfinished(files_, folder_);
  checkpoints_.clean_up();
}

void RunFolder::begin(const Checkpoint& start) {
  // A name that no bundle can have must not come out at the first checkpoint, hours later.
  io::parse_bundle_manifest(
      io::format_bundle_manifest({.system = start.system, .created_by = {}, .members = {}}),
      "the system's name");
  checkpoints_.check_space(start);
  write_file_atomically(files_, folder_ / "config.toml", start.config_toml);
  log_.emplace(files_, folder_, start.step);
  files_.sync_directory(folder_.has_parent_path() ? folder_.parent_path() : Path("."));
}

void RunFolder::save(const Checkpoint& checkpoint, const RunReport& report) {
  log_->sync();
  write_run_json(files_, folder_ / "run.json", report);
  checkpoints_.save(checkpoint);
}

}  // namespace tenfold::train
