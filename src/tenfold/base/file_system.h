// SPDX-License-Identifier: Apache-2.0
// The injectable file layer: everything the toolkit writes goes through a FileSystem, so tests can make
// the N-th operation fail (RELIABILITY: fault injection) and prove that nothing is lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tenfold {

using Path = std::filesystem::path;
class Error;

// A file being written. Every method throws Error(kFile) or, for a full disk, Error(kResource).
class WritableFile {
 public:
  virtual ~WritableFile() = default;
  virtual void write(std::span<const std::byte> bytes) = 0;
  virtual void sync() = 0;   // fsync
  virtual void close() = 0;  // reports late write errors; the destructor closes silently
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual std::unique_ptr<WritableFile> create(const Path& path) = 0;  // O_CREAT|O_TRUNC, 0644
  virtual void rename(const Path& from, const Path& to) = 0;           // atomic replace
  // Swaps two existing files or folders atomically: how a whole folder is replaced without a moment in which it is missing.
  // Throws Error(kFile, "file.cannot_exchange") where the file system does not offer it (NFS, some FUSE).
  virtual void exchange(const Path& a, const Path& b) = 0;
  virtual void remove(const Path& path) = 0;  // a file or an empty folder
  virtual void make_directories(const Path& path) = 0;
  virtual void sync_directory(const Path& path) = 0;
  virtual std::uint64_t free_space(const Path& path) = 0;  // bytes available to this user
};

// The operating system's files. Stateless and thread-safe.
FileSystem& real_file_system();

// Readers. `limit`: refuse larger files with Error(kFile, "file.too_large") before allocating.
// Only regular files are read: a FIFO, device or folder is refused with "file.not_regular".
inline constexpr std::uint64_t kDefaultReadLimit = std::uint64_t{1} << 30;
std::string read_text_file(const Path& path, std::uint64_t limit = kDefaultReadLimit);
std::vector<std::byte> read_binary_file(const Path& path, std::uint64_t limit = kDefaultReadLimit);

// False when nothing has this name. Throws Error(kFile) for a path that cannot be looked up: too long, a circular link, no
// right to its folder.
bool path_exists(const Path& path);

// The same error with `target` where its text names `temporary`: users know the file they asked for.
Error naming_target(const Error& error, const Path& temporary, const Path& target);

// Writes beside `path` under a temporary name, syncs, renames over it and syncs the folder. On any failure
// the old content of `path` is untouched and the temporary file is removed; only when the last step, the sync
// of the folder, fails is the new content already in place (whole, but a power cut may still undo the rename).
// A symbolic link is replaced, never written through. A folder, device, FIFO or socket is refused with
// "file.not_regular".
void write_file_atomically(FileSystem& files, const Path& path, std::string_view content);
void write_file_atomically(FileSystem& files,
                           const Path& path,
                           const std::function<void(WritableFile&)>& write_content);

}  // namespace tenfold
