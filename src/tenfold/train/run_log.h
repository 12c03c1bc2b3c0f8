// SPDX-License-Identifier: Apache-2.0
// The figures of a run on disk: metrics.jsonl and a TensorBoard event file with the same content. No torch header here.
//
// A line of metrics.jsonl is {"step": 20, "learning_rate": 0.001, "train/loss": 1.25, ..., "time": {"seconds": 3.2, ...}}.
// Everything but "time" is the same to the byte in every repetition of the run, resumed or not; "time", always the last key,
// holds what a clock gave. A figure that is not finite is null.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "tenfold/base/file_system.h"
#include "tenfold/io/jsonl.h"
#include "tenfold/io/tfevents.h"

namespace tenfold::train {

using Figures = std::map<std::string, double>;

struct LogRow {
  std::uint64_t step = 0;
  Figures figures;  // "train/loss", "valid/accuracy", "learning_rate", ...
  Figures time;     // "seconds" since the start of the run, "examples_per_second", "unix": seconds since 1970
};

// One line of metrics.jsonl, without its end. Names must be valid UTF-8: Error(kData, "run_log.bad_name").
std::string to_json_line(const LogRow& row);

// Not thread-safe.
class RunLog {
 public:
  // Continues both files of `folder` after `step` (0: a new run): lines of later steps are dropped, and the event file is
  // written anew from the lines that stay, since TensorBoard would show the dropped ones. Throws what io::JsonlWriter::resume
  // throws, or Error(kFile, "run_log.bad_line"); metrics.jsonl is then as it was.
  RunLog(FileSystem& files, Path folder, std::uint64_t step);

  void add(const LogRow& row);
  void sync();  // makes all rows durable

 private:
  std::unique_ptr<io::TfEventsWriter> events_;
  std::unique_ptr<io::JsonlWriter> lines_;
};

}  // namespace tenfold::train
