// SPDX-License-Identifier: Apache-2.0
// Everything a run writes: config.toml, metrics.jsonl, the event file, checkpoints/, run.json. One process writes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tenfold/base/file_system.h"
#include "tenfold/train/checkpoint.h"
#include "tenfold/train/run_lock.h"
#include "tenfold/train/run_log.h"
#include "tenfold/train/run_meter.h"

namespace tenfold::train {

class RunFolder {
 public:
  // Makes the folder when it is not there, locks it, and removes what a killed run left unfinished.
  RunFolder(FileSystem& files, Path folder, CheckpointPolicy policy);

  std::optional<Checkpoint> latest() const { return checkpoints_.load_latest(); }
  const Path& path() const { return folder_; }

  // Before the first step: the disk must hold checkpoints like `start`, whose step is where the log goes on.
  void begin(const Checkpoint& start);
  void log(const LogRow& row) { log_->add(row); }
  // What a checkpoint promises must be on the disk before it: lines of the log up to its step, then run.json.
  void save(const Checkpoint& checkpoint, const RunReport& report);
  void save_best(const Checkpoint& checkpoint) { checkpoints_.save_best(checkpoint); }

 private:
  FileSystem& files_;
  Path folder_;
  RunLock lock_;
  CheckpointFolder checkpoints_;
  std::optional<RunLog> log_;
};

}  // namespace tenfold::train
