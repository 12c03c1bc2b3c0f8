// SPDX-License-Identifier: Apache-2.0
// Writing a bundle: hidden folder, members, manifest last, everything synced, then one atomic swap.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "tenfold/base/error.h"
#include "tenfold/base/sha256.h"
#include "tenfold/base/strings.h"
#include "tenfold/io/bundle.h"

namespace tenfold::io {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifestName = "manifest.json";

// Passes bytes on, and keeps their number and hash for the manifest.
class HashingFile final : public WritableFile {
 public:
  explicit HashingFile(WritableFile& inner) : inner_(inner) {}

  void write(std::span<const std::byte> bytes) override {
    inner_.write(bytes);
    hash_.update(bytes);
    size_ += bytes.size();
  }
  void sync() override { inner_.sync(); }
  void close() override { inner_.close(); }

  std::uint64_t size() const { return size_; }
  std::string hex_digest() { return hash_.hex_digest(); }

 private:
  WritableFile& inner_;
  Sha256 hash_;
  std::uint64_t size_ = 0;
};

enum class Target { kAbsent, kEmptyFolder, kBundle, kWithoutManifest };

[[noreturn]] void refuse_target(const Path& target, std::string seen) {
  throw Error(ErrorClass::kFile,
              "bundle.target_not_a_bundle",
              {.what = fmt::format("cannot write or remove a bundle at {}", printable(target.string(), 400)),
               .seen = std::move(seen),
               .wanted = "a new name, an empty folder or a bundle to replace",
               .remedy = "choose another name, or move what is there"});
}

// What stands at the target. Refuses everything whose replacement would lose something else than a bundle.
Target inspect_target(const Path& target) {
  std::error_code failure;
  const fs::file_status status = fs::symlink_status(target, failure);
  if (status.type() == fs::file_type::not_found) return Target::kAbsent;
  if (status.type() != fs::file_type::directory) refuse_target(target, "a file, link or device");
  const auto names = bundle_member_names();
  bool has_manifest = false;
  bool empty = true;
  for (const fs::directory_entry& entry : fs::directory_iterator(target, failure)) {
    empty = false;
    const std::string name = entry.path().filename().string();
    if (name == kManifestName) {
      has_manifest = true;
    } else if (std::find(names.begin(), names.end(), name) == names.end()) {
      refuse_target(target, "a folder that holds " + printable(name));
    }
  }
  if (failure) refuse_target(target, "a folder that cannot be listed: " + failure.message());
  if (empty) return Target::kEmptyFolder;
  return has_manifest ? Target::kBundle : Target::kWithoutManifest;
}

// The same for a bundle to be written: members without a manifest may be somebody's own files.
Target inspect_replaceable(const Path& target) {
  const Target found = inspect_target(target);
  if (found == Target::kWithoutManifest) refuse_target(target, "a folder without manifest.json");
  return found;
}

Path parent_of(const Path& path) {
  return path.has_parent_path() ? path.parent_path() : Path(".");
}

Path without_trailing_slash(Path path) {
  path = path.lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

// A name beside `target` that nothing has yet, so that neither rename crosses file systems nor folders of a killed
// process are mixed in.
Path temporary_folder(const Path& target) {
  for (unsigned attempt = 0;; ++attempt) {
    Path name =
        parent_of(target) / fmt::format(".{}.tmp-{}-{}", target.filename().string(), ::getpid(), attempt);
    std::error_code ignored;
    if (fs::symlink_status(name, ignored).type() == fs::file_type::not_found) return name;
  }
}

}  // namespace

void remove_bundle(FileSystem& files, const Path& folder) {
  const Target found = inspect_target(folder);
  if (found == Target::kAbsent) return;
  if (found == Target::kBundle) files.remove(folder / kManifestName);
  std::error_code ignored;
  for (const std::string_view name : bundle_member_names()) {
    if (fs::exists(fs::symlink_status(folder / name, ignored))) files.remove(folder / name);
  }
  files.remove(folder);
}

BundleWriter::BundleWriter(FileSystem& files, Path target, Options options)
    : files_(files), target_(without_trailing_slash(std::move(target))) {
  if (target_.filename().empty() || target_.filename() == "." || target_.filename() == "..") {
    refuse_target(target_, "a name that stands for an existing folder");
  }
  inspect_replaceable(target_);
  manifest_.system = std::move(options.system);
  manifest_.created_by = std::move(options.created_by);
  parse_bundle_manifest(format_bundle_manifest(manifest_),
                        "options of the bundle");  // what we write, we must read
  files_.make_directories(parent_of(target_));
  temporary_ = temporary_folder(target_);
  files_.make_directories(temporary_);
}

BundleWriter::~BundleWriter() {
  if (committed_) return;
  // The failure that led here is the one to report; what cannot be removed stays behind under its hidden name.
  for (const std::string& name : created_) {
    try {
      files_.remove(temporary_ / name);
    } catch (const Error&) {
    }
  }
  try {
    files_.remove(temporary_);
  } catch (const Error&) {
  }
}

void BundleWriter::write_member(std::string_view name,
                                const std::function<void(WritableFile&)>& write_content) {
  created_.emplace_back(name);
  const std::unique_ptr<WritableFile> file = files_.create(temporary_ / name);
  write_content(*file);
  file->sync();
  file->close();
}

void BundleWriter::add(std::string_view member, std::string_view content) {
  add(member, [&](WritableFile& file) { file.write(std::as_bytes(std::span(content))); });
}

void BundleWriter::add(std::string_view member, const std::function<void(WritableFile&)>& write_content) {
  const auto names = bundle_member_names();
  const auto& members = manifest_.members;
  const auto refuse = [&](std::string_view code, std::string wanted) {
    throw Error(ErrorClass::kData,
                fmt::format("bundle.{}", code),
                {.what = "cannot add this member to a bundle",
                 .seen = printable(member),
                 .wanted = std::move(wanted),
                 .remedy = "use a fixed member name once"});
  };
  if (std::find(names.begin(), names.end(), member) == names.end()) {
    refuse("member_name", fmt::format("one of {}", fmt::join(names, " ")));
  }
  if (std::any_of(members.begin(), members.end(), [&](const auto& entry) { return entry.name == member; })) {
    refuse("duplicate_member", "each member once");
  }
  write_member(member, [&](WritableFile& file) {
    HashingFile hashing(file);
    write_content(hashing);
    manifest_.members.push_back(
        {.name = std::string(member), .size = hashing.size(), .sha256 = hashing.hex_digest()});
  });
}

BundleManifest BundleWriter::commit() {
  const std::string manifest = format_bundle_manifest(manifest_);
  write_member(kManifestName, [&](WritableFile& file) { file.write(std::as_bytes(std::span(manifest))); });
  files_.sync_directory(temporary_);
  const bool replaces = inspect_replaceable(target_) == Target::kBundle;
  if (replaces) {
    files_.exchange(temporary_, target_);
  } else {
    files_.rename(temporary_, target_);
  }
  committed_ = true;  // from here on the hidden folder, if any, is the former bundle
  files_.sync_directory(parent_of(target_));
  if (!replaces) return manifest_;
  try {
    remove_bundle(files_, temporary_);
  } catch (const Error& error) {
    ErrorText text = error.text();
    text.what = fmt::format("{} is written, but the former bundle could not be removed: {}",
                            printable(target_.string(), 400),
                            text.what);
    text.remedy = "remove " + temporary_.string();
    throw Error(error.error_class(), "bundle.cleanup", std::move(text));
  }
  return manifest_;
}

}  // namespace tenfold::io
