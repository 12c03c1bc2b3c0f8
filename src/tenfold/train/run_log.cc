// SPDX-License-Identifier: Apache-2.0
#include "tenfold/train/run_log.h"

#include <fmt/format.h>

#include <cmath>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTime = "time";
constexpr std::string_view kUnix = "unix";

// Names that need escapes are rare; the others go out as they are.
void append_name(fmt::memory_buffer& line, const std::string& name) {
  const auto plain = [](unsigned char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; };
  for (const char c : name) {
    if (plain(static_cast<unsigned char>(c))) continue;
    if (!is_valid_utf8(name)) {
      throw Error(
          ErrorClass::kData,
          "run_log.bad_name",
          {.what = "the name of a figure is not UTF-8", .seen = printable(name), .remedy = "rename it"});
    }
    fmt::format_to(std::back_inserter(line), "{}", nlohmann::json(name).dump());
    return;
  }
  fmt::format_to(std::back_inserter(line), "\"{}\"", name);
}

void append_figure(fmt::memory_buffer& line, const std::string& name, double value) {
  append_name(line, name);
  if (std::isfinite(value)) {
    fmt::format_to(std::back_inserter(line), ": {}", value);  // the shortest text that reads back the same
  } else {
    fmt::format_to(std::back_inserter(line), ": null");
  }
}

[[noreturn]] void bad_line(const Path& path, const nlohmann::json& line) {
  throw Error(ErrorClass::kFile,
              "run_log.bad_line",
              {.what = path.string() + " holds a line that is not of a run",
               .seen = printable(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)),
               .wanted = "an object with a whole number as step",
               .remedy = "remove the line, or the file"});
}

// Numbers of an object; whatever else it holds is not drawn.
Figures figures_of(const nlohmann::json& object) {
  Figures figures;
  for (const auto& [name, value] : object.items()) {
    if (!name.empty() && value.is_number()) figures.emplace(name, value.get<double>());
  }
  return figures;
}

LogRow parse_row(const Path& path, const nlohmann::json& line) {
  LogRow row;
  const auto step = line.find("step");
  if (step == line.end() || !step->is_number_unsigned()) bad_line(path, line);
  row.step = step->get<std::uint64_t>();
  row.figures = figures_of(line);
  row.figures.erase("step");
  const auto time = line.find(kTime);
  if (time != line.end() && time->is_object()) row.time = figures_of(*time);
  return row;
}

void write_event(io::TfEventsWriter& events, const LogRow& row) {
  std::vector<io::TfScalar> scalars;
  scalars.reserve(row.figures.size() + row.time.size());
  for (const auto& [name, value] : row.figures) {
    scalars.push_back({.tag = name, .value = static_cast<float>(value)});
  }
  double unix_seconds = 0.0;
  for (const auto& [name, value] : row.time) {
    if (name == kUnix) {
      unix_seconds = value;
    } else {
      scalars.push_back({.tag = "time/" + name, .value = static_cast<float>(value)});
    }
  }
  events.add_scalars(static_cast<std::int64_t>(row.step), unix_seconds, scalars);
}

// Of earlier parts of the run.
std::vector<Path> event_files(const Path& folder) {
  std::vector<Path> found;
  std::error_code failure;
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    if (entry->path().filename().string().starts_with("events.out.tfevents.")) found.push_back(entry->path());
  }
  return found;
}

// Begins with the time, and is no name of an earlier part.
Path new_event_file(const Path& folder) {
  for (std::int64_t second = std::time(nullptr);; ++second) {
    Path path = folder / io::tfevents_file_name(second);
    if (!path_exists(path)) return path;
  }
}

}  // namespace

std::string to_json_line(const LogRow& row) {
  fmt::memory_buffer line;
  fmt::format_to(std::back_inserter(line), "{{\"step\": {}", row.step);
  for (const auto& [name, value] : row.figures) {
    fmt::format_to(std::back_inserter(line), ", ");
    append_figure(line, name, value);
  }
  fmt::format_to(std::back_inserter(line), ", \"{}\": {{", kTime);
  std::string_view separator;
  for (const auto& [name, value] : row.time) {
    fmt::format_to(std::back_inserter(line), "{}", separator);
    append_figure(line, name, value);
    separator = ", ";
  }
  fmt::format_to(std::back_inserter(line), "}}}}");
  return fmt::to_string(line);
}

RunLog::RunLog(FileSystem& files, Path folder, std::uint64_t step) {
  files.make_directories(folder);
  const Path path = folder / "metrics.jsonl";
  const std::vector<Path> old = event_files(folder);
  events_ = std::make_unique<io::TfEventsWriter>(
      files, new_event_file(folder), static_cast<double>(std::time(nullptr)));
  const auto keep = [&](const nlohmann::json& line) {
    const LogRow row = parse_row(path, line);
    if (row.step > step) return false;
    write_event(*events_, row);
    return true;
  };
  lines_ = std::make_unique<io::JsonlWriter>(io::JsonlWriter::resume(files, path, keep));
  for (const Path& event_file : old) files.remove(event_file);
}

void RunLog::add(const LogRow& row) {
  lines_->append(to_json_line(row));
  write_event(*events_, row);
}

void RunLog::sync() {
  lines_->sync();
  events_->sync();
}

}  // namespace tenfold::train
