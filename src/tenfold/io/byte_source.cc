// SPDX-License-Identifier: Apache-2.0
// Opens files for the streaming readers with the same refusals as base/file_system.h.
#include "tenfold/io/byte_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "tenfold/base/error.h"

namespace tenfold::io {
namespace {

[[noreturn]] void throw_errno(std::string_view action, const std::string& name, int error) {
  std::string code = "file.io";
  std::string remedy = "check the disk and retry";
  if (error == ENOENT) {
    code = "file.not_found";
    remedy = "check the path";
  } else if (error == EACCES || error == EPERM) {
    code = "file.no_permission";
    remedy = "check the rights of the file and its folder";
  }
  throw Error(ErrorClass::kFile,
              code,
              {.what = fmt::format("cannot {} {}", action, name),
               .seen = std::generic_category().message(error),
               .remedy = remedy});
}

[[noreturn]] void throw_too_large(const std::string& name, std::uint64_t limit) {
  throw Error(ErrorClass::kFile,
              "file.too_large",
              {.what = name + " is larger than the limit for this kind of file",
               .seen = fmt::format("more than {} bytes", limit),
               .wanted = fmt::format("at most {} bytes", limit),
               .remedy = "check that it is the right file, or split it"});
}

}  // namespace

MemorySource::MemorySource(std::string_view text, std::string name) : rest_(text), name_(std::move(name)) {}

std::size_t MemorySource::read(std::span<char> target) {
  const std::size_t count = std::min(target.size(), rest_.size());
  std::copy_n(rest_.data(), count, target.data());
  rest_.remove_prefix(count);
  return count;
}

FileSource::FileSource(const Path& path, std::uint64_t limit)
    : left_(limit), limit_(limit), name_(path.string()) {
  // O_NONBLOCK: a FIFO must not hang the program; it is refused below.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) throw_errno("open", name_, errno);
  struct stat info {};
  const int failure = ::fstat(descriptor, &info) == 0 ? 0 : errno;
  if (failure == 0 && S_ISREG(info.st_mode) && static_cast<std::uint64_t>(info.st_size) <= limit) {
    descriptor_ = descriptor;
    return;
  }
  ::close(descriptor);
  if (failure != 0) throw_errno("inspect", name_, failure);
  if (S_ISREG(info.st_mode)) throw_too_large(name_, limit);
  throw Error(ErrorClass::kFile,
              "file.not_regular",
              {.what = "cannot read " + name_,
               .seen = S_ISDIR(info.st_mode) ? "a folder" : "a device, pipe or socket",
               .wanted = "a regular file",
               .remedy = "copy the content into a file first"});
}

FileSource::~FileSource() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::size_t FileSource::read(std::span<char> target) {
  while (true) {
    const ssize_t count = ::read(descriptor_, target.data(), target.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      throw_errno("read", name_, errno);
    }
    const auto bytes = static_cast<std::uint64_t>(count);
    if (bytes > left_) throw_too_large(name_, limit_);
    left_ -= bytes;
    return static_cast<std::size_t>(bytes);
  }
}

}  // namespace tenfold::io
