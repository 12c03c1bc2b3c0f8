// SPDX-License-Identifier: Apache-2.0
// O_NOFOLLOW and O_NONBLOCK on open, fstat on the descriptor (no second look at the path), pread for reading.
#include "tenfold/io/input_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::io {
namespace {

constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

[[noreturn]] void fail(std::string code, const std::string& label, std::string seen, ErrorText advice = {}) {
  advice.what = "cannot read " + printable(label, 400);
  advice.seen = std::move(seen);
  throw Error(ErrorClass::kFile, std::move(code), std::move(advice));
}

[[noreturn]] void throw_errno(const std::string& label, int error) {
  switch (error) {
    case ENOENT:
      fail("file.not_found", label, "no such file", {.remedy = "check the path"});
    case EACCES:
    case EPERM:
      fail("file.no_permission",
           label,
           std::generic_category().message(error),
           {.remedy = "check the rights of the file and its folder"});
    case ELOOP:
      fail("file.symlink",
           label,
           "a symbolic link",
           {.wanted = "a regular file", .remedy = "name the file that the link points to (readlink -f)"});
    case ENXIO:  // a socket, or a device without a driver
      fail("file.not_regular",
           label,
           "a socket or device",
           {.wanted = "a regular file", .remedy = "copy the content into a file first"});
    default:
      fail("file.io",
           label,
           std::generic_category().message(error),
           {.remedy = "check the path and the disk"});
  }
}

std::string kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a FIFO (named pipe)";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  if (S_ISSOCK(mode)) return "a socket";
  return "not a regular file";
}

}  // namespace

InputFile::InputFile(int descriptor, std::span<const std::byte> memory, std::uint64_t size, std::string label)
    : descriptor_(descriptor), memory_(memory), size_(size), label_(std::move(label)) {}

InputFile::InputFile(InputFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      memory_(std::exchange(other.memory_, {})),
      size_(std::exchange(other.size_, 0)),
      label_(std::move(other.label_)) {}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(memory_, other.memory_);
  std::swap(size_, other.size_);
  std::swap(label_, other.label_);
  return *this;
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

InputFile InputFile::adopt(int descriptor, std::string label, bool refuse_hard_links) {
  if (descriptor < 0) throw_errno(label, errno);
  InputFile file(descriptor, {}, 0, std::move(label));  // owns the descriptor from here on
  struct stat info {};
  if (::fstat(descriptor, &info) != 0) throw_errno(file.label_, errno);
  if (!S_ISREG(info.st_mode)) {
    fail("file.not_regular",
         file.label_,
         kind_of(info.st_mode),
         {.wanted = "a regular file", .remedy = "copy the content into a file first"});
  }
  if (refuse_hard_links && info.st_nlink != 1) {
    fail("file.hard_link",
         file.label_,
         fmt::format("{} hard links", info.st_nlink),
         {.wanted = "1, so that nobody changes it through another name",
          .remedy = "copy the folder with cp -r"});
  }
  file.size_ = static_cast<std::uint64_t>(info.st_size);
  return file;
}

InputFile InputFile::open(const Path& path) {
  return adopt(::open(path.c_str(), kFlags), path.string(), false);
}

InputFile InputFile::open_member(int folder, const std::string& name, std::string label) {
  check_internal(!name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos,
                 "a folder member's name is one path component");
  return adopt(::openat(folder, name.c_str(), kFlags), std::move(label), true);
}

InputFile InputFile::view(std::span<const std::byte> bytes, std::string label) {
  return {-1, bytes, bytes.size(), std::move(label)};
}

void InputFile::read_at(std::uint64_t offset, std::span<std::byte> target) const {
  if (descriptor_ < 0) {
    if (offset > memory_.size() || target.size() > memory_.size() - offset) {
      fail("file.truncated", label_, fmt::format("{} bytes", memory_.size()));
    }
    std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(offset), target.size(), target.begin());
    return;
  }
  while (!target.empty()) {
    const auto position = checked::cast<off_t>(offset);
    if (!position) fail("file.truncated", label_, fmt::format("an offset of {} bytes", offset));
    const ssize_t count = ::pread(descriptor_, target.data(), target.size(), *position);
    if (count < 0) {
      if (errno == EINTR) continue;
      throw_errno(label_, errno);
    }
    if (count == 0) {
      fail("file.truncated",
           label_,
           fmt::format("the end of the file at byte {}", offset),
           {.wanted = fmt::format("{} more bytes", target.size()),
            .remedy = "the file changed while it was read: copy it again and retry"});
    }
    target = target.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

}  // namespace tenfold::io
