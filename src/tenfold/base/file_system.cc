// SPDX-License-Identifier: Apache-2.0
#include "tenfold/base/file_system.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "tenfold/base/descriptor.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold {
namespace {

class RealFile final : public WritableFile {
 public:
  RealFile(Path path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}

  void write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t count = ::write(descriptor_.get(), bytes.data(), bytes.size());
      if (count < 0) {
        if (errno == EINTR) continue;
        throw_errno("write", path_, errno);
      }
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
  }

  void sync() override {
    // Pipes and devices such as /dev/stdout cannot be synced; that is not a failure.
    if (::fsync(descriptor_.get()) != 0 && errno != EINVAL && errno != EROFS)
      throw_errno("sync", path_, errno);
  }

  void close() override {
    if (::close(descriptor_.release()) != 0) throw_errno("close", path_, errno);
  }

 private:
  Path path_;
  Descriptor descriptor_;
};

class RealFileSystem final : public FileSystem {
 public:
  std::unique_ptr<WritableFile> create(const Path& path) override {
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor < 0) throw_errno("create", path, errno);
    return std::make_unique<RealFile>(path, descriptor);
  }

  void rename(const Path& from, const Path& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) throw_errno("rename a finished file to", to, errno);
  }

  void exchange(const Path& a, const Path& b) override {
    if (::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0) return;
    if (errno != EINVAL && errno != ENOSYS) throw_errno("exchange a finished folder with", b, errno);
    throw Error(ErrorClass::kFile,
                "file.cannot_exchange",
                {.what = "cannot replace " + b.string() + " in one step",
                 .seen = "a file system without atomic exchange",
                 .remedy = "remove or rename it first, or choose another name"});
  }

  void remove(const Path& path) override {
    if (::remove(path.c_str()) != 0) throw_errno("remove", path, errno);
  }

  void make_directories(const Path& path) override {
    std::error_code failure;
    std::filesystem::create_directories(path, failure);
    if (failure) throw_errno("create folder", path, failure.value());
  }

  void sync_directory(const Path& path) override {
    const Descriptor folder(::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder.get() < 0) throw_errno("open folder", path, errno);
    if (::fsync(folder.get()) != 0 && errno != EINVAL && errno != EROFS)
      throw_errno("sync folder", path, errno);
  }

  std::uint64_t free_space(const Path& path) override {
    struct statvfs info {};
    if (::statvfs(path.empty() ? "." : path.c_str(), &info) != 0)
      throw_errno("ask the free space of", path, errno);
    return std::uint64_t{info.f_bavail} * info.f_frsize;
  }
};

// A file that shrank meanwhile gives what there is.
std::size_t read_all(const OpenFile& file, const Path& path, std::span<std::byte> target) {
  std::size_t filled = 0;
  while (filled < target.size()) {
    const std::size_t count = read_some(file.descriptor, target.subspan(filled), path.string());
    if (count == 0) break;
    filled += count;
  }
  return filled;
}

Path temporary_name(const Path& path) {
  static std::atomic<unsigned> counter{0};
  Path name = path;
  name += fmt::format(".tmp-{}-{}", ::getpid(), counter++);
  return name;
}

// After a failure, which is the one to report.
void remove_quietly(const Path& path) {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
}

// A rename would put a plain file in the place of a folder's name or, for root, of /dev/null or /dev/stdout.
void check_replaceable(const Path& path) {
  std::error_code failure;
  const std::filesystem::file_status status = std::filesystem::status(path, failure);
  if (status.type() == std::filesystem::file_type::not_found) return;
  if (failure) throw_errno("write", path, failure.value());
  // /dev/stdout is a link into /proc even when it is redirected to a regular file.
  const bool descriptor_link = std::filesystem::read_symlink(path, failure).string().starts_with("/proc/");
  if (std::filesystem::is_regular_file(status) && !descriptor_link) return;
  struct stat info {};
  const unsigned mode = ::stat(path.c_str(), &info) == 0 ? info.st_mode : 0;
  throw_not_regular("write", path, mode, "name a file; an existing one is replaced");
}

}  // namespace

FileSystem& real_file_system() {
  static RealFileSystem instance;
  return instance;
}

bool path_exists(const Path& path) {
  std::error_code failure;
  const std::filesystem::file_status status = std::filesystem::status(path, failure);
  if (status.type() == std::filesystem::file_type::not_found) return false;
  if (failure) throw_errno("look for", path, failure.value());
  return true;
}

Error naming_target(const Error& error, const Path& temporary, const Path& target) {
  ErrorText text = error.text();
  constexpr std::size_t kLongest = 4096;
  for (const std::string& name : {temporary.string(), printable(temporary.string(), kLongest)}) {
    for (std::string* part : {&text.what, &text.seen}) {
      const std::size_t at = part->find(name);
      if (at != std::string::npos) part->replace(at, name.size(), printable(target.string(), kLongest));
    }
  }
  return Error(error.error_class(), error.code(), std::move(text));
}

std::string read_text_file(const Path& path, std::uint64_t limit) {
  const OpenFile file = open_regular_file(path, limit);
  std::string text(file.size, '\0');
  text.resize(read_all(file, path, std::as_writable_bytes(std::span(text.data(), text.size()))));
  return text;
}

std::vector<std::byte> read_binary_file(const Path& path, std::uint64_t limit) {
  const OpenFile file = open_regular_file(path, limit);
  std::vector<std::byte> bytes(file.size);
  bytes.resize(read_all(file, path, bytes));
  return bytes;
}

void write_file_atomically(FileSystem& files, const Path& path, std::string_view content) {
  write_file_atomically(files, path, [&](WritableFile& file) {
    file.write(std::as_bytes(std::span(content.data(), content.size())));
  });
}

void write_file_atomically(FileSystem& files,
                           const Path& path,
                           const std::function<void(WritableFile&)>& write_content) {
  check_replaceable(path);
  const Path temporary = temporary_name(path);
  try {
    const std::unique_ptr<WritableFile> file = files.create(temporary);
    write_content(*file);
    file->sync();
    file->close();
    files.rename(temporary, path);
  } catch (const Error& error) {
    remove_quietly(temporary);
    throw naming_target(error, temporary, path);
  } catch (...) {
    remove_quietly(temporary);
    throw;
  }
  files.sync_directory(path.parent_path());
}

}  // namespace tenfold
