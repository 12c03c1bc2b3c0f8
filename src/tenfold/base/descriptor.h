// SPDX-License-Identifier: Apache-2.0
// POSIX file descriptors that close themselves, and the one way in which a failed system call becomes an Error: every
// reader and writer of files stands on this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "tenfold/base/file_system.h"

namespace tenfold {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }

  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }
  int release() { return std::exchange(number_, -1); }
  void reset();

 private:
  int number_ = -1;
};

// "cannot ACTION NAME" with the code and class that belong to `error`, an errno value: "file.no_space", "file.not_found",
// "file.no_permission", "file.bad_path", "file.system_limit", else "file.io".
[[noreturn]] void throw_errno(std::string_view action, const std::string& name, int error);

// "file.not_regular": a folder, FIFO, socket or device where a file is wanted. `mode` is st_mode; 0: unknown.
[[noreturn]] void throw_not_regular(std::string_view action,
                                    const std::string& name,
                                    unsigned mode,
                                    std::string remedy);

// "file.too_large"; `seen` is what is known of the size: "70000 bytes".
[[noreturn]] void throw_too_large(const std::string& name, std::string seen, std::uint64_t limit);

struct OpenFile {
  Descriptor descriptor;
  std::uint64_t size = 0;  // bytes, when it was opened
};

// Opens a regular file of at most `limit` bytes for reading; a symbolic link is followed. Never blocks. Throws
// Error(kFile): "file.not_regular", "file.too_large" and what throw_errno() knows.
OpenFile open_regular_file(const Path& path, std::uint64_t limit);

// As read(2), repeated when a signal interrupts it: 0 only at the end of the file. `name` is for the message.
std::size_t read_some(const Descriptor& file, std::span<std::byte> target, const std::string& name);

}  // namespace tenfold
