// SPDX-License-Identifier: Apache-2.0
// `tenfold info PATH`: what a file or a bundle holds, without loading it.
#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"
#include "tenfold/cli/commands.h"
#include "tenfold/io/bundle.h"
#include "tenfold/io/csv.h"
#include "tenfold/io/idx.h"
#include "tenfold/io/image.h"
#include "tenfold/io/json.h"
#include "tenfold/io/jsonl.h"
#include "tenfold/io/npy.h"
#include "tenfold/io/safetensors.h"
#include "tenfold/io/tfevents.h"
#include "tenfold/io/vecs.h"
#include "tenfold/report/table.h"

namespace tenfold::cli {
namespace {

struct InfoOptions {
  std::string path;
  void visit_fields(auto&& field) {
    field("path", path, {.help = "file or bundle folder", .positional = true, .required = true});
  }
};

// Filled by one inspector: figures for JSON and the first table, and further tables.
struct Finding {
  nlohmann::json json;
  std::vector<report::Table> tables;
};

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  std::vector<std::string> parts;
  for (std::uint64_t size : shape) parts.push_back(std::to_string(size));
  return "[" + join(parts, ", ") + "]";
}

Finding tensors(const io::SafetensorsReader& reader) {
  Finding finding;
  report::Table table{fmt::format("{} tensors", reader.size()), {"name", "type", "shape", "bytes"}, {}, {}};
  nlohmann::json list = nlohmann::json::array();
  std::uint64_t bytes = 0;
  for (const std::string& name : reader.names()) {
    const io::TensorInfo info = reader.info(name);
    bytes += info.bytes;
    table.rows.push_back({printable(name),
                          std::string(io::to_string(info.dtype)),
                          shape_text(info.shape),
                          std::to_string(info.bytes)});
    list.push_back(
        {{"name", name}, {"dtype", io::to_string(info.dtype)}, {"shape", info.shape}, {"bytes", info.bytes}});
  }
  for (const auto& [key, value] : reader.metadata())
    table.notes.push_back(printable(key) + ": " + printable(value));
  finding.json = {
      {"kind", "safetensors"}, {"tensors", list}, {"bytes", bytes}, {"metadata", reader.metadata()}};
  finding.tables = {std::move(table)};
  return finding;
}

Finding bundle(const Path& path) {
  const io::BundleReader reader = io::BundleReader::open(path);
  reader.verify_all();
  const io::BundleManifest& manifest = reader.manifest();
  Finding finding;
  report::Table table{fmt::format("bundle of {} by {}, format {}: all hashes right",
                                  manifest.system,
                                  printable(manifest.created_by),
                                  manifest.format_version),
                      {"member", "bytes", "sha256"},
                      {},
                      {}};
  nlohmann::json members = nlohmann::json::array();
  for (const io::BundleMember& member : manifest.members) {
    table.rows.push_back({member.name, std::to_string(member.size), member.sha256});
    members.push_back({{"name", member.name}, {"size", member.size}, {"sha256", member.sha256}});
  }
  finding.json = {{"kind", "bundle"},
                  {"system", manifest.system},
                  {"created_by", manifest.created_by},
                  {"format_version", manifest.format_version},
                  {"members", members}};
  finding.tables = {std::move(table)};
  if (reader.has("weights.safetensors")) {
    Finding weights = tensors(reader.open_tensors());
    finding.json["weights"] = std::move(weights.json);
    finding.tables.push_back(std::move(weights.tables.front()));
  }
  return finding;
}

Finding figures(const std::string& kind, nlohmann::json json) {
  report::Table table{kind, {"what", "value"}, {}, {}};
  for (const auto& [key, value] : json.items()) {
    table.rows.push_back({key, value.is_string() ? printable(value.get<std::string>()) : value.dump()});
  }
  json["kind"] = kind;
  return {std::move(json), {std::move(table)}};
}

Finding npy(const Path& path) {
  const io::NpyArray array = io::read_npy(path);
  return figures("npy", {{"dtype", io::to_string(array.dtype)}, {"shape", array.shape}});
}

Finding idx(const Path& path) {
  const io::IdxInfo info = io::idx_info(io::InputFile::open(path));
  return figures(
      "idx", {{"dtype", io::to_string(info.dtype)}, {"shape", info.shape}, {"compressed", info.compressed}});
}

template <typename T>
Finding vecs(const Path& path, const std::string& kind) {
  io::VecsOptions first;
  first.max_rows = 1;
  const std::uint32_t dimension = io::read_vecs<T>(path, first).dimension;
  return figures(kind,
                 {{"rows", io::count_vecs_rows<T>(io::InputFile::open(path))}, {"dimension", dimension}});
}

Finding picture(const Path& path) {
  const io::ImageInfo info = io::image_info(read_binary_file(path, std::uint64_t{256} << 20));
  return figures(
      std::string(io::to_string(info.format)),
      {{"width", info.width}, {"height", info.height}, {"channels", info.channels}, {"bits", info.bits}});
}

Finding csv(const Path& path) {
  io::FileSource source(path);
  io::CsvReader reader(source);
  io::CsvRow row;
  std::uint64_t rows = 0;
  while (reader.next(row)) ++rows;
  return figures("csv", {{"rows", rows}, {"columns", reader.header()}});
}

Finding jsonl(const Path& path) {
  io::FileSource source(path);
  io::JsonlReader reader(source);
  nlohmann::json value;
  std::uint64_t objects = 0;
  while (reader.next(value)) ++objects;
  return figures("jsonl", {{"objects", objects}});
}

Finding json(const Path& path) {
  const nlohmann::json value = io::parse_json(read_text_file(path, 16 << 20), path.string());
  return figures("json", {{"type", value.type_name()}, {"size", value.size()}});
}

Finding tfevents(const Path& path) {
  const std::vector<io::TfEvent> events = io::read_tfevents(path);
  std::int64_t last = 0;
  std::map<std::string, int> tags;
  for (const io::TfEvent& event : events) {
    last = std::max(last, event.step);
    for (const io::TfScalar& scalar : event.scalars) ++tags[scalar.tag];
  }
  return figures("tfevents", {{"events", events.size()}, {"last_step", last}, {"values_per_tag", tags}});
}

using Inspector = Finding (*)(const Path&);
struct Kind {
  std::string_view ending;
  Inspector inspect;
};
constexpr std::array kKinds = {
    Kind{".safetensors", [](const Path& path) { return tensors(io::SafetensorsReader::open(path)); }},
    Kind{".npy", npy},
    Kind{".idx", idx},
    Kind{"-ubyte", idx},
    Kind{".gz", idx},
    Kind{".fvecs", [](const Path& path) { return vecs<float>(path, "fvecs"); }},
    Kind{".ivecs", [](const Path& path) { return vecs<std::int32_t>(path, "ivecs"); }},
    Kind{".bvecs", [](const Path& path) { return vecs<std::uint8_t>(path, "bvecs"); }},
    Kind{".png", picture},
    Kind{".jpg", picture},
    Kind{".jpeg", picture},
    Kind{".csv", csv},
    Kind{".jsonl", jsonl},
    Kind{".json", json},
};

Finding inspect(const Path& path) {
  std::error_code unreadable;  // the readers say what is wrong with the path
  if (std::filesystem::is_directory(path, unreadable)) return bundle(path);
  const std::string name = path.filename().string();
  if (name.find("tfevents") != std::string::npos) return tfevents(path);
  if (to_lower(path.extension().string()).starts_with(".idx")) return idx(path);  // .idx3-ubyte, .idx1
  std::vector<std::string> endings;
  for (const Kind& kind : kKinds) {
    if (to_lower(name).ends_with(kind.ending)) return kind.inspect(path);
    endings.emplace_back(kind.ending);
  }
  io::InputFile::open(path);  // a missing file deserves that answer before a remark on its name
  throw Error(ErrorClass::kData,
              "info.unknown_kind",
              {.what = "the kind of this file is not known",
               .seen = printable(name),
               .wanted = "a bundle folder, an event file, or a name ending in " + join(endings, ", "),
               .remedy = "rename the file if it is of one of these kinds"});
}

systems::Outcome info(const InfoOptions& options, systems::Context&) {
  Finding finding = inspect(options.path);
  finding.json["path"] = options.path;
  std::string text;
  for (const report::Table& table : finding.tables) text += report::to_terminal(table) + "\n";
  return systems::make_outcome(std::move(finding.json), std::move(text));
}

}  // namespace

systems::Verb make_info_command() {
  return systems::make_verb<InfoOptions>(
      "info",
      "print what a file or a bundle holds",
      "Knows bundles, safetensors, npy, IDX (plain or gzip), fvecs, ivecs, bvecs, PNG, JPEG, "
      "CSV, JSON, JSON lines and TensorBoard event files. "
      "A bundle's hashes are verified.",
      {},
      info);
}

}  // namespace tenfold::cli
