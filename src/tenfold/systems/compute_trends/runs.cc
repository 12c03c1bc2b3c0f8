// SPDX-License-Identifier: Apache-2.0
#include "tenfold/systems/compute_trends/runs.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/json.h"
#include "tenfold/systems/compute_trends/date.h"

namespace tenfold::compute_trends {
namespace {

constexpr std::uint64_t kRunFileLimit = 1 << 20;

[[noreturn]] void throw_bad(const Path& path, const std::string& seen) {
  throw Error(ErrorClass::kData,
              "run.bad_file",
              {.what = path.string() + " is not the record of a training run",
               .seen = seen,
               .wanted = "an object with schema \"tenfold.run/1\", name, date and flop.total > 0",
               .remedy = "name the run.json of a training run"});
}

}  // namespace

OwnRun read_run(const Path& path) {
  const nlohmann::json object = io::parse_json(read_text_file(path, kRunFileLimit), path.string());
  if (!object.is_object() || object.value("schema", nlohmann::json()) != "tenfold.run/1") {
    throw_bad(path, "another kind of file");
  }
  const auto text = [&](const char* key) -> std::string {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_string()) throw_bad(path, std::string("no text ") + key);
    return *found;
  };
  const auto flop = object.find("flop");
  if (flop == object.end() || !flop->is_object() || !flop->contains("total") ||
      !(*flop)["total"].is_number()) {
    throw_bad(path, "no number flop.total");
  }
  OwnRun run;
  run.name = text("name");
  run.system = text("system");
  run.flop = (*flop)["total"].get<double>();
  if (!std::isfinite(run.flop) || run.flop <= 0.0) throw_bad(path, "flop.total that is not above 0");
  run.decimal_year = decimal_year(parse_date(text("date").substr(0, 10), path.string()));
  return run;
}

std::vector<OwnRun> find_runs(const Path& folder, std::vector<std::string>& warnings) {
  std::error_code missing;
  std::vector<Path> files;
  for (auto entry = std::filesystem::directory_iterator(folder, missing); !missing && entry != end(entry);
       entry.increment(missing)) {
    const Path file = entry->path() / "run.json";
    std::error_code ignored;
    if (std::filesystem::is_regular_file(file, ignored)) files.push_back(file);
  }
  std::sort(files.begin(), files.end());
  std::vector<OwnRun> runs;
  for (const Path& file : files) {
    try {
      runs.push_back(read_run(file));
    } catch (const Error& error) {
      warnings.push_back(std::string("left out: ") + error.what());
    }
  }
  return runs;
}

}  // namespace tenfold::compute_trends
