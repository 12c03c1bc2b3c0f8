// SPDX-License-Identifier: Apache-2.0
#include "tenfold/base/descriptor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold {
namespace {

constexpr std::size_t kLongestPath = 4096;

std::string kind_of(unsigned mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO (named pipe)";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device or socket";
}

}  // namespace

void Descriptor::reset() {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

void throw_errno(std::string_view action, const std::string& name, int error) {
  const std::string reason = std::generic_category().message(error);
  const std::string what = fmt::format("cannot {} {}", action, printable(name, kLongestPath));
  const auto file_error = [&](std::string code, std::string remedy) {
    return Error(
        ErrorClass::kFile, std::move(code), {.what = what, .seen = reason, .remedy = std::move(remedy)});
  };
  const auto resource_error = [&](std::string code, std::string remedy) {
    return Error(
        ErrorClass::kResource, std::move(code), {.what = what, .seen = reason, .remedy = std::move(remedy)});
  };
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      throw resource_error("file.no_space", "free disk space or choose another folder");
    case ENOENT:
    case ENOTDIR:
      throw file_error("file.not_found", "check the path");
    case EACCES:
    case EPERM:
    case EROFS:
      throw file_error("file.no_permission", "check the rights of the file and its folder");
    case ENAMETOOLONG:
    case ELOOP:
      throw file_error("file.bad_path", "choose a shorter path without circular links");
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      throw resource_error("file.system_limit", "close other programs or raise the limit");
    default:
      throw file_error("file.io", "check the disk and retry");
  }
}

void throw_not_regular(std::string_view action, const std::string& name, unsigned mode, std::string remedy) {
  throw Error(ErrorClass::kFile,
              "file.not_regular",
              {.what = fmt::format("cannot {} {}", action, printable(name, kLongestPath)),
               .seen = kind_of(mode),
               .wanted = "a regular file",
               .remedy = std::move(remedy)});
}

void throw_too_large(const std::string& name, std::string seen, std::uint64_t limit) {
  throw Error(ErrorClass::kFile,
              "file.too_large",
              {.what = printable(name, kLongestPath) + " is larger than the limit for this kind of file",
               .seen = std::move(seen),
               .wanted = fmt::format("at most {} bytes", limit),
               .remedy = "check that it is the right file, or split it"});
}

OpenFile open_regular_file(const Path& path, std::uint64_t limit) {
  const std::string name = path.string();
  // O_NONBLOCK: a FIFO must not hang the program; it is refused below.
  OpenFile file{Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY))};
  const std::string advice = "copy the content into a file first";
  if (!file.descriptor.is_open()) {
    if (errno == ENXIO) throw_not_regular("read", name, S_IFSOCK, advice);  // what open() says of a socket
    throw_errno("open", name, errno);
  }
  struct stat info {};
  if (::fstat(file.descriptor.get(), &info) != 0) throw_errno("inspect", name, errno);
  if (!S_ISREG(info.st_mode)) throw_not_regular("read", name, info.st_mode, advice);
  file.size = static_cast<std::uint64_t>(info.st_size);
  if (file.size > limit) throw_too_large(name, fmt::format("{} bytes", file.size), limit);
  return file;
}

std::size_t read_some(const Descriptor& file, std::span<std::byte> target, const std::string& name) {
  while (true) {
    const ssize_t count = ::read(file.get(), target.data(), target.size());
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) throw_errno("read", name, errno);
  }
}

}  // namespace tenfold
