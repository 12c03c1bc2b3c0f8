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

#include "tenfold/base/error.h"

namespace tenfold {
namespace {

[[noreturn]] void throw_errno(std::string_view action, const Path& path, int error) {
  const std::string reason = std::generic_category().message(error);
  const std::string what = fmt::format("cannot {} {}", action, path.string());
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      throw Error(ErrorClass::kResource,
                  "file.no_space",
                  {.what = what, .seen = reason, .remedy = "free disk space or choose another folder"});
    case ENOENT:
    case ENOTDIR:
      throw Error(
          ErrorClass::kFile, "file.not_found", {.what = what, .seen = reason, .remedy = "check the path"});
    case EACCES:
    case EPERM:
    case EROFS:
      throw Error(ErrorClass::kFile,
                  "file.no_permission",
                  {.what = what, .seen = reason, .remedy = "check the rights of the file and its folder"});
    case ENAMETOOLONG:
    case ELOOP:
      throw Error(ErrorClass::kFile,
                  "file.bad_path",
                  {.what = what, .seen = reason, .remedy = "choose a shorter path without circular links"});
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      throw Error(ErrorClass::kResource,
                  "file.system_limit",
                  {.what = what, .seen = reason, .remedy = "close other programs or raise the limit"});
    default:
      throw Error(
          ErrorClass::kFile, "file.io", {.what = what, .seen = reason, .remedy = "check the disk and retry"});
  }
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

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

[[noreturn]] void throw_not_regular(std::string_view action,
                                    const Path& path,
                                    bool folder,
                                    std::string remedy) {
  throw Error(ErrorClass::kFile,
              "file.not_regular",
              {.what = fmt::format("cannot {} {}", action, path.string()),
               .seen = folder ? "a folder" : "a device, pipe or socket",
               .wanted = "a regular file",
               .remedy = std::move(remedy)});
}

// Opens a regular file for reading and gives its size. O_NONBLOCK: a FIFO must not hang the program.
Descriptor open_regular(const Path& path, std::uint64_t limit, std::uint64_t& size) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0 && errno == ENXIO) {  // what open() says of a socket
    throw_not_regular("read", path, false, "copy the content into a file first");
  }
  if (file.get() < 0) throw_errno("open", path, errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) throw_errno("inspect", path, errno);
  if (!S_ISREG(info.st_mode)) {
    throw_not_regular("read", path, S_ISDIR(info.st_mode), "copy the content into a file first");
  }
  size = static_cast<std::uint64_t>(info.st_size);
  if (size > limit) {
    throw Error(ErrorClass::kFile,
                "file.too_large",
                {.what = path.string() + " is larger than the limit for this kind of file",
                 .seen = fmt::format("{} bytes", size),
                 .wanted = fmt::format("at most {} bytes", limit),
                 .remedy = "check that it is the right file, or split it"});
  }
  return Descriptor(file.release());
}

void read_all(const Path& path, int descriptor, std::span<std::byte> target, std::size_t& filled) {
  filled = 0;
  while (filled < target.size()) {
    const ssize_t count = ::read(descriptor, target.data() + filled, target.size() - filled);
    if (count < 0) {
      if (errno == EINTR) continue;
      throw_errno("read", path, errno);
    }
    if (count == 0) return;  // the file shrank meanwhile: the caller keeps what there is
    filled += static_cast<std::size_t>(count);
  }
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
  const bool folder = std::filesystem::is_directory(status);
  // /dev/stdout is a link into /proc even when it is redirected to a regular file.
  const bool descriptor_link = std::filesystem::read_symlink(path, failure).string().starts_with("/proc/");
  if (std::filesystem::is_regular_file(status) && !descriptor_link) return;
  throw_not_regular("write", path, folder, "name a file; an existing one is replaced");
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
  for (std::string* part : {&text.what, &text.seen}) {
    const std::size_t at = part->find(temporary.string());
    if (at != std::string::npos) part->replace(at, temporary.string().size(), target.string());
  }
  return Error(error.error_class(), error.code(), std::move(text));
}

std::string read_text_file(const Path& path, std::uint64_t limit) {
  std::uint64_t size = 0;
  const Descriptor file = open_regular(path, limit, size);
  std::string text(size, '\0');
  std::size_t filled = 0;
  read_all(path, file.get(), std::as_writable_bytes(std::span(text.data(), text.size())), filled);
  text.resize(filled);
  return text;
}

std::vector<std::byte> read_binary_file(const Path& path, std::uint64_t limit) {
  std::uint64_t size = 0;
  const Descriptor file = open_regular(path, limit, size);
  std::vector<std::byte> bytes(size);
  std::size_t filled = 0;
  read_all(path, file.get(), bytes, filled);
  bytes.resize(filled);
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
