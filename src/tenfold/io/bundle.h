// SPDX-License-Identifier: Apache-2.0
// A bundle: one folder that holds a trained or fitted system. Members have fixed names, and manifest.json lists each
// with its size and SHA-256 (docs/bundle-format.md). Reading trusts nothing: no path outside the folder is opened, no
// link followed, and no byte used before its hash is verified. Writing replaces a bundle in one step or not at all.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenfold/base/file_system.h"
#include "tenfold/io/input_file.h"
#include "tenfold/io/safetensors.h"

namespace tenfold::io {

inline constexpr std::uint64_t kBundleFormatVersion = 1;

// The only names a member can have, in the order of docs/bundle-format.md.
std::span<const std::string_view> bundle_member_names();

struct BundleMember {
  std::string name;
  std::uint64_t size = 0;  // bytes
  std::string sha256;      // 64 lower-case hexadecimal digits
};

struct BundleManifest {
  std::uint64_t format_version = kBundleFormatVersion;
  std::string system;      // "trends"; lower-case letters, digits, '-' and '_', at most 64
  std::string created_by;  // "tenfold 0.1.0"; UTF-8, at most 256 bytes
  std::vector<BundleMember> members;
};

// Checks text against every rule of the format. `place` begins the messages. Throws Error(kFile) with the codes of parse_json,
// or "bundle.manifest_field" (missing, unknown or of the wrong kind), "bundle.newer_version", "bundle.member_name",
// "bundle.duplicate_member", "bundle.member_hash".
BundleManifest parse_bundle_manifest(std::string_view text, std::string_view place);
// Throws Error(kData, "bundle.manifest_field") when a text is not UTF-8.
std::string format_bundle_manifest(const BundleManifest& manifest);

// Removes the bundle at `folder`: the manifest first, so that a folder that is half removed does not look like a bundle. A
// folder without a manifest is what an interrupted removal or write left, and is removed too. Throws Error(kFile,
// "bundle.target_not_a_bundle") and removes nothing when the folder holds other files than members.
void remove_bundle(FileSystem& files, const Path& folder);

class BundleReader {
 public:
  // Opens the folder and checks its manifest, and that each member is there: a regular file with one name and the right
  // size. Hashes are checked when a member is opened. The folder argument itself may be reached through links, which is the
  // caller's choice; below it none is followed. Never blocks. Throws Error(kFile): "file.not_found",
  // "bundle.not_a_folder", "bundle.no_manifest", the codes of parse_bundle_manifest and of InputFile::open_member,
  // "bundle.member_missing", "bundle.size_mismatch".
  static BundleReader open(const Path& folder);

  BundleReader(BundleReader&&) noexcept;
  BundleReader& operator=(BundleReader&&) noexcept;
  ~BundleReader();

  const Path& path() const;
  const BundleManifest& manifest() const;
  bool has(std::string_view member) const;

  // Each reads the whole member once to verify its hash first. Throws Error(kFile): "bundle.hash_mismatch",
  // "bundle.no_such_member", "file.too_large" (text over `limit` bytes) and what the named reader throws.
  InputFile open_member(std::string_view member) const;
  std::string read_text(std::string_view member, std::uint64_t limit = std::uint64_t{64} << 20) const;
  SafetensorsReader open_tensors(std::string_view member = "weights.safetensors") const;
  void verify_all() const;

 private:
  struct State;
  explicit BundleReader(std::unique_ptr<State> state);
  InputFile open_unverified(const BundleMember& member) const;
  const BundleMember& find(std::string_view member) const;

  std::unique_ptr<State> state_;
};

// Collects members in a hidden folder beside the target and puts it in place by commit(). Until commit() returns, an
// existing bundle at the target is untouched; without commit() the hidden folder is removed.
class BundleWriter {
 public:
  struct Options {
    std::string system;
    std::string created_by;
  };

  // Throws Error(kFile, "bundle.target_not_a_bundle") when the target is something else than a bundle, a bundle with
  // other files beside its members (they would be lost), an empty folder, or nothing.
  BundleWriter(FileSystem& files, Path target, Options options);
  BundleWriter(const BundleWriter&) = delete;
  BundleWriter& operator=(const BundleWriter&) = delete;
  ~BundleWriter();

  // Throws Error(kData): "bundle.member_name" (not in bundle_member_names()), "bundle.duplicate_member".
  void add(std::string_view member, std::string_view content);
  void add(std::string_view member, const std::function<void(WritableFile&)>& write_content);

  // Writes the manifest, makes everything durable and swaps the folder in. The old bundle is then removed; if only that
  // fails, the new bundle stands and "bundle.cleanup" (kFile) names the folder to remove.
  BundleManifest commit();

 private:
  void write_member(std::string_view name, const std::function<void(WritableFile&)>& write_content);

  FileSystem& files_;
  Path target_;
  Path temporary_;
  BundleManifest manifest_;
  std::vector<std::string> created_;  // files in the temporary folder
  bool committed_ = false;
};

}  // namespace tenfold::io
