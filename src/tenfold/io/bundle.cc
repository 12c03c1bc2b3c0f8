// SPDX-License-Identifier: Apache-2.0
// Reading a bundle: everything is opened relative to one folder descriptor, by fixed names.
#include "tenfold/io/bundle.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "tenfold/base/descriptor.h"
#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/base/strings.h"

namespace tenfold::io {
namespace {

constexpr std::uint64_t kMaxManifest = 1 << 20;
constexpr std::uint64_t kHashBlock = 256 << 10;
constexpr const char* kManifestName = "manifest.json";

[[noreturn]] void refuse(std::string_view code, const Path& place, ErrorText text) {
  text.what = fmt::format("{}: {}", printable(place.string(), 400), text.what);
  throw Error(ErrorClass::kFile, std::string(code), std::move(text));
}

Descriptor open_folder(const Path& folder) {
  Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.is_open()) return descriptor;
  if (errno != ENOTDIR) throw_errno("open the bundle", folder.string(), errno);
  refuse(
      "bundle.not_a_folder",
      folder,
      {.what = "a bundle is a folder", .seen = "something else", .remedy = "name the folder of the bundle"});
}

std::string read_whole(const InputFile& file) {
  std::string text(file.size(), '\0');
  file.read_at(0, std::as_writable_bytes(std::span(text.data(), text.size())));
  return text;
}

void check_text_size(const InputFile& file, std::uint64_t limit) {
  if (file.size() <= limit) return;
  refuse("file.too_large",
         file.label(),
         {.what = "larger than the limit for this kind of file",
          .seen = fmt::format("{} bytes", file.size()),
          .wanted = fmt::format("at most {} bytes", limit),
          .remedy = "check that the bundle is the right one"});
}

void check_hash(const std::string& label, const BundleMember& member, const std::string& seen) {
  if (seen == member.sha256) return;
  refuse("bundle.hash_mismatch",
         label,
         {.what = "the content is not what the manifest says",
          .seen = "sha256 " + seen,
          .wanted = "sha256 " + member.sha256,
          .remedy = "the bundle is damaged or was edited: get it again"});
}

}  // namespace

struct BundleReader::State {
  Descriptor folder;
  Path path;
  BundleManifest manifest;
};

BundleReader::BundleReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
BundleReader::BundleReader(BundleReader&&) noexcept = default;
BundleReader& BundleReader::operator=(BundleReader&&) noexcept = default;
BundleReader::~BundleReader() = default;

BundleReader BundleReader::open(const Path& folder) {
  auto state = std::unique_ptr<State>(new State{open_folder(folder), folder, {}});
  const Path manifest_path = folder / kManifestName;
  try {
    const InputFile file = InputFile::open_member(state->folder.get(), kManifestName, manifest_path.string());
    check_text_size(file, kMaxManifest);
    state->manifest = parse_bundle_manifest(read_whole(file), printable(manifest_path.string(), 400));
  } catch (const Error& error) {
    if (error.code() != "file.not_found") throw;
    refuse("bundle.no_manifest",
           folder,
           {.what = "not a bundle: it has no manifest.json",
            .remedy = "name a folder written by tenfold, or write it again if writing was interrupted"});
  }
  BundleReader reader(std::move(state));
  for (const BundleMember& member : reader.manifest().members) reader.open_unverified(member);
  return reader;
}

const Path& BundleReader::path() const {
  return state_->path;
}
const BundleManifest& BundleReader::manifest() const {
  return state_->manifest;
}

bool BundleReader::has(std::string_view member) const {
  const auto& members = manifest().members;
  return std::any_of(members.begin(), members.end(), [&](const auto& entry) { return entry.name == member; });
}

const BundleMember& BundleReader::find(std::string_view member) const {
  for (const BundleMember& entry : manifest().members) {
    if (entry.name == member) return entry;
  }
  std::vector<std::string> names;
  for (const BundleMember& entry : manifest().members) names.push_back(entry.name);
  refuse("bundle.no_such_member",
         path(),
         {.what = "the bundle lacks a member that is needed",
          .seen = names.empty() ? "no members" : join(names, " "),
          .wanted = printable(member),
          .remedy = "use a bundle of the right system, or make it again"});
}

// Opened, of the right kind and size; the content is not verified.
InputFile BundleReader::open_unverified(const BundleMember& member) const {
  const std::string label = (path() / member.name).string();
  try {
    InputFile file = InputFile::open_member(state_->folder.get(), member.name, label);
    if (file.size() == member.size) return file;
    refuse("bundle.size_mismatch",
           label,
           {.what = "the size is not what the manifest says",
            .seen = fmt::format("{} bytes", file.size()),
            .wanted = fmt::format("{} bytes", member.size),
            .remedy = "the bundle is damaged or cut short: get it again"});
  } catch (const Error& error) {
    if (error.code() != "file.not_found") throw;
    refuse("bundle.member_missing",
           label,
           {.what = "the manifest lists this member, but it is not there",
            .remedy = "the bundle is incomplete: get it again"});
  }
}

InputFile BundleReader::open_member(std::string_view member) const {
  const BundleMember& entry = find(member);
  InputFile file = open_unverified(entry);
  Sha256 hash;
  std::vector<std::byte> block(std::min(kHashBlock, file.size()));
  for (std::uint64_t offset = 0; offset < file.size(); offset += block.size()) {
    const auto part = std::span(block).first(std::min<std::uint64_t>(block.size(), file.size() - offset));
    file.read_at(offset, part);
    hash.update(part);
  }
  check_hash(file.label(), entry, hash.hex_digest());
  return file;
}

std::string BundleReader::read_text(std::string_view member, std::uint64_t limit) const {
  const BundleMember& entry = find(member);
  const InputFile file = open_unverified(entry);
  check_text_size(file, limit);
  std::string text = read_whole(file);
  check_hash(file.label(), entry, sha256_hex(text));
  return text;
}

SafetensorsReader BundleReader::open_tensors(std::string_view member) const {
  return SafetensorsReader(open_member(member));
}

void BundleReader::verify_all() const {
  for (const BundleMember& member : manifest().members) open_member(member.name);
}

}  // namespace tenfold::io
