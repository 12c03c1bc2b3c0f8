// SPDX-License-Identifier: Apache-2.0
// The user's own training runs: run.json files (schema "tenfold.run/1", written by every training run) as stars on the
// chart.
#pragma once

#include <string>
#include <vector>

#include "tenfold/base/file_system.h"

namespace tenfold::compute_trends {

struct OwnRun {
  std::string name;
  std::string system;
  double decimal_year = 0.0;  // end of the run
  double flop = 0.0;          // counted, > 0
  bool operator==(const OwnRun&) const = default;
};

// Throws Error(kFile) when it cannot be read, Error(kData, "run.bad_file") when it is not such a file.
OwnRun read_run(const Path& path);

// Every run.json directly inside a folder of `folder` (runs/<name>/run.json), by name. A missing folder gives none; a
// file that is not a run is skipped with a line in `warnings`.
std::vector<OwnRun> find_runs(const Path& folder, std::vector<std::string>& warnings);

}  // namespace tenfold::compute_trends
