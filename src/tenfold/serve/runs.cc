// SPDX-License-Identifier: Apache-2.0
#include "tenfold/serve/runs.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>

#include "tenfold/base/strings.h"
#include "tenfold/io/input_file.h"
#include "tenfold/io/json.h"
#include "tenfold/serve/verb_api.h"

namespace tenfold::serve {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 5> kMembers = {
    "config.toml", "manifest.json", "metrics.jsonl", "result.json", "run.json"};
constexpr std::size_t kMostEntries = 1000;
constexpr std::size_t kMostRows = 5000;
constexpr std::uint64_t kChunk = std::uint64_t{1} << 20;
constexpr std::uint64_t kMemberLimit = std::uint64_t{4} << 20;
constexpr std::uint64_t kSummaryLimit = std::uint64_t{256} << 10;

class Folder {
 public:
  explicit Folder(int descriptor) : descriptor_(descriptor) {}
  Folder(Folder&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Folder& operator=(Folder&&) = delete;
  ~Folder() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  bool open() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

// The operator's own folder may be reached through links; below it none is followed.
Folder open_root(const Path& path) {
  return Folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}
Folder open_child(const Folder& root, const std::string& name) {
  return Folder(::openat(root.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}
Folder open_place(const RunPlace& place) {
  Folder root = open_root(place.root);
  if (place.child.empty() || !root.open()) return root;
  return open_child(root, place.child);
}

// Regular files only, each with one name.
std::vector<std::string> members_of(const Folder& folder) {
  std::vector<std::string> members;
  for (std::string_view name : kMembers) {
    struct stat info {};
    const bool there = ::fstatat(folder.get(), std::string(name).c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && S_ISREG(info.st_mode) && info.st_nlink == 1) members.emplace_back(name);
  }
  return members;
}

bool has(const std::vector<std::string>& members, std::string_view name) {
  return std::find(members.begin(), members.end(), name) != members.end();
}

std::optional<FolderEntry> entry_of(const RunPlace& place, const Folder& folder) {
  if (!folder.open()) return std::nullopt;
  const Path own = std::filesystem::path(place.root).lexically_normal();
  std::string name = place.child;
  if (name.empty())
    name = own.has_filename() ? own.filename().string() : own.parent_path().filename().string();
  FolderEntry entry{name, place, FolderKind::kRun, members_of(folder)};
  if (has(entry.members, "manifest.json")) {
    entry.kind = FolderKind::kBundle;
    return entry;
  }
  const bool run = has(entry.members, "run.json") || has(entry.members, "metrics.jsonl") ||
                   has(entry.members, "result.json");
  return run ? std::optional(entry) : std::nullopt;
}

std::vector<std::string> children_of(const Folder& root) {
  std::vector<std::string> names;
  DIR* listing = ::fdopendir(::dup(root.get()));
  if (listing == nullptr) return names;
  while (const dirent* item = ::readdir(listing)) {
    const std::string name = item->d_name;
    const bool plain = !name.starts_with(".") && is_valid_utf8(name) && name.size() <= 255;
    if (plain && names.size() < 10 * kMostEntries) names.push_back(name);
  }
  ::closedir(listing);
  std::sort(names.begin(), names.end());
  return names;
}

// The member as JSON; an object with "damaged" when it is not.
json json_member(const FolderEntry& entry, const std::string& member, std::uint64_t limit) {
  try {
    return io::parse_json(RunLibrary::read(entry, member, limit), member);
  } catch (const Error& error) {
    return {{"damaged", error.code()}};
  }
}

json to_json(const FolderEntry& entry) {
  json object = {{"name", entry.name},
                 {"kind", entry.kind == FolderKind::kRun ? "run" : "bundle"},
                 {"members", entry.members}};
  object["finished"] = has(entry.members, "run.json") || has(entry.members, "result.json");
  if (has(entry.members, "run.json")) object["run"] = json_member(entry, "run.json", kSummaryLimit);
  return object;
}

std::uint64_t number(const Request& request,
                     std::string_view name,
                     std::uint64_t fallback,
                     std::uint64_t most) {
  const std::string* text = request.parameter(name);
  if (text == nullptr) return fallback;
  const auto value = parse_integer(*text);
  if (value && *value >= 0) return std::min<std::uint64_t>(static_cast<std::uint64_t>(*value), most);
  throw HttpError(400,
                  "serve.bad_word",
                  {.what = std::string(name) + " cannot be read",
                   .seen = printable(*text, 40),
                   .wanted = "an integer of 0 or more"});
}

void answer_list(const RunLibrary& library, const ExchangePtr& exchange) {
  json list = json::array();
  for (const FolderEntry& entry : library.scan()) list.push_back(to_json(entry));
  respond_json(exchange, {{"runs", list}});
}

void answer_run(const FolderEntry& entry, const ExchangePtr& exchange) {
  json object = to_json(entry);
  for (const char* member : {"run.json", "result.json", "manifest.json"}) {
    const std::string key = std::string(member).substr(0, std::string(member).find('.'));
    if (has(entry.members, member)) object[key] = json_member(entry, member, kMemberLimit);
  }
  if (has(entry.members, "config.toml")) {
    object["config"] = RunLibrary::read(entry, "config.toml", kMemberLimit);
  }
  respond_json(exchange, object);
}

void answer_metrics(const FolderEntry& entry, const ExchangePtr& exchange) {
  const Request& request = exchange->request();
  const MetricRows rows = RunLibrary::metrics(entry.place,
                                              number(request, "after", 0, std::uint64_t{1} << 60),
                                              number(request, "limit", kMostRows, kMostRows));
  Response response;
  response.body = fmt::format(
      R"({{"rows":[{}],"next":{},"at_end":{}}})", fmt::join(rows.lines, ","), rows.next, rows.at_end);
  exchange->respond(std::move(response));
}

void answer_file(const FolderEntry& entry, const std::string& member, const ExchangePtr& exchange) {
  Response response;
  response.content_type = member.ends_with(".json") ? "application/json" : "text/plain; charset=utf-8";
  response.body = RunLibrary::read(entry, member, 4 * kMemberLimit);
  response.headers.emplace_back("Content-Disposition",
                                "attachment; filename=\"" + safe_name(member, "file") + "\"");
  exchange->respond(std::move(response));
}

}  // namespace

RunLibrary::RunLibrary(std::vector<Path> folders) : folders_(std::move(folders)) {}

std::vector<FolderEntry> RunLibrary::scan() const {
  std::vector<FolderEntry> entries;
  std::set<std::string> names;
  const auto add = [&](FolderEntry entry) {
    if (entries.size() == kMostEntries) return;
    const std::string base = entry.name;
    for (int copy = 2; !names.insert(entry.name).second; ++copy)
      entry.name = fmt::format("{}~{}", base, copy);
    entries.push_back(std::move(entry));
  };
  for (const Path& path : folders_) {
    const Folder root = open_root(path);
    if (!root.open()) continue;
    if (auto entry = entry_of({path, ""}, root)) {
      add(std::move(*entry));
      continue;
    }
    for (const std::string& name : children_of(root)) {
      if (auto entry = entry_of({path, name}, open_child(root, name))) add(std::move(*entry));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

FolderEntry RunLibrary::find(std::string_view name) const {
  for (FolderEntry& entry : scan()) {
    if (entry.name == name) return std::move(entry);
  }
  throw HttpError(404,
                  "serve.unknown_run",
                  {.what = "there is no run of this name",
                   .seen = printable(name, 64),
                   .remedy = "see /api/runs for all runs"});
}

std::string RunLibrary::read(const FolderEntry& entry, const std::string& member, std::uint64_t limit) {
  if (!has(entry.members, member)) {
    throw HttpError(404,
                    "serve.unknown_member",
                    {.what = "the run has no such file",
                     .seen = printable(member, 64),
                     .wanted = "one of " + join(entry.members, ", ")});
  }
  const Folder folder = open_place(entry.place);
  if (!folder.open()) throw Error(ErrorClass::kFile, "file.not_found", {.what = "the folder is gone"});
  const io::InputFile file = io::InputFile::open_member(folder.get(), member, member);
  if (file.size() > limit) {
    throw Error(ErrorClass::kFile,
                "file.too_large",
                {.what = member + " is too large", .seen = fmt::format("{} bytes", file.size())});
  }
  std::string text(file.size(), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

MetricRows RunLibrary::metrics(const RunPlace& run, std::uint64_t after, std::size_t rows) {
  MetricRows result;
  result.next = after;
  const Folder folder = open_place(run);
  if (!folder.open() || !has(members_of(folder), "metrics.jsonl")) return result;
  const io::InputFile file = io::InputFile::open_member(folder.get(), "metrics.jsonl", "metrics.jsonl");
  if (after >= file.size()) {
    result.next = file.size();  // a continued run drops rows that its checkpoint does not have
    return result;
  }
  std::string text(std::min(kChunk, file.size() - after), '\0');
  file.read_at(after, std::as_writable_bytes(std::span(text.data(), text.size())));
  std::size_t begin = 0;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    if (result.lines.size() == rows) break;
    const std::string_view line = trim(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    if (!line.starts_with("{") || !is_valid_utf8(line) || !json::accept(line)) continue;
    result.lines.emplace_back(line);
  }
  // A line longer than a chunk is no metric: it is passed over.
  if (begin == 0 && text.size() == kChunk) begin = text.size();
  result.next = after + begin;
  result.at_end = result.next == file.size() || begin == 0;
  return result;
}

void add_runs(Router& router, const RunLibrary& library, Dispatcher& calls, const Scrubber& scrubber) {
  using Answer = std::function<void(const ExchangePtr&, const PathValues&)>;
  const auto add = [&](std::string pattern, RouteDoc doc, Answer answer) {
    Route route;
    route.pattern = std::move(pattern);
    route.doc = std::move(doc);
    route.handle = [&calls, &scrubber, answer = std::move(answer)](const ExchangePtr& exchange,
                                                                   const PathValues& values) {
      submit_call(calls, scrubber, exchange, [answer, values](const ExchangePtr& waiting) {
        answer(waiting, values);
      });
    };
    router.add(std::move(route));
  };
  add("/api/runs",
      {"runs", "run folders and bundles of this server"},
      [&library](const ExchangePtr& exchange, const PathValues&) { answer_list(library, exchange); });
  RouteDoc one{"runs", "configuration and result of a run"};
  one.failures = {404};
  add("/api/runs/{name}", one, [&library](const ExchangePtr& exchange, const PathValues& values) {
    answer_run(library.find(values.at("name")), exchange);
  });
  RouteDoc metrics{
      "runs",
      "rows of metrics.jsonl",
      {{"after", "byte to begin at: `next` of the answer before", R"({"type":"integer","minimum":0})"},
       {"limit", "most rows", R"({"type":"integer","minimum":1,"maximum":5000})"}}};
  metrics.failures = {404};
  add("/api/runs/{name}/metrics", metrics, [&library](const ExchangePtr& exchange, const PathValues& values) {
    answer_metrics(library.find(values.at("name")), exchange);
  });
  RouteDoc file{"runs", "one file of a run: config.toml, metrics.jsonl, result.json, run.json"};
  file.answer = "application/octet-stream";
  file.failures = {404};
  add("/api/runs/{name}/files/{member}",
      file,
      [&library](const ExchangePtr& exchange, const PathValues& values) {
        answer_file(library.find(values.at("name")), values.at("member"), exchange);
      });
}

}  // namespace tenfold::serve
