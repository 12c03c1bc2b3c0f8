// SPDX-License-Identifier: Apache-2.0
// O_NOFOLLOW and O_NONBLOCK on open, fstat on the descriptor (no second look at the path), pread for reading.
#include "tenfold/io/input_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "tenfold/base/checked.h"
#include "tenfold/base/error.h"
#include "tenfold/base/strings.h"

namespace tenfold::io {
namespace {

constexpr std::string_view kCopyFirst = "copy the content into a file first";
constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

[[noreturn]] void fail(std::string code, const std::string& label, std::string seen, ErrorText advice = {}) {
  advice.what = "cannot read " + printable(label, 400);
  advice.seen = std::move(seen);
  throw Error(ErrorClass::kFile, std::move(code), std::move(advice));
}

[[noreturn]] void throw_open_error(const std::string& label, int error) {
  if (error == ELOOP) {
    fail("file.symlink",
         label,
         "a symbolic link",
         {.wanted = "a regular file", .remedy = "name the file that the link points to (readlink -f)"});
  }
  if (error == ENXIO) throw_not_regular("read", label, S_IFSOCK, std::string(kCopyFirst));
  throw_errno("read", label, error);
}

}  // namespace

InputFile::InputFile(Descriptor descriptor,
                     std::span<const std::byte> memory,
                     std::uint64_t size,
                     std::string label)
    : descriptor_(std::move(descriptor)), memory_(memory), size_(size), label_(std::move(label)) {}

InputFile InputFile::adopt(Descriptor descriptor, std::string label, bool refuse_hard_links) {
  if (!descriptor.is_open()) throw_open_error(label, errno);
  InputFile file(std::move(descriptor), {}, 0, std::move(label));
  struct stat info {};
  if (::fstat(file.descriptor_.get(), &info) != 0) throw_errno("read", file.label_, errno);
  if (!S_ISREG(info.st_mode)) throw_not_regular("read", file.label_, info.st_mode, std::string(kCopyFirst));
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
  return adopt(Descriptor(::open(path.c_str(), kFlags)), path.string(), false);
}

InputFile InputFile::open_member(int folder, const std::string& name, std::string label) {
  check_internal(!name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos,
                 "a folder member's name is one path component");
  return adopt(Descriptor(::openat(folder, name.c_str(), kFlags)), std::move(label), true);
}

InputFile InputFile::view(std::span<const std::byte> bytes, std::string label) {
  return {Descriptor(), bytes, bytes.size(), std::move(label)};
}

void InputFile::read_at(std::uint64_t offset, std::span<std::byte> target) const {
  if (!descriptor_.is_open()) {
    if (offset > memory_.size() || target.size() > memory_.size() - offset) {
      fail("file.truncated", label_, fmt::format("{} bytes", memory_.size()));
    }
    std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(offset), target.size(), target.begin());
    return;
  }
  while (!target.empty()) {
    const auto position = checked::cast<off_t>(offset);
    if (!position) fail("file.truncated", label_, fmt::format("an offset of {} bytes", offset));
    const ssize_t count = ::pread(descriptor_.get(), target.data(), target.size(), *position);
    if (count < 0) {
      if (errno == EINTR) continue;
      throw_errno("read", label_, errno);
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

InputFile::Mapping InputFile::map() const {
  if (!descriptor_.is_open()) return {memory_, nullptr};
  if (size_ == 0) return {};
  const auto length = checked::cast<std::size_t>(size_);
  if (!length) fail("file.too_large", label_, fmt::format("{} bytes", size_));
  void* pages = ::mmap(nullptr, *length, PROT_READ, MAP_PRIVATE, descriptor_.get(), 0);
  if (pages == MAP_FAILED) throw_errno("map", label_, errno);
  return {{static_cast<const std::byte*>(pages), *length},
          std::shared_ptr<const void>(
              pages, [size = *length](const void* p) { ::munmap(const_cast<void*>(p), size); })};
}

}  // namespace tenfold::io
