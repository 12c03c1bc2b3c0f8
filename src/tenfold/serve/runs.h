// SPDX-License-Identifier: Apache-2.0
// Run folders and bundles below the folders that the server was given. Only members with fixed names are opened, no link
// is followed, and names come from the folders themselves.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/serve/dispatcher.h"
#include "tenfold/serve/router.h"

namespace tenfold::serve {

enum class FolderKind { kRun, kBundle };

// Where a run is: a folder the operator named, and the folder directly in it; empty: itself.
struct RunPlace {
  Path root;
  std::string child;
};

struct FolderEntry {
  std::string name;  // in URLs: the folder's own, with "~2" behind it when it was taken
  RunPlace place;
  FolderKind kind = FolderKind::kRun;
  std::vector<std::string> members;  // those of the fixed names that are there
};

// Lines of metrics.jsonl as JSON values.
struct MetricRows {
  std::vector<std::string> lines;  // whole, valid JSON objects
  std::uint64_t next = 0;          // byte to go on from
  bool at_end = true;              // false: there is more already
};

class RunLibrary {
 public:
  // A folder that is itself a run or a bundle stands for itself, another one for the runs and bundles directly in it.
  // Folders that do not exist yet are skipped when they are looked at.
  explicit RunLibrary(std::vector<Path> folders);

  std::vector<FolderEntry> scan() const;          // by name; at most 1,000
  FolderEntry find(std::string_view name) const;  // throws HttpError(404, "serve.unknown_run")
  // A member's text. Throws HttpError(404, "serve.unknown_member"), Error(kFile) as io::InputFile::open_member and
  // "file.too_large".
  static std::string read(const FolderEntry& entry, const std::string& member, std::uint64_t limit);
  // Rows of metrics.jsonl from byte `after` on, at most `rows` and about 1 MB. A last line without its end is left for
  // later; lines that are no JSON objects are skipped.
  static MetricRows metrics(const RunPlace& run, std::uint64_t after, std::size_t rows);

 private:
  std::vector<Path> folders_;
};

// GET /api/runs, /api/runs/{name}, /api/runs/{name}/metrics, /api/runs/{name}/files/{member}
void add_runs(Router& router, const RunLibrary& library, Dispatcher& calls, const Scrubber& scrubber);

}  // namespace tenfold::serve
